"""Mean and covariance of fields behind a mesh with phase noise, column by column; the engine of
``moments``, whose arguments are checked.

A shifter multiplies the field of its mode by an independent random factor, a coupler mixes two
modes linearly. Both map mean and covariance of the fields exactly. Covariances are carried in place
of second moments so that nothing cancels when the noise is small.

Shape legend: N modes, M interferometers, P of them in a column, F fields, B meshes; B is innermost.
"""

import math
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from photonic.conventions import db_to_amplitude
from photonic.layout import MeshColumn, MeshLayout
from photonic.mzi import BlockEntries
from photonic.torch_backend import couple


class FieldMoments(NamedTuple):
    """First two moments of random fields X, summed over the F fields."""

    mean: Tensor
    """(N, F, B) complex E[X]."""
    covariance: Tensor
    """(N, N, B) complex E[X X^H] - E[X] E[X]^H, Hermitian."""
    pseudo: Tensor | None
    """(N, N, B) complex E[X X^T] - E[X] E[X]^T, symmetric; None if it is not wanted."""


class RandomFactor(NamedTuple):
    """Moments of the independent random factors f of some modes."""

    mean: Tensor
    """(K, B) complex E[f]."""
    variance: Tensor
    """(K, B) real E|f|^2 - |E f|^2."""
    pseudo: Tensor
    """(K, B) complex E[f^2] - (E f)^2."""


class NoisyMesh(NamedTuple):
    """Settings and noise of a batch of meshes."""

    theta: Tensor
    """(B, M) [rad] internal phases."""
    phi: Tensor
    """(B, M) [rad] external phases."""
    output_phase: Tensor
    """(B, N) [rad] screen."""
    variance: Tensor
    """(B, 2 M + N) [rad^2] variance of each phase, in flat order."""
    coupler_error: Tensor
    """(B, M, 2) [rad] deviations (a, b) of the couplers."""
    amplitude: Tensor
    """(B, M, 3, 2) factor of the field in each section and arm."""


class _Half(NamedTuple):
    """One half of every interferometer: its arms and the coupler behind them."""

    shifter: RandomFactor
    """(M, B) noisy shifter of the upper arm."""
    gain: Tensor
    """(2, M, B) factor of the field in the upper and the lower arm."""
    coupler: BlockEntries
    """(M, B) entries of the coupler, with the loss behind it."""


def noisy_mesh(
    theta: Tensor,
    phi: Tensor,
    output_phase: Tensor,
    variance: Tensor,
    coupler_error: Tensor | None = None,
    insertion_loss_db: Tensor | None = None,
    arm_loss_db: Tensor | None = None,
) -> NoisyMesh:
    """The mesh of the given settings, (B, ...) each; errors and losses that are None are absent."""
    if coupler_error is None:
        coupler_error = theta.new_zeros(*theta.shape, 2)
    loss_db = theta.new_zeros(*theta.shape, 3, 2) if arm_loss_db is None else arm_loss_db
    if insertion_loss_db is not None:
        behind = insertion_loss_db[..., None, None] * theta.new_tensor([0.0, 0.0, 1.0])[:, None]
        loss_db = loss_db + behind
    return NoisyMesh(theta, phi, output_phase, variance, coupler_error, db_to_amplitude(loss_db))


def known_fields(mean: Tensor, has_pseudo: bool) -> FieldMoments:
    """Moments of fields (N, F, B) without noise."""
    num_modes, _, num_meshes = mean.shape
    zero = mean.new_zeros(num_modes, num_modes, num_meshes)
    return FieldMoments(mean, zero, zero if has_pseudo else None)


def noisy_phasor(phase: Tensor, variance: Tensor) -> RandomFactor:
    """Moments of exp(i x) for x normal, E = exp(i phase - variance/2).

    E|f|^2 = 1 and E f^2 = exp(2 i phase - 2 variance).
    """
    mean = torch.polar(torch.exp(-variance / 2), phase)
    lost = -torch.expm1(-variance)
    return RandomFactor(mean, lost, -lost * mean.square())


def factor_product(first: RandomFactor, second: RandomFactor) -> RandomFactor:
    """Moments of the product of two independent factors."""

    def spread(f: Tensor, f_square: Tensor, g: Tensor, g_square: Tensor) -> Tensor:
        return f * (g + g_square) + f_square * g

    squares = (factor.mean.abs().square() for factor in (first, second))
    return RandomFactor(
        first.mean * second.mean,
        spread(first.variance, next(squares), second.variance, next(squares)),
        spread(first.pseudo, first.mean.square(), second.pseudo, second.mean.square()),
    )


def scale_fields(state: FieldMoments, factor: RandomFactor) -> FieldMoments:
    """Fields times independent factors f, one per mode.

    Off the diagonal, factors of two modes enter by their means. On it,
    cov_mm <- |E f|^2 cov_mm + Var f (cov_mm + |mean_m|^2), and alike for the pseudo-covariance.
    """
    outer = factor.mean.unsqueeze(1)
    power = state.mean.abs().square().sum(1) + _diagonal(state.covariance).real
    covariance = state.covariance * outer * factor.mean.conj()
    covariance = covariance + _as_diagonal(factor.variance * power)
    pseudo = None
    if state.pseudo is not None:
        square = state.mean.square().sum(1) + _diagonal(state.pseudo)
        pseudo = state.pseudo * outer * factor.mean + _as_diagonal(factor.pseudo * square)
    return FieldMoments(state.mean * outer, covariance, pseudo)


def propagate(layout: MeshLayout, mesh: NoisyMesh, state: FieldMoments) -> FieldMoments:
    """Moments behind a batch of meshes.

    Args:
        layout: wiring.
        mesh: settings and noise.
        state: moments at the input.

    Returns:
        Moments at the output; differentiable in all tensors of the mesh.
    """
    halves = _halves(layout.num_mzis, mesh)
    columns = layout.columns()
    length = max(1, math.isqrt(len(columns)))
    for start in range(0, len(columns), length):
        # Gradients keep the state of every length-th column and recompute those between.
        part = partial(_propagate_columns, columns[start : start + length], halves)
        state = checkpoint(part, state, use_reentrant=False, preserve_rng_state=False)
    screen = noisy_phasor(mesh.output_phase.T, mesh.variance.T[2 * layout.num_mzis :])
    return scale_fields(state, screen)


def _halves(num_mzis: int, mesh: NoisyMesh) -> tuple[_Half, _Half]:
    """Arms and coupler before and after the middle of each interferometer."""
    variance = mesh.variance.T
    external = noisy_phasor(mesh.phi.T, variance[num_mzis : 2 * num_mzis])
    internal = noisy_phasor(mesh.theta.T, variance[:num_mzis])
    before, between, (upper, lower) = mesh.amplitude.permute(2, 3, 1, 0)
    first, second = (mesh.coupler_error + math.pi / 4).permute(2, 1, 0)
    bar, cross = second.cos(), 1j * second.sin()
    return (
        _Half(external, before, (first.cos(), 1j * first.sin(), 1j * first.sin(), first.cos())),
        _Half(internal, between, (upper * bar, upper * cross, lower * cross, lower * bar)),
    )


def _propagate_columns(
    columns: tuple[MeshColumn, ...], halves: tuple[_Half, _Half], state: FieldMoments
) -> FieldMoments:
    for column in columns:
        for half in halves:
            factor = _column_factor(half, column, len(state.mean))
            state = _couple_moments(scale_fields(state, factor), column, half.coupler)
    return state


def _column_factor(half: _Half, column: MeshColumn, num_modes: int) -> RandomFactor:
    """Factors of all N modes in front of a coupler: noise on upper arms, loss on both."""
    upper, lower = half.gain[:, column.mzis]
    mean, variance, pseudo = (part[column.mzis] for part in half.shifter)
    power = upper.square()
    pairs = (
        (upper * mean, lower.to(mean.dtype), 1.0),
        (power * variance, torch.zeros_like(variance), 0.0),
        (power * pseudo, torch.zeros_like(pseudo), 0.0),
    )
    start, stop = column.modes.start, column.modes.stop
    spread = []
    for above, below, idle in pairs:
        both = torch.stack([part.unflatten(0, (-1, column.span)) for part in (above, below)], dim=1)
        coupled = both.flatten(0, 2)
        head, tail = (
            coupled.new_full((n, coupled.shape[1]), idle) for n in (start, num_modes - stop)
        )
        spread.append(torch.cat((head, coupled, tail)))
    return RandomFactor(*spread)


def _couple_moments(state: FieldMoments, column: MeshColumn, block: BlockEntries) -> FieldMoments:
    """B mean, B cov B^H = B (B cov)^H, B pseudo B^T = B (B pseudo)^T."""
    block = tuple(entry[column.mzis] for entry in block)
    once = couple(state.covariance, column, block)
    covariance = couple(once.transpose(0, 1).conj(), column, block)
    pseudo = None
    if state.pseudo is not None:
        pseudo = couple(couple(state.pseudo, column, block).transpose(0, 1), column, block)
    return FieldMoments(couple(state.mean, column, block), covariance, pseudo)


def _diagonal(matrix: Tensor) -> Tensor:
    """(N, B) diagonal of (N, N, B)."""
    return matrix.diagonal(dim1=0, dim2=1).T


def _as_diagonal(values: Tensor) -> Tensor:
    """(N, N, B) with (N, B) on the diagonal."""
    return torch.diag_embed(values.T, dim1=0, dim2=1)
