"""Exact statistics of given meshes and layers whose phases carry independent Gaussian noise.

Every realised phase is its setting plus a normal draw of its own standard deviation. A transfer
matrix is linear in each phasor exp(i x), and E exp(i x) = exp(i phase - phase_std^2/2): a shifter
acts on mean fields as if it had a loss, and on their covariance by a linear map. So means and mean
squares are exact at any noise, without a draw. ``layer_moments`` does the same for the weights of a
layer, ``expectations`` has short formulas for random targets.

Shape legend: N modes, M interferometers, S = 2 M + N shifters (theta, phi, output screen),
B meshes.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from photonic._covariance import (
    FieldMoments,
    NoisyMesh,
    known_fields,
    noisy_mesh,
    propagate,
)
from photonic.arguments import flattened, given
from photonic.checks import instance, phase_noise_std
from photonic.layout import MeshLayout
from photonic.propagation import transfer_matrix

_DB_PER_VARIANCE = 10 / math.log(10)  # exp(-v/2) = 10^(-dB/20)


def mean_transfer_matrix(
    layout: MeshLayout,
    theta: Tensor,
    phi: Tensor,
    output_phase: Tensor,
    phase_std: float | Tensor,
    *,
    coupler_error: Tensor | None = None,
    insertion_loss_db: Tensor | None = None,
    arm_loss_db: Tensor | None = None,
) -> Tensor:
    """Mean of the transfer matrix over the noise of its phases.

    E[T] is the matrix of a mesh whose shifters multiply amplitudes by exp(-phase_std^2/2) as well.

    Args:
        layout: wiring of N modes and M interferometers.
        theta: (..., M) [rad] internal phases, float32 or float64.
        phi: (..., M) [rad] external phases.
        output_phase: (..., N) [rad] screen after the last column.
        phase_std: () or (..., S) [rad] standard deviation of each phase, in flat order.
        coupler_error: (..., M, 2) [rad] deviations (a, b) of the couplers from pi/4.
        insertion_loss_db: (..., M) [dB] loss of each interferometer.
        arm_loss_db: (..., M, 3, 2) [dB] loss of each section and arm, as in ``transfer_matrix``.

    Returns:
        (..., N, N) complex E[T], ``[out, in]``; ``transfer_matrix`` without noise.

    Raises:
        TypeError: if theta is neither float32 nor float64.
        ValueError: if a last dimension does not fit the layout, the batches do not broadcast, or a
            loss or the noise is negative.
    """
    instance("layout", layout, MeshLayout)
    settings = given(
        theta=theta,
        phi=phi,
        output_phase=output_phase,
        coupler_error=coupler_error,
        insertion_loss_db=insertion_loss_db,
        arm_loss_db=arm_loss_db,
    )
    m = layout.num_mzis
    loss_db = _DB_PER_VARIANCE * _variance(layout, phase_std, settings["theta"])
    lower = torch.zeros_like(loss_db[..., :m])
    external, internal = loss_db[..., m : 2 * m], loss_db[..., :m]
    rows = (torch.stack((part, lower), dim=-1) for part in (external, internal, lower))
    arms_db = torch.stack(tuple(rows), dim=-2)
    settings["arm_loss_db"] = _added(arms_db, settings.get("arm_loss_db"))
    mean = transfer_matrix(layout, **settings)
    return torch.exp(loss_db[..., 2 * m :] / (-2 * _DB_PER_VARIANCE)).unsqueeze(-1) * mean


def expected_power(
    layout: MeshLayout,
    theta: Tensor,
    phi: Tensor,
    output_phase: Tensor,
    phase_std: float | Tensor,
    *,
    coupler_error: Tensor | None = None,
    insertion_loss_db: Tensor | None = None,
    arm_loss_db: Tensor | None = None,
) -> Tensor:
    """Mean power that reaches each output from each input.

    E|T[out, in]|^2 from the covariance of the fields x of each input. A shifter of mode m leaves
    E|x_m|^2 and multiplies E[x_m x_k^*] by exp(i phase - phase_std^2/2); couplers and losses act as
    on x x^H. Needs N^2 numbers per input, unlike the other functions.

    Args:
        layout: wiring of N modes and M interferometers.
        theta: (..., M) [rad] internal phases, float32 or float64.
        phi: (..., M) [rad] external phases.
        output_phase: (..., N) [rad] screen after the last column, without effect on powers.
        phase_std: () or (..., S) [rad] standard deviation of each phase, in flat order.
        coupler_error: (..., M, 2) [rad] deviations (a, b) of the couplers from pi/4.
        insertion_loss_db: (..., M) [dB] loss of each interferometer.
        arm_loss_db: (..., M, 3, 2) [dB] loss of each section and arm.

    Returns:
        (..., N, N) real, ``[out, in]``; rows and columns sum to 1 without loss.

    Raises:
        TypeError: if theta is neither float32 nor float64.
        ValueError: if a last dimension does not fit the layout, the batches do not broadcast, or a
            loss or the noise is negative.
    """
    errors = {
        "coupler_error": coupler_error,
        "insertion_loss_db": insertion_loss_db,
        "arm_loss_db": arm_loss_db,
    }
    shape = mean_transfer_matrix(layout, theta, phi, output_phase, phase_std, **errors).shape
    n, num_meshes = layout.num_modes, shape[:-2].numel()
    mesh = _flat_mesh(layout, shape[:-2], theta, phi, output_phase, phase_std, errors)
    by_input = NoisyMesh(*(part.expand(n, *part.shape).flatten(0, 1) for part in mesh))
    unit = torch.eye(n, dtype=mesh.theta.dtype.to_complex(), device=mesh.theta.device)
    fields = unit.repeat_interleave(num_meshes, dim=1).unsqueeze(1)
    state = propagate(layout, by_input, known_fields(fields, has_pseudo=False))
    power = _power(state).unflatten(1, (n, num_meshes))
    return power.permute(2, 0, 1).reshape(shape)


def expected_square_deviation(
    layout: MeshLayout,
    theta: Tensor,
    phi: Tensor,
    output_phase: Tensor,
    phase_std: float | Tensor,
    *,
    coupler_error: Tensor | None = None,
    insertion_loss_db: Tensor | None = None,
    arm_loss_db: Tensor | None = None,
) -> Tensor:
    """Mean square E||T~ - T||^2 of the change of a transfer matrix by the noise of its phases.

    tr Cov + ||E[T~] - T||^2, with Cov = E[T~ T~^H] - E[T~] E[T~]^H; the same as
    E tr(T~ T~^H) + ||T||^2 - 2 Re tr(T^H E[T~]), but without its cancellation at small noise. N
    times the mean square ``relative_error`` if T is unitary.

    Args:
        layout: wiring of N modes and M interferometers.
        theta: (..., M) [rad] internal phases, float32 or float64.
        phi: (..., M) [rad] external phases.
        output_phase: (..., N) [rad] screen after the last column.
        phase_std: () or (..., S) [rad] standard deviation of each phase, in flat order.
        coupler_error: (..., M, 2) [rad] deviations (a, b) of the couplers, the same in T~ and T.
        insertion_loss_db: (..., M) [dB] loss of each interferometer, in T~ and T.
        arm_loss_db: (..., M, 3, 2) [dB] loss of each section and arm, in T~ and T.

    Returns:
        (...) real; N^2 phase_std^2 for small equal noise without loss, whatever the settings.

    Raises:
        TypeError: if theta is neither float32 nor float64.
        ValueError: if a last dimension does not fit the layout, the batches do not broadcast, or a
            loss or the noise is negative.
    """
    errors = {
        "coupler_error": coupler_error,
        "insertion_loss_db": insertion_loss_db,
        "arm_loss_db": arm_loss_db,
    }
    ideal = transfer_matrix(layout, theta, phi, output_phase, **errors)
    mean = mean_transfer_matrix(layout, theta, phi, output_phase, phase_std, **errors)
    shape = mean.shape[:-2]
    mesh = _flat_mesh(layout, shape, theta, phi, output_phase, phase_std, errors)
    start = _unit_fields(layout.num_modes, mesh.theta)
    state = propagate(layout, mesh, known_fields(start, has_pseudo=False))
    variance = state.covariance.diagonal(dim1=0, dim2=1).real.sum(-1).reshape(shape)
    return variance + (mean - ideal).abs().square().sum((-2, -1))


def _variance(layout: MeshLayout, phase_std: float | Tensor, theta: Tensor) -> Tensor:
    """(..., S) [rad^2] variances in the dtype of theta."""
    num_shifters = 2 * layout.num_mzis + layout.num_modes
    std = phase_noise_std("phase_std", phase_std).to(theta)
    if std.ndim and std.shape[-1] != num_shifters:
        raise ValueError(
            f"`phase_std` must be a scalar or have shape (..., {num_shifters}), "
            f"got {tuple(std.shape)}"
        )
    return std.square().expand(*std.shape[:-1], num_shifters)


def _added(arms_db: Tensor, arm_loss_db: Tensor | None) -> Tensor:
    """Losses of the noise and of the arms; addition would broadcast a wrong shape silently."""
    if arm_loss_db is None:
        return arms_db
    expected = tuple(arms_db.shape[-3:])
    if tuple(arm_loss_db.shape[-3:]) != expected:
        shape = ", ".join(map(str, expected))
        raise ValueError(
            f"`arm_loss_db` must have shape (..., {shape}), got {tuple(arm_loss_db.shape)}"
        )
    return arms_db + arm_loss_db


def _flat_mesh(
    layout: MeshLayout,
    batch_shape: torch.Size,
    theta: Tensor,
    phi: Tensor,
    output_phase: Tensor,
    phase_std: float | Tensor,
    errors: Mapping[str, Tensor | None],
) -> NoisyMesh:
    """Checked arguments with one batch dimension B."""
    parts = given(theta=theta, phi=phi, output_phase=output_phase, **errors)
    parts["variance"] = _variance(layout, phase_std, parts["theta"])
    return noisy_mesh(**flattened(parts, batch_shape))


def _unit_fields(num_modes: int, like: Tensor) -> Tensor:
    """(N, N, B) one field of power 1 in each mode of each mesh; ``like`` is (B, ...)."""
    unit = torch.eye(num_modes, dtype=like.dtype.to_complex(), device=like.device)
    return unit.unsqueeze(-1).expand(num_modes, num_modes, len(like))


def _power(state: FieldMoments) -> Tensor:
    """(N, B) mean power in each mode."""
    covariance = state.covariance.diagonal(dim1=0, dim2=1).T.real
    return covariance + state.mean.abs().square().sum(1)
