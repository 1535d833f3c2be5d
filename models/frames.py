"""Rotations: the global lattice frame and the quaternions of the invariant frames.

A frame is a proper rotation F with its axes as rows, applied as ``F @ r``. Under a rotation R of
the crystal an equivariant frame becomes ``F @ R.T``, so that ``F @ r`` does not change.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

MIN_QUATERNION_NORM = 1e-8


def qr_frame(lattice: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rotation that turns a right-handed lattice into upper triangular form.

    With the lattice vectors as columns, A = Q R with positive diagonal of R; F = Q^T. The first
    axis lies along the first vector, the second in the plane of the first two.

    Args:
        lattice: (..., 3, 3) [Angstrom] right-handed lattice vectors as rows (a left-handed one
            would give det -1).

    Returns:
        (..., 3, 3) proper rotations, axes as rows.

    Source: Hua & Lin, SPFrame, NeurIPS 2025 (arXiv 2505.15315), lattice frames.
    """
    q, r = np.linalg.qr(np.swapaxes(lattice, -1, -2))
    signs = np.where(np.diagonal(r, axis1=-2, axis2=-1) < 0, -1.0, 1.0)
    return np.swapaxes(q * signs[..., None, :], -1, -2)


def quaternion_to_rotation(quaternion: Tensor) -> Tensor:
    """Proper rotations of (unnormalised) quaternions a + bi + cj + dk; q and -q give the same.

    Args:
        quaternion: (..., 4) any length; shorter than 1e-8 counts as the identity.

    Returns:
        (..., 3, 3) rotation matrices with det +1.
    """
    squared = (quaternion * quaternion).sum(-1, keepdim=True)
    is_short = squared < MIN_QUATERNION_NORM**2
    identity = quaternion.new_tensor([1.0, 0.0, 0.0, 0.0])
    safe = torch.where(is_short, identity, quaternion)
    unit = safe * torch.where(is_short, torch.ones_like(squared), squared).rsqrt()
    a, b, c, d = unit.unbind(-1)
    rows = (
        1 - 2 * (c * c + d * d), 2 * (b * c - a * d), 2 * (b * d + a * c),
        2 * (b * c + a * d), 1 - 2 * (b * b + d * d), 2 * (c * d - a * b),
        2 * (b * d - a * c), 2 * (c * d + a * b), 1 - 2 * (b * b + c * c),
    )  # fmt: skip
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))
