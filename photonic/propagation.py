"""Light through a mesh, column by column, differentiable and batched over meshes.

Shape legend: N modes, M interferometers, P of them in a column, R fields per mesh, B meshes.
The state is (N, R, B): a column touches a contiguous range of modes, and the innermost axis runs
over meshes, each with its own settings.
"""

import torch
from torch import Tensor

from photonic.conventions import db_to_amplitude
from photonic.layout import MeshColumn, MeshLayout
from photonic.mzi import BlockEntries, mzi_entries

_CHUNK_FIELDS = 2**16  # amplitudes of one chunk of meshes, so that they stay in the cache


def transfer_matrix(
    layout: MeshLayout,
    theta: Tensor,
    phi: Tensor,
    output_phase: Tensor,
    *,
    coupler_error: Tensor | None = None,
    insertion_loss_db: Tensor | None = None,
) -> Tensor:
    """Transfer matrix of a mesh.

    T = diag(exp(i output_phase)) K_{C-1} ... K_1 K_0, where K_x holds the blocks g M of column x,
    M = ``mzi_block(theta, phi, coupler_error)`` and g = 10^(-insertion_loss_db / 20).

    All leading dimensions broadcast. ``theta`` decides dtype and device; the rest is cast to it.

    Args:
        layout: wiring of N modes and M interferometers.
        theta: (..., M) [rad] internal phases, float32 or float64.
        phi: (..., M) [rad] external phases.
        output_phase: (..., N) [rad] screen after the last column.
        coupler_error: (..., M, 2) [rad] deviations (a, b) of the couplers from pi/4.
        insertion_loss_db: (..., M) [dB] loss of each interferometer, on both its arms.

    Returns:
        (..., N, N) complex64 or complex128 ``T[..., out, in]``, unitary without loss; singular
        values at most 1 with loss.

    Raises:
        TypeError: if theta is neither float32 nor float64.
        ValueError: if a last dimension does not fit the layout or the batches do not broadcast.
    """
    settings = _settings(theta, phi, output_phase, coupler_error, insertion_loss_db)
    identity = torch.eye(layout.num_modes, dtype=theta.dtype, device=theta.device)
    return _propagate(layout, settings, identity)


def apply(
    layout: MeshLayout,
    theta: Tensor,
    phi: Tensor,
    output_phase: Tensor,
    fields: Tensor,
    *,
    coupler_error: Tensor | None = None,
    insertion_loss_db: Tensor | None = None,
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

    Returns:
        (..., R, N) complex64 or complex128 output amplitudes; leading dimensions broadcast.

    Raises:
        TypeError: if theta is neither float32 nor float64.
        ValueError: if a shape does not fit the layout or the batches do not broadcast.
    """
    settings = _settings(theta, phi, output_phase, coupler_error, insertion_loss_db)
    return _propagate(layout, settings, fields).transpose(-1, -2)


def _settings(
    theta: Tensor,
    phi: Tensor,
    output_phase: Tensor,
    coupler_error: Tensor | None,
    insertion_loss_db: Tensor | None,
) -> dict[str, Tensor]:
    """The arguments that are present, by name."""
    settings = {"theta": theta, "phi": phi, "output_phase": output_phase}
    if coupler_error is not None:
        settings["coupler_error"] = coupler_error
    if insertion_loss_db is not None:
        settings["insertion_loss_db"] = insertion_loss_db
    return settings


def _propagate(layout: MeshLayout, settings: dict[str, Tensor], fields: Tensor) -> Tensor:
    """Output fields as columns, (..., N, R)."""
    real = settings["theta"].dtype
    if real not in (torch.float32, torch.float64):
        raise TypeError(f"`theta` must be float32 or float64, got {real}")
    parts = settings | {"fields": fields}
    batch_shape = _check_shapes(layout, parts)
    flat = []
    for name, part in parts.items():
        tail = part.shape[part.ndim - _tail_ndim(name) :]
        part = part.to(settings["theta"].device, real.to_complex() if name == "fields" else real)
        flat.append(part.expand(*batch_shape, *tail).reshape(batch_shape.numel(), *tail))
    num_fields, num_modes = fields.shape[-2:]
    size = max(1, _CHUNK_FIELDS // max(1, num_fields * num_modes))
    chunks = zip(*(part.split(size) for part in flat), strict=True)
    outputs = [_propagate_chunk(layout, **dict(zip(parts, chunk, strict=True))) for chunk in chunks]
    return torch.cat(outputs).reshape(*batch_shape, num_modes, num_fields)


def _propagate_chunk(
    layout: MeshLayout,
    theta: Tensor,
    phi: Tensor,
    output_phase: Tensor,
    fields: Tensor,
    coupler_error: Tensor | None = None,
    insertion_loss_db: Tensor | None = None,
) -> Tensor:
    """Arguments of ``apply`` with one leading dimension B; returns (B, N, R)."""
    if coupler_error is not None:
        coupler_error = coupler_error.transpose(0, 1).contiguous()
    entries = mzi_entries(theta.T.contiguous(), phi.T.contiguous(), coupler_error)
    if insertion_loss_db is not None:
        amplitude = db_to_amplitude(insertion_loss_db.T.contiguous())
        m00, m01, m10, m11 = (amplitude * entry for entry in entries)
        entries = m00, m01, m10, m11
    state = fields.permute(2, 1, 0).contiguous()
    for column in layout.columns():
        state = _step(state, column, entries)
    screen = output_phase.T.contiguous().unsqueeze(1)
    state = state * torch.complex(screen.cos(), screen.sin())
    return state.permute(2, 0, 1)


def _step(state: Tensor, column: MeshColumn, entries: BlockEntries) -> Tensor:
    """State (N, R, B) behind one column of blocks, each entry (M, B)."""
    groups = (-1, column.span)
    m00, m01, m10, m11 = (entry[column.mzis].unflatten(0, groups).unsqueeze(2) for entry in entries)
    upper, lower = state[column.modes].unflatten(0, (-1, 2, column.span)).unbind(1)
    pairs = torch.stack((m00 * upper + m01 * lower, m10 * upper + m11 * lower), dim=1)
    coupled = pairs.flatten(0, 2)
    if len(coupled) == len(state):
        return coupled
    return torch.cat((state[: column.modes.start], coupled, state[column.modes.stop :]))


def _tail_ndim(name: str) -> int:
    """Number of dimensions of an argument behind its batch dimensions."""
    return 2 if name in ("coupler_error", "fields") else 1


def _check_shapes(layout: MeshLayout, parts: dict[str, Tensor]) -> torch.Size:
    """Common batch shape of the arguments, or an error that names the one that does not fit."""
    num_fields = parts["fields"].shape[-2] if parts["fields"].ndim > 1 else "R"
    tails: dict[str, tuple[int | str, ...]] = {
        "theta": (layout.num_mzis,),
        "phi": (layout.num_mzis,),
        "output_phase": (layout.num_modes,),
        "coupler_error": (layout.num_mzis, 2),
        "insertion_loss_db": (layout.num_mzis,),
        "fields": (num_fields, layout.num_modes),
    }
    batches = {}
    for name, part in parts.items():
        shape, ndim = tuple(part.shape), _tail_ndim(name)
        if len(shape) < ndim or shape[len(shape) - ndim :] != tails[name]:
            expected = ", ".join(map(str, tails[name]))
            raise ValueError(f"`{name}` must have shape (..., {expected}), got {shape}")
        batches[name] = shape[: len(shape) - ndim]
    try:
        return torch.broadcast_shapes(*batches.values())
    except RuntimeError as error:
        raise ValueError(f"batch dimensions do not broadcast: {batches}") from error
