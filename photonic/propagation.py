"""Light through a mesh: the public calls, their checks, and the choice of a backend.

Shape legend: N modes, M interferometers, R fields per mesh, B meshes, S = 2 M + N shifters.
"""

from typing import Literal

import torch
from torch import Tensor

from photonic import torch_backend
from photonic.layout import MeshLayout

Backend = Literal["torch"]


def transfer_matrix(
    layout: MeshLayout,
    theta: Tensor,
    phi: Tensor,
    output_phase: Tensor,
    *,
    coupler_error: Tensor | None = None,
    insertion_loss_db: Tensor | None = None,
    arm_loss_db: Tensor | None = None,
    stuck_phase: Tensor | None = None,
    backend: Backend | None = None,
) -> Tensor:
    """Transfer matrix of a mesh.

    T = diag(exp(i output_phase)) K_{C-1} ... K_1 K_0, where K_x holds the blocks g M of column x,
    M = ``mzi_block(theta, phi, coupler_error, arm_loss_db)`` and g = 10^(-insertion_loss_db / 20).

    All leading dimensions broadcast. ``theta`` decides dtype and device; the rest is cast to it.

    Args:
        layout: wiring of N modes and M interferometers.
        theta: (..., M) [rad] internal phases, float32 or float64.
        phi: (..., M) [rad] external phases.
        output_phase: (..., N) [rad] screen after the last column.
        coupler_error: (..., M, 2) [rad] deviations (a, b) of the couplers from pi/4.
        insertion_loss_db: (..., M) [dB] loss of each interferometer, on both its arms.
        arm_loss_db: (..., M, 3, 2) [dB] loss of the upper and the lower arm, before the first
            coupler, between the couplers and behind the second one.
        stuck_phase: (..., 2 M + N) [rad] phases at which shifters are stuck whatever they are set
            to, in the order theta, phi, output; NaN where a shifter works.
        backend: how to compute; None chooses (``photonic.backends``).

    Returns:
        (..., N, N) complex64 or complex128 ``T[..., out, in]``, unitary without loss; singular
        values at most 1 with loss.

    Raises:
        TypeError: if theta is neither float32 nor float64.
        ValueError: if a last dimension does not fit the layout or the batches do not broadcast.
    """
    identity = torch.eye(layout.num_modes, dtype=theta.dtype, device=theta.device)
    settings = _given(
        theta=theta,
        phi=phi,
        output_phase=output_phase,
        coupler_error=coupler_error,
        insertion_loss_db=insertion_loss_db,
        arm_loss_db=arm_loss_db,
        stuck_phase=stuck_phase,
    )
    return _propagate(layout, settings, identity, backend).transpose(-1, -2)


def apply(
    layout: MeshLayout,
    theta: Tensor,
    phi: Tensor,
    output_phase: Tensor,
    fields: Tensor,
    *,
    coupler_error: Tensor | None = None,
    insertion_loss_db: Tensor | None = None,
    arm_loss_db: Tensor | None = None,
    stuck_phase: Tensor | None = None,
    backend: Backend | None = None,
) -> Tensor:
    """Fields behind a mesh, without forming its transfer matrix.

    Row by row ``fields @ T.transpose(-1, -2)`` with T = ``transfer_matrix(...)`` of the same
    arguments; cheaper than T for fewer than N fields per mesh.

    Args:
        layout: wiring of N modes and M interferometers.
        theta: (..., M) [rad] internal phases, float32 or float64.
        phi: (..., M) [rad] external phases.
        output_phase: (..., N) [rad] screen after the last column.
        fields: (..., R, N) real or complex input amplitudes.
        coupler_error: (..., M, 2) [rad] deviations (a, b) of the couplers from pi/4.
        insertion_loss_db: (..., M) [dB] loss of each interferometer, on both its arms.
        arm_loss_db: (..., M, 3, 2) [dB] loss of each section and arm, as in ``transfer_matrix``.
        stuck_phase: (..., 2 M + N) [rad] phases of stuck shifters, as in ``transfer_matrix``.
        backend: how to compute; None chooses (``photonic.backends``).

    Returns:
        (..., R, N) complex64 or complex128 output amplitudes; leading dimensions broadcast.

    Raises:
        TypeError: if theta is neither float32 nor float64.
        ValueError: if a shape does not fit the layout or the batches do not broadcast.
    """
    settings = _given(
        theta=theta,
        phi=phi,
        output_phase=output_phase,
        coupler_error=coupler_error,
        insertion_loss_db=insertion_loss_db,
        arm_loss_db=arm_loss_db,
        stuck_phase=stuck_phase,
    )
    return _propagate(layout, settings, fields, backend)


def _given(**settings: Tensor | None) -> dict[str, Tensor]:
    """The settings that are not None."""
    return {name: part for name, part in settings.items() if part is not None}


def _propagate(
    layout: MeshLayout, settings: dict[str, Tensor], fields: Tensor, backend: Backend | None
) -> Tensor:
    """Output fields, (..., R, N)."""
    real = settings["theta"].dtype
    if real not in (torch.float32, torch.float64):
        raise TypeError(f"`theta` must be float32 or float64, got {real}")
    parts = settings | {"fields": fields}
    batch_shape = _check_shapes(layout, parts)
    flat = {}
    for name, part in parts.items():
        tail = part.shape[part.ndim - _TAIL_NDIM.get(name, 1) :]
        part = part.to(settings["theta"].device, real.to_complex() if name == "fields" else real)
        flat[name] = part.expand(*batch_shape, *tail).reshape(batch_shape.numel(), *tail)
    if "stuck_phase" in flat:
        _replace_stuck(flat, flat.pop("stuck_phase"), layout.num_mzis)
    output = torch_backend.propagate(layout, **flat)
    return output.reshape(*batch_shape, *fields.shape[-2:])


def _replace_stuck(flat: dict[str, Tensor], stuck_phase: Tensor, num_mzis: int) -> None:
    """Put the phases of stuck shifters in place of the settings, which lose their gradient."""
    sections = (num_mzis, num_mzis, stuck_phase.shape[-1] - 2 * num_mzis)
    for name, stuck in zip(
        ("theta", "phi", "output_phase"), stuck_phase.split(sections, dim=-1), strict=True
    ):
        flat[name] = torch.where(stuck.isnan(), flat[name], stuck)


_TAIL_NDIM = {"coupler_error": 2, "fields": 2, "arm_loss_db": 3}
"""Dimensions of an argument behind its batch dimensions, where they are not one."""


def _check_shapes(layout: MeshLayout, parts: dict[str, Tensor]) -> torch.Size:
    """Common batch shape of the arguments, or an error that names the one that does not fit."""
    m, n = layout.num_mzis, layout.num_modes
    num_fields = parts["fields"].shape[-2] if parts["fields"].ndim > 1 else "R"
    tails: dict[str, tuple[int | str, ...]] = {
        "theta": (m,),
        "phi": (m,),
        "output_phase": (n,),
        "coupler_error": (m, 2),
        "insertion_loss_db": (m,),
        "arm_loss_db": (m, 3, 2),
        "stuck_phase": (2 * m + n,),
        "fields": (num_fields, n),
    }
    batches = {}
    for name, part in parts.items():
        shape, ndim = tuple(part.shape), len(tails[name])
        if len(shape) < ndim or shape[len(shape) - ndim :] != tails[name]:
            expected = ", ".join(map(str, tails[name]))
            raise ValueError(f"`{name}` must have shape (..., {expected}), got {shape}")
        batches[name] = shape[: len(shape) - ndim]
    try:
        return torch.broadcast_shapes(*batches.values())
    except RuntimeError as error:
        raise ValueError(f"batch dimensions do not broadcast: {batches}") from error
