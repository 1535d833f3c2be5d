"""The order of bases follows from the crystal, not from how it was described."""

import numpy as np
import pytest

from models.basis_order import basis_keys, basis_order
from models.canonical import basis_representatives, minkowski_reduced, right_handed, shortest_bases
from models.crystal import Crystal
from models.descriptions import permuted, random_rotation, rotated
from models.graph import GraphSettings, build_graph
from tests.models.networks import outputs_of, random_model, relative_spread
from tests.models.prototypes import PROTOTYPES
from tests.tolerances import BASIS_KEYS, INVARIANCE_F64

METRIC_TOLERANCE, CLASS_TOLERANCE = 1e-3, 1e-4


def tied_bases(crystal: Crystal) -> np.ndarray:
    return shortest_bases(crystal.lattice, METRIC_TOLERANCE)


def nearly_cubic(displacement: float = 2e-5, strain: float = 1e-6) -> Crystal:
    """Caesium chloride whose tied bases are connected within the tolerance of classes only.

    Args:
        displacement: [Angstrom] of the second site along (1, 2, 3).
        strain: of the first vector.
    """
    lattice = 4.0 * np.diag([1 + strain, 1.0, 1.0])
    coords = np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]])
    coords[1] += displacement / 4.0 * np.array([1.0, 2.0, 3.0]) / np.sqrt(14)
    return Crystal(np.array([55, 17]), lattice, coords)


@pytest.mark.parametrize("name", sorted(PROTOTYPES))
def test_keys_of_a_basis_know_only_the_crystal(name: str) -> None:
    """Origin, images, order, orientation and inversion leave every basis its key."""
    crystal = minkowski_reduced(right_handed(PROTOTYPES[name]))
    bases, rng = tied_bases(crystal), np.random.default_rng(3)
    moved = rotated(permuted(crystal, rng.permutation(crystal.num_sites)), random_rotation(rng))
    images = rng.integers(-3, 4, moved.frac_coords.shape)
    moved = Crystal(moved.numbers, moved.lattice, moved.frac_coords + rng.random(3) + images)
    mirrored = Crystal(crystal.numbers, -crystal.lattice, -crystal.frac_coords)
    expected = basis_keys(bases, crystal)
    for other in (moved, mirrored):
        assert np.abs(basis_keys(bases, other) - expected).max() < BASIS_KEYS


def test_keys_follow_a_change_of_the_cell() -> None:
    """A crystal on the vectors of its k-th basis has the k-th key in the basis 1."""
    crystal = nearly_cubic()
    bases = tied_bases(crystal)
    keys = basis_keys(bases, crystal)
    assert len(np.unique(np.round(keys, 10))) > 1
    for basis, key in zip(bases, keys, strict=True):
        inverse = np.rint(np.linalg.inv(basis))
        same = Crystal(crystal.numbers, basis.T @ crystal.lattice, crystal.frac_coords @ inverse.T)
        assert abs(basis_keys(np.eye(3, dtype=np.int64)[None], same)[0] - key) < BASIS_KEYS


def test_bases_of_equal_keys_keep_their_order() -> None:
    crystal = PROTOTYPES["rocksalt"]
    bases = tied_bases(crystal)
    assert len(bases) > 1
    assert np.array_equal(basis_order(bases, crystal), np.arange(len(bases)))


def test_the_basis_that_is_kept_does_not_depend_on_the_first_one() -> None:
    """Sorted otherwise, another member of the class is kept, and predictions differ."""
    crystal = nearly_cubic()
    settings = GraphSettings(metric_tolerance=METRIC_TOLERANCE, class_tolerance=CLASS_TOLERANCE)
    network = random_model().network
    expected = outputs_of([build_graph(crystal, settings)], network)
    bases = tied_bases(crystal)
    kept = {
        basis_representatives(bases[::step], crystal, CLASS_TOLERANCE).tobytes() for step in (1, -1)
    }
    assert len(kept) == 1
    for axes in ([1, 2, 0], [2, 0, 1]):
        turned = Crystal(crystal.numbers, crystal.lattice[axes], crystal.frac_coords[:, axes])
        spread = relative_spread(expected, outputs_of([build_graph(turned, settings)], network))
        assert spread < INVARIANCE_F64, f"axes {axes}: {spread:.1e}"
