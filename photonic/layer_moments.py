"""Exact mean square error of the weights of a layer whose phases carry independent Gaussian noise.

The layer counterpart of ``moments``: mean and covariance of the light are carried through the V
mesh, the attenuators and the U mesh of every tile. Nothing is drawn.

Shape legend: R, C rows and columns of tiles, m x n one tile, r = min(m, n) attenuators, T = R C
tiles, B of them at a time; S shifters of a mesh.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor
from torch.nn.functional import pad

from photonic._covariance import (
    FieldMoments,
    NoisyMesh,
    RandomFactor,
    factor_product,
    known_fields,
    noisy_mesh,
    noisy_phasor,
    propagate,
    scale_fields,
)
from photonic.checks import instance, phase_noise_std, real_dtype
from photonic.mesh_state import MESHES
from photonic.phases import MeshPhases
from photonic.program import Program
from photonic.propagation import transfer_matrix

PhaseStd = float | Tensor | Mapping[str, float | Tensor]
"""Standard deviation of all phases [rad], or those of "V", "sigma" and "U"."""

_CHUNK_NUMBERS = 2**14  # of the covariances of one chunk of tiles, so that they stay in the cache


def expected_weight_error(
    program: Program, phase_std: PhaseStd, *, dtype: torch.dtype = torch.float64
) -> Tensor:
    """Mean square error of the weights of each tile, E||W~ - W||^2.

    W~ = scale Re Z~ with Z~ = U~[:, :r] diag(sigma~) V~[:r], and W that of the ideal settings. With
    Cov = E[Z~ Z~^H] - E[Z~] E[Z~]^H and PCov = E[Z~ Z~^T] - E[Z~] E[Z~]^T, and because
    (Re z)^2 = (|z|^2 + Re z^2)/2,

        E||W~ - W||^2 = ||scale Re E[Z~] - W||^2 + scale^2 (tr Cov + Re tr PCov)/2.

    All three start from the identity at the input of V. A factor f that is independent of the field
    x_k of its mode (a phasor, or an attenuator) multiplies mean and off-diagonal entries by its
    mean E f, and on the diagonal

        Cov_kk  <- |E f|^2 Cov_kk  + Var f  (Cov_kk  + sum over inputs of |E x_k|^2)
        PCov_kk <- (E f)^2 PCov_kk + PVar f (PCov_kk + sum over inputs of (E x_k)^2)

    with Var f = E|f|^2 - |E f|^2 and PVar f = E f^2 - (E f)^2. A phasor with noise s has
    E f = e^(i x - s^2/2), E|f|^2 = 1 and E f^2 = e^(2 i x - 2 s^2); an attenuator is the product
    (e^(i theta) - 1) e^(i phi)/2 of two. Couplers act as B Cov B^H and B PCov B^T. Rows and columns
    of padding do not count.

    Args:
        program: ideal settings of a layer.
        phase_std: [rad] standard deviation of every phase, or by mesh: "V", "sigma" and "U", each
            broadcastable to (R, C, S) in flat order (theta, phi, output screen).
        dtype: real dtype of the computation.

    Returns:
        (R, C) real, 0 without noise up to rounding; the sum is the error of the layer.
        Differentiable in ``phase_std``.

    Raises:
        TypeError: if an argument is not of its kind.
        ValueError: if a mesh is missing or unknown, a shape does not fit or the noise is negative.
    """
    instance("program", program, Program)
    real_dtype("dtype", dtype)
    variance = _variances(program, phase_std, dtype)
    errors = [
        tile_square_errors(program, tiles, {mesh: variance[mesh][tiles] for mesh in MESHES})
        for tiles in tile_chunks(program)
    ]
    return torch.cat(errors).reshape(program.grid_shape)


def num_shifters(program: Program) -> dict[str, int]:
    """Number S of phase shifters of one tile, by mesh."""
    u, v = (2 * mesh.num_mzis + mesh.num_modes for mesh in (program.u_layout, program.v_layout))
    return {"V": v, "sigma": 2 * program.rank, "U": u}


def tile_chunks(program: Program) -> Iterator[slice]:
    """Ranges of tiles, row by row of the grid, that are computed at a time."""
    size = max(1, _CHUNK_NUMBERS // max(program.tile_shape) ** 2)
    for start in range(0, program.num_tiles, size):
        yield slice(start, min(start + size, program.num_tiles))


def tile_square_errors(program: Program, tiles: slice, variance: Mapping[str, Tensor]) -> Tensor:
    """Mean square error of the weights of some tiles, the inner call of ``expected_weight_error``.

    Args:
        program: ideal settings of a layer.
        tiles: range of B tiles, counted row by row.
        variance: by mesh (B, S) [rad^2] variance of each phase; decides the dtype.

    Returns:
        (B,) real E||W~ - W||^2.
    """
    like = variance["V"]
    rows, columns = (mask[tiles].to(like) for mask in _kept(program))
    v = _mesh(program.v, tiles, variance["V"])
    u = _mesh(program.u, tiles, variance["U"])
    fields = torch.diag_embed(columns).permute(1, 2, 0).to(like.dtype.to_complex())
    state = propagate(program.v_layout, v, known_fields(fields, has_pseudo=True))
    state = scale_fields(_first_modes(state, program.rank), _attenuators(program, tiles, variance))
    state = propagate(program.u_layout, u, _with_dark_modes(state, program.tile_shape[0]))
    shift = state.mean.real.permute(2, 0, 1) - _ideal(program, u, v, tiles) * columns.unsqueeze(-2)
    spread = (state.covariance + state.pseudo).diagonal(dim1=0, dim2=1).real / 2
    scale = program.scale.flatten()[tiles].to(like)
    return scale.square() * (rows * (shift.square().sum(-1) + spread)).sum(-1)


def _variances(program: Program, phase_std: PhaseStd, dtype: torch.dtype) -> dict[str, Tensor]:
    """(T, S) [rad^2] by mesh."""
    if not isinstance(phase_std, Mapping):
        phase_std = dict.fromkeys(MESHES, phase_std)
    if set(phase_std) != set(MESHES):
        raise ValueError(f"`phase_std` needs the meshes {list(MESHES)}, got {list(phase_std)}")
    variances = {}
    for mesh, size in num_shifters(program).items():
        std = phase_noise_std("phase_std", phase_std[mesh]).to(dtype)
        shape = (*program.grid_shape, size)
        try:
            std = std.expand(shape)
        except RuntimeError as error:
            found = tuple(std.shape)
            raise ValueError(
                f"`phase_std` of {mesh} must broadcast to {shape}, got {found}"
            ) from error
        variances[mesh] = std.square().flatten(0, 1)
    return variances


def _kept(program: Program) -> tuple[Tensor, Tensor]:
    """(T, m) outputs and (T, n) inputs of each tile that are not padding."""
    (grid_rows, grid_columns), (m, n) = program.grid_shape, program.tile_shape
    rows = torch.arange(grid_rows * m).reshape(-1, 1, m) < program.out_features
    columns = torch.arange(grid_columns * n).reshape(1, -1, n) < program.in_features
    grid = (grid_rows, grid_columns, -1)
    return rows.expand(grid).flatten(0, 1), columns.expand(grid).flatten(0, 1)


def _mesh(phases: MeshPhases, tiles: slice, variance: Tensor) -> NoisyMesh:
    parts = (phases.theta, phases.phi, phases.output_phase)
    return noisy_mesh(*(part.flatten(0, 1)[tiles].to(variance) for part in parts), variance)


def _attenuators(program: Program, tiles: slice, variance: Mapping[str, Tensor]) -> RandomFactor:
    """Factors (e^(i theta) - 1) e^(i phi)/2 of the r attenuators, (r, B)."""
    like = variance["sigma"]
    phases = (part.flatten(0, 1)[tiles].to(like).T for part in program.attenuator_phases())
    variances = like.T.split(program.rank)
    internal, external = map(noisy_phasor, phases, variances)
    bar = RandomFactor((internal.mean - 1) / 2, internal.variance / 4, internal.pseudo / 4)
    return factor_product(bar, external)


def _ideal(program: Program, u: NoisyMesh, v: NoisyMesh, tiles: slice) -> Tensor:
    """(B, m, n) weight of each tile over its scale, without noise."""
    left, right = (
        transfer_matrix(layout, mesh.theta, mesh.phi, mesh.output_phase)
        for layout, mesh in ((program.u_layout, u), (program.v_layout, v))
    )
    attenuation = program.attenuation.flatten(0, 1)[tiles].to(u.theta)
    return (left[..., : program.rank] * attenuation.unsqueeze(-2) @ right[:, : program.rank]).real


def _first_modes(state: FieldMoments, count: int) -> FieldMoments:
    """The part of the light that has an attenuator."""
    return FieldMoments(
        state.mean[:count], state.covariance[:count, :count], state.pseudo[:count, :count]
    )


def _with_dark_modes(state: FieldMoments, num_modes: int) -> FieldMoments:
    """The light in front of a mesh with more modes than there are attenuators."""
    extra = num_modes - len(state.mean)
    square = (0, 0, 0, extra, 0, extra)
    return FieldMoments(
        pad(state.mean, (0, 0, 0, 0, 0, extra)),
        pad(state.covariance, square),
        pad(state.pseudo, square),
    )
