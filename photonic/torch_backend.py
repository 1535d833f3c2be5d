"""Light through a mesh in plain torch: any device, differentiable to any order.

Shape legend: N modes, M interferometers, P of them in a column, R fields per mesh, B meshes.
The state is (N, R, B): a column touches a contiguous range of modes, and the innermost axis runs
over meshes, each with its own settings.
"""

import torch
from torch import Tensor

from photonic.conventions import db_to_amplitude
from photonic.layout import MeshColumn, MeshLayout
from photonic.mzi import BlockEntries, complex_of, mzi_entries

_CHUNK_FIELDS = 2**16  # amplitudes of one chunk of meshes, so that they stay in the cache


def propagate(
    layout: MeshLayout,
    theta: Tensor,
    phi: Tensor,
    output_phase: Tensor,
    fields: Tensor | None = None,
    coupler_error: Tensor | None = None,
    insertion_loss_db: Tensor | None = None,
    arm_loss_db: Tensor | None = None,
) -> Tensor:
    """Fields behind a batch of meshes; the arguments are checked and of one batch shape.

    Args:
        layout: wiring.
        theta: (B, M) [rad] internal phases.
        phi: (B, M) [rad] external phases.
        output_phase: (B, N) [rad] screen.
        fields: (B, N, R) complex amplitudes at the input; None for the identity.
        coupler_error: (B, M, 2) [rad] deviations (a, b) of the couplers.
        insertion_loss_db: (B, M) [dB] loss of each interferometer.
        arm_loss_db: (B, M, 3, 2) [dB] loss of each section and arm.

    Returns:
        (B, N, R) complex amplitudes at the output.
    """
    if fields is None:
        unit = torch.eye(layout.num_modes, dtype=theta.dtype.to_complex(), device=theta.device)
        fields = unit.expand(len(theta), -1, -1)
    parts = {
        "theta": theta,
        "phi": phi,
        "output_phase": output_phase,
        "fields": fields,
        "coupler_error": coupler_error,
        "insertion_loss_db": insertion_loss_db,
        "arm_loss_db": arm_loss_db,
    }
    given = {name: part for name, part in parts.items() if part is not None}
    size = max(1, _CHUNK_FIELDS // max(1, fields.shape[1] * fields.shape[2]))
    chunks = zip(*(part.split(size) for part in given.values()), strict=True)
    outputs = [_propagate_chunk(layout, **dict(zip(given, chunk, strict=True))) for chunk in chunks]
    return torch.cat(outputs)


def _propagate_chunk(
    layout: MeshLayout,
    theta: Tensor,
    phi: Tensor,
    output_phase: Tensor,
    fields: Tensor,
    coupler_error: Tensor | None = None,
    insertion_loss_db: Tensor | None = None,
    arm_loss_db: Tensor | None = None,
) -> Tensor:
    entries = _blocks(theta, phi, coupler_error, insertion_loss_db, arm_loss_db)
    state = fields.permute(1, 2, 0).contiguous()
    for column in layout.columns():
        m00, m01, m10, m11 = (entry[column.mzis] for entry in entries)
        state = couple(state, column, (m00, m01, m10, m11))
    screen = output_phase.T.contiguous().unsqueeze(1)
    state = state * complex_of(screen.cos(), screen.sin())
    return state.permute(2, 0, 1)


def _blocks(
    theta: Tensor,
    phi: Tensor,
    coupler_error: Tensor | None,
    insertion_loss_db: Tensor | None,
    arm_loss_db: Tensor | None,
) -> BlockEntries:
    """Entries of all blocks, each (M, B) and contiguous, losses included."""
    theta, phi = theta.T.contiguous(), phi.T.contiguous()
    if coupler_error is not None:
        coupler_error = coupler_error.transpose(0, 1).contiguous()
    if arm_loss_db is not None:
        arm_loss_db = arm_loss_db.transpose(0, 1).contiguous()
    entries = mzi_entries(theta, phi, coupler_error, arm_loss_db)
    if insertion_loss_db is None:
        return entries
    amplitude = db_to_amplitude(insertion_loss_db.T.contiguous())
    m00, m01, m10, m11 = (amplitude * entry for entry in entries)
    return m00, m01, m10, m11


def couple(rows: Tensor, column: MeshColumn, entries: BlockEntries) -> Tensor:
    """Rows behind one column of blocks.

    Args:
        rows: (N, R, B) amplitudes in front of it.
        column: pairs of modes.
        entries: (P, B) each, of the blocks of this column.

    Returns:
        (N, R, B); modes outside the column are passed on.
    """
    groups = (-1, column.span)
    m00, m01, m10, m11 = (entry.unflatten(0, groups).unsqueeze(2) for entry in entries)
    upper, lower = rows[column.modes].unflatten(0, (-1, 2, column.span)).unbind(1)
    pairs = torch.stack((m00 * upper + m01 * lower, m10 * upper + m11 * lower), dim=1)
    coupled = pairs.flatten(0, 2)
    if len(coupled) == len(rows):
        return coupled
    return torch.cat((rows[: column.modes.start], coupled, rows[column.modes.stop :]))
