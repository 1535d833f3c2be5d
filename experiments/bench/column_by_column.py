"""Meshes in the natural way of torch, column by column: the yardstick of the compiled kernels.

Independent of ``photonic`` but for the order of the interferometers; vectorised over meshes, pairs
and fields, differentiable by torch's own tape.
"""

from __future__ import annotations

import torch
from torch import Tensor

from photonic import MeshLayout


def propagate(
    layout: MeshLayout, theta: Tensor, phi: Tensor, output_phase: Tensor, fields: Tensor
) -> Tensor:
    """Output fields of a batch of rectangular meshes.

    Args:
        layout: Clements mesh of N modes and M interferometers.
        theta: (B, M) [rad] internal phases.
        phi: (B, M) [rad] external phases.
        output_phase: (B, N) [rad] screen.
        fields: (B, N, R) complex input, one field a column.

    Returns:
        (B, N, R) complex output.
    """
    half = theta / 2
    common = 1j * torch.exp(1j * half)
    external = torch.exp(1j * phi)
    sin, cos = common * half.sin(), common * half.cos()
    m00, m01, m10, m11 = (
        part.unsqueeze(-1) for part in (external * sin, cos, external * cos, -sin)
    )
    state = fields
    for column in layout.columns():
        upper, lower = state[:, column.modes][:, 0::2], state[:, column.modes][:, 1::2]
        k = column.mzis
        mixed = torch.stack(
            (
                m00[:, k] * upper + m01[:, k] * lower,
                m10[:, k] * upper + m11[:, k] * lower,
            ),
            dim=2,
        ).flatten(1, 2)
        state = torch.cat(
            (state[:, : column.modes.start], mixed, state[:, column.modes.stop :]), dim=1
        )
    return torch.exp(1j * output_phase).unsqueeze(-1) * state


def transfer_matrix(layout: MeshLayout, theta: Tensor, phi: Tensor, output_phase: Tensor) -> Tensor:
    """(B, N, N) transfer matrices, arguments as ``propagate``."""
    unit = torch.eye(layout.num_modes, dtype=theta.dtype.to_complex())
    return propagate(layout, theta, phi, output_phase, unit.expand(len(theta), -1, -1))
