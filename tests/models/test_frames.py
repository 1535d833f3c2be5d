"""Rotations: the lattice frame follows the crystal, quaternions give proper rotations."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from models.descriptions import random_rotation
from models.frames import (
    MIN_QUATERNION_NORM,
    lattice_frames,
    pca_frame,
    polar_frame,
    qr_frame,
    quaternion_to_rotation,
)
from tests.models.prototypes import PROTOTYPES
from tests.tolerances import FRAME_F64, GEOMETRY_F64, ROTATION_EPS

SEEDS = st.integers(0, 2**32 - 1)


def random_lattice(rng: np.random.Generator) -> np.ndarray:
    """Right-handed rows, bounded away from no volume."""
    lattice = random_rotation(rng) @ np.diag(rng.uniform(2.0, 12.0, 3)) @ random_rotation(rng)
    return lattice


def assert_proper(rotations: np.ndarray, bound: float) -> None:
    error = np.abs(rotations @ np.swapaxes(rotations, -1, -2) - np.eye(3)).max()
    assert error < bound, f"not orthonormal by {error:.1e}"
    error = np.abs(np.linalg.det(rotations) - 1).max()
    assert error < bound, f"determinant off by {error:.1e}"


@given(seed=SEEDS)
def test_lattice_frame_follows_a_rotation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lattice, rotation = random_lattice(rng), random_rotation(rng)
    error = np.abs(qr_frame(lattice @ rotation.T) - qr_frame(lattice) @ rotation.T).max()
    assert error < FRAME_F64, f"F(A R^T) differs from F R^T by {error:.1e}"


@given(seed=SEEDS)
def test_lattice_frame_is_a_proper_rotation(seed: int) -> None:
    assert_proper(qr_frame(random_lattice(np.random.default_rng(seed))), FRAME_F64)


@pytest.mark.parametrize("name", PROTOTYPES)
def test_lattice_frame_axes_are_rows_along_the_vectors(name: str) -> None:
    lattice = PROTOTYPES[name].lattice
    if np.linalg.det(lattice) < 0:
        lattice = -lattice
    triangle = lattice @ qr_frame(lattice).T  # rows: lattice vectors in the frame
    error = np.abs(np.triu(triangle, 1)).max()
    assert error < GEOMETRY_F64, f"components above the diagonal: {error:.1e}"
    assert (np.diagonal(triangle) > 0).all()


def test_lattice_frame_batches() -> None:
    rng = np.random.default_rng(0)
    lattices = np.stack([random_lattice(rng) for _ in range(4)])
    singles = np.stack([qr_frame(lattice) for lattice in lattices])
    assert np.abs(qr_frame(lattices) - singles).max() < FRAME_F64


@pytest.mark.parametrize("factor", [0, 1, -3])
def test_lattice_frame_does_not_change_along_the_first_vectors(factor: int) -> None:
    """Adding l1 to l2 and supercells along the axes leave the QR frame as it is."""
    lattice = random_lattice(np.random.default_rng(2))
    sheared = lattice.copy()
    sheared[1] += factor * lattice[0]
    stretched = sheared * np.array([[2.0], [3.0], [1.0]])
    error = np.abs(qr_frame(stretched) - qr_frame(lattice)).max()
    assert error < FRAME_F64, f"frame changed by {error:.1e}"


@given(seed=SEEDS)
def test_qr_frame_is_that_of_lapack(seed: int) -> None:
    lattice = random_lattice(np.random.default_rng(seed))
    q, r = np.linalg.qr(lattice.T)
    error = np.abs(qr_frame(lattice) - (q * np.sign(np.diagonal(r))).T).max()
    assert error < FRAME_F64, f"differs from LAPACK by {error:.1e}"


def pca_axes(lattice: np.ndarray) -> np.ndarray:
    return pca_frame(lattice)[0]


@pytest.mark.parametrize("frame_of", [qr_frame, polar_frame, pca_axes])
@given(seed=SEEDS)
def test_frames_follow_a_rotation(frame_of: Callable[..., np.ndarray], seed: int) -> None:
    rng = np.random.default_rng(seed)
    lattice, rotation = random_lattice(rng), random_rotation(rng)
    before, after = frame_of(lattice), frame_of(lattice @ rotation.T)
    assert_proper(before, FRAME_F64)
    bound = FRAME_F64 if frame_of is not pca_axes else FRAME_F64 / max(pca_frame(lattice)[1], 1e-9)
    error = np.abs(after - before @ rotation.T).max()
    assert error < bound, f"F(A R^T) differs from F R^T by {error:.1e}"


@given(seed=SEEDS)
def test_polar_frame_leaves_a_symmetric_stretch(seed: int) -> None:
    lattice = random_lattice(np.random.default_rng(seed))
    stretch = polar_frame(lattice) @ lattice.T
    error = np.abs(stretch - stretch.T).max()
    assert error < GEOMETRY_F64, f"not symmetric by {error:.1e} Angstrom"
    assert np.linalg.eigvalsh(stretch).min() > 0


@given(seed=SEEDS)
def test_pca_frame_axes_are_principal_and_point_along_the_vectors(seed: int) -> None:
    lattice = random_lattice(np.random.default_rng(seed))
    frame, gap = pca_frame(lattice)
    ends = (lattice - lattice.mean(axis=0)) @ frame.T
    covariance = ends.T @ ends
    spread = np.abs(covariance - np.diag(np.diagonal(covariance))).max() / covariance[0, 0]
    assert spread < GEOMETRY_F64, f"axes are not principal by {spread:.1e}"
    first, second, third = np.diagonal(covariance)
    assert first > second
    assert abs(third) < GEOMETRY_F64 * first
    assert gap == pytest.approx(min(first - second, second) / first, abs=GEOMETRY_F64)
    assert (lattice[0] @ frame[:2].T > 0).all()


def test_pca_signs_pass_over_vectors_across_the_axis() -> None:
    """The first vector lies across the second axis: the second one decides that sign."""
    lattice = np.array([[0.0, 0.0, 4.0], [3.0, 0.0, 0.0], [-3.0, 1.0, 0.0]])
    turned = random_rotation(np.random.default_rng(0))
    for rotation in (np.eye(3), turned):
        frame, _ = pca_frame(lattice @ rotation.T)
        components = lattice @ rotation.T @ frame[:2].T
        for axis in range(2):
            seen = components[np.abs(components[:, axis]) > 1e-5, axis]
            assert seen[0] > 0


@pytest.mark.parametrize(("stretch", "is_fallback"), [(0.0, True), (1e-4, True), (1e-2, False)])
def test_pca_gives_way_to_qr_where_eigenvalues_meet(stretch: float, is_fallback: bool) -> None:
    rotation = random_rotation(np.random.default_rng(1))
    lattice = (np.diag([4.0, 4.0, 4.0 * (1 + stretch)]) @ rotation.T)[None]
    frames, has_fallback = lattice_frames(lattice, "pca")
    assert has_fallback is is_fallback
    assert np.array_equal(frames, qr_frame(lattice)) is is_fallback


def test_one_tied_basis_makes_all_of_a_crystal_fall_back() -> None:
    lattices = np.stack([np.diag([4.0, 5.0, 6.0]), np.diag([4.0, 4.0, 4.0])])
    frames, has_fallback = lattice_frames(lattices, "pca")
    assert has_fallback
    assert np.array_equal(frames, qr_frame(lattices))


@given(seed=SEEDS)
def test_quaternion_agrees_with_scipy(seed: int) -> None:
    quaternion = np.random.default_rng(seed).standard_normal(4)
    ours = quaternion_to_rotation(torch.from_numpy(quaternion)).numpy()
    theirs = Rotation.from_quat(quaternion, scalar_first=True).as_matrix()
    error = np.abs(ours - theirs).max()
    assert error < FRAME_F64, f"differs from scipy by {error:.1e}"


def test_quaternion_gives_proper_rotations(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    quaternions = torch.randn(200, 4, generator=generator, dtype=dtype)
    rotations = quaternion_to_rotation(quaternions)
    assert rotations.shape == (200, 3, 3)
    assert rotations.dtype == dtype
    assert_proper(rotations.numpy(), ROTATION_EPS * torch.finfo(dtype).eps)


def test_opposite_quaternions_are_one_rotation(dtype: torch.dtype) -> None:
    quaternions = torch.randn(50, 4, generator=torch.Generator().manual_seed(1), dtype=dtype)
    assert torch.equal(quaternion_to_rotation(quaternions), quaternion_to_rotation(-quaternions))


@pytest.mark.parametrize("length", [2e-8, 1e-3, 1.0, 1e6])
def test_length_of_a_quaternion_does_not_matter(length: float) -> None:
    quaternion = torch.tensor([0.5, -0.1, 0.7, 0.2], dtype=torch.float64)
    expected = quaternion_to_rotation(quaternion)
    unit = quaternion / quaternion.norm()
    error = float((quaternion_to_rotation(length * unit) - expected).abs().max())
    assert error < FRAME_F64, f"rotation changed by {error:.1e}"


@pytest.mark.parametrize("length", [0.0, 0.5 * MIN_QUATERNION_NORM])
def test_zero_quaternion_is_the_identity_with_finite_gradients(
    dtype: torch.dtype, length: float
) -> None:
    quaternion = torch.tensor([[0.0, length, 0.0, 0.0], [1.0, 2.0, 3.0, 4.0]], dtype=dtype)
    quaternion.requires_grad_(True)
    rotations = quaternion_to_rotation(quaternion)
    assert torch.equal(rotations[0], torch.eye(3, dtype=dtype))
    (rotations * torch.arange(9.0, dtype=dtype).reshape(3, 3)).sum().backward()
    assert torch.isfinite(quaternion.grad).all()
    assert torch.equal(quaternion.grad[0], torch.zeros(4, dtype=dtype))
    assert quaternion.grad[1].abs().max() > 0


def test_gradients_flow_through_the_quaternion() -> None:
    quaternion = torch.randn(3, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    assert torch.autograd.gradcheck(quaternion_to_rotation, quaternion.requires_grad_(True))


def test_quaternion_example_turns_x_to_y() -> None:
    """A quarter turn about z: pins the direction, which orthonormality alone does not."""
    half = np.sqrt(0.5)
    rotation = quaternion_to_rotation(torch.tensor([half, 0.0, 0.0, half], dtype=torch.float64))
    turned = rotation @ torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    error = float((turned - torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)).abs().max())
    assert error < FRAME_F64, f"x goes to {turned}"
