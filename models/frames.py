"""Rotations: the global lattice frames and the quaternions of the invariant frames.

A frame is a proper rotation F with its axes as rows, applied as ``F @ r``. Under a rotation R of
the crystal an equivariant frame becomes ``F @ R.T``, so that ``F @ r`` does not change.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.compiled import compiled

MIN_QUATERNION_NORM = 1e-8
MIN_EIGENVALUE_GAP = 1e-3
"""Relative to the largest; principal axes of closer eigenvalues are a matter of rounding."""
MIN_COMPONENT = 1e-6
"""Share of a lattice vector along an axis from which it may decide the axis's sign."""

LatticeFrame = Literal["qr", "polar", "pca"]


def lattice_frames(
    lattice: NDArray[np.float64], kind: LatticeFrame
) -> tuple[NDArray[np.float64], bool]:
    """Frames of one kind for all bases of a crystal, and whether QR frames had to take their place.

    The bases are equally good, so that principal axes are either used for all of them or for none.

    Args:
        lattice: (K, 3, 3) [Angstrom] right-handed lattice vectors as rows.
        kind: ``qr``, ``polar`` or ``pca``.

    Returns:
        (K, 3, 3) proper rotations, axes as rows; True if ``pca`` was asked for and two eigenvalues
        are too close.
    """
    if kind == "polar":
        return polar_frame(lattice), False
    if kind == "pca":
        frames, gap = pca_frame(lattice)
        if gap.min() >= MIN_EIGENVALUE_GAP:
            return frames, False
    return qr_frame(lattice), kind == "pca"


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
    rows = np.ascontiguousarray(lattice, dtype=np.float64)
    return _qr_frames(rows.reshape(-1, 3, 3)).reshape(rows.shape)


@compiled
def _qr_frames(lattices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gram and Schmidt's rows; the third one is the cross product, turned to the third vector."""
    frames = np.empty(lattices.shape)
    for k in range(lattices.shape[0]):
        lattice, frame = lattices[k], frames[k]
        overlap, length = 0.0, 0.0
        for axis in range(3):
            length += lattice[0, axis] ** 2
        for axis in range(3):
            frame[0, axis] = lattice[0, axis] / np.sqrt(length)
            overlap += frame[0, axis] * lattice[1, axis]
        length = 0.0
        for axis in range(3):
            frame[1, axis] = lattice[1, axis] - overlap * frame[0, axis]
            length += frame[1, axis] ** 2
        height = 0.0
        for axis in range(3):
            frame[1, axis] /= np.sqrt(length)
        for axis in range(3):
            a, b = (axis + 1) % 3, (axis + 2) % 3
            frame[2, axis] = frame[0, a] * frame[1, b] - frame[0, b] * frame[1, a]
            height += frame[2, axis] * lattice[2, axis]
        for axis in range(3):
            frame[2, axis] *= np.sign(height)
    return frames


def polar_frame(lattice: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rotation part of a right-handed lattice.

    With the lattice vectors as columns, A = U S V^T, Q = U V^T; F = Q^T. Of all rotations Q is the
    nearest to A.

    Args:
        lattice: (..., 3, 3) [Angstrom] right-handed lattice vectors as rows.

    Returns:
        (..., 3, 3) proper rotations, axes as rows.

    Source: Hua & Lin, SPFrame, NeurIPS 2025 (arXiv 2505.15315), lattice frames.
    """
    v, _, u_transposed = np.linalg.svd(lattice)  # of A^T = V S U^T
    return v @ u_transposed


def pca_frame(
    lattice: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Principal axes of the ends of the lattice vectors, and how far their eigenvalues are apart.

    With the vectors as columns of A and t their mean, u_1 and u_2 are the first eigenvectors of
    (A - t 1^T)(A - t 1^T)^T, u_3 = u_1 x u_2. The signs of u_1 and u_2 make the first component
    l_k . u that is not negligible positive: unlike a rule on Cartesian components this follows a
    rotation of the crystal.

    Args:
        lattice: (..., 3, 3) [Angstrom] lattice vectors as rows.

    Returns:
        (..., 3, 3) proper rotations, axes as rows; (...) smallest difference of neighbouring
        eigenvalues over the largest. Three ends lie in a plane: the third eigenvalue is zero.

    Source: as in ``polar_frame``; its sign rule is replaced.
    """
    centred = lattice - lattice.mean(axis=-2, keepdims=True)
    eigenvalues, eigenvectors = np.linalg.eigh(np.swapaxes(centred, -1, -2) @ centred)
    axes = np.swapaxes(eigenvectors, -1, -2)[..., [2, 1], :]
    components = axes @ np.swapaxes(lattice, -1, -2)  # (..., axis, vector)
    lengths = np.linalg.norm(lattice, axis=-1)[..., None, :]
    first = (np.abs(components) > MIN_COMPONENT * lengths).argmax(axis=-1)
    axes = axes * np.sign(np.take_along_axis(components, first[..., None], axis=-1))
    third = np.cross(axes[..., 0, :], axes[..., 1, :])
    gaps = np.diff(eigenvalues, axis=-1).min(axis=-1) / eigenvalues[..., -1]
    return np.concatenate([axes, third[..., None, :]], axis=-2), gaps


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
