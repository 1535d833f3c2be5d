"""Compiled neighbour lists against vesin, an independent program, on stored and odd crystals."""

import numpy as np
import pytest
from vesin import NeighborList

from models.crystal import Crystal
from models.datasets import load_dataset
from models.descriptions import image_shifted, random_unimodular, recelled
from models.neighbours import nearest_edges, nearest_neighbours, neighbours_within
from tests.models.prototypes import PROTOTYPES
from tests.tolerances import GEOMETRY_F64

NUM_CRYSTALS = 60
K, TIE = 25, 5e-3


def stored() -> list[Crystal]:
    crystals = load_dataset("elastic").crystals
    return [crystals[i] for i in np.linspace(0, len(crystals) - 1, NUM_CRYSTALS).astype(int)]


def sorted_rows(index: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Rows of receiver, sender, vector; by receiver, sender, then a generic direction."""
    along = vectors @ np.array([0.577, 0.211, 0.789])
    order = np.lexsort((along, index[1], index[0]))
    return np.column_stack([index.T, vectors])[order]


def vesin_pairs(crystal: Crystal, cutoff: float) -> tuple[np.ndarray, np.ndarray]:
    finder = NeighborList(cutoff=cutoff, full_list=True)
    i, j, vectors = finder.compute(crystal.cart_coords, crystal.lattice, True, "ijD")
    return np.stack([i, j]).astype(np.int64), vectors


def assert_same(first: np.ndarray, second: np.ndarray) -> None:
    assert first.shape == second.shape
    error = np.abs(first - second).max(initial=0.0)
    assert error < GEOMETRY_F64, f"edges differ by {error:.1e}"


@pytest.mark.parametrize("cutoff", [0.5, 3.1, 6.3])
def test_pairs_within_a_radius_are_those_of_vesin(cutoff: float) -> None:
    total = 0
    for crystal in stored():
        index, vectors, lengths = neighbours_within(crystal, cutoff)
        assert_same(sorted_rows(index, vectors), sorted_rows(*vesin_pairs(crystal, cutoff)))
        assert np.allclose(lengths, np.linalg.norm(vectors, axis=1), rtol=1e-15, atol=0)
        total += len(lengths)
    assert (total > 0) == (cutoff > 0.5)


def test_nearest_are_those_of_vesin_cut_behind_the_last_tie() -> None:
    for crystal in stored():
        pairs, vectors = vesin_pairs(crystal, 14.0)
        lengths = np.linalg.norm(vectors, axis=1)
        kept = np.zeros(len(lengths), bool)
        for site in range(crystal.num_sites):
            of_site = pairs[0] == site
            kept |= of_site & (lengths <= np.sort(lengths[of_site])[K - 1] + TIE)
        index, found = nearest_edges(crystal, K, TIE)
        assert_same(sorted_rows(index, found), sorted_rows(pairs[:, kept], vectors[kept]))


@pytest.mark.parametrize("name", ["triclinic", "quartz", "fcc"])
def test_any_description_of_a_cell_has_the_same_pairs(name: str) -> None:
    """Skewed a lot, and with sites outside the cell."""
    rng = np.random.default_rng(3)
    crystal = PROTOTYPES[name]
    shifts = rng.integers(-40, 40, (crystal.num_sites, 3))
    other = recelled(image_shifted(crystal, shifts), random_unimodular(rng, num_steps=8))
    expected, found = neighbours_within(crystal, 5.0), neighbours_within(other, 5.0)
    assert_same(sorted_rows(*expected[:2]), sorted_rows(*found[:2]))


def test_lengths_belong_to_the_vectors_and_rise() -> None:
    index, vectors, lengths = nearest_neighbours(PROTOTYPES["scheelite"], K, TIE)
    assert np.allclose(lengths, np.linalg.norm(vectors, axis=1), rtol=1e-15, atol=0)
    assert (np.diff(lengths)[np.diff(index[0]) == 0] >= 0).all()


def test_more_ties_than_room_was_made_for() -> None:
    """Hundreds of sites on a sphere about one that they all tie for."""
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(700, 3))
    sphere = 12.0 * directions / np.linalg.norm(directions, axis=1, keepdims=True)
    crystal = Crystal(
        np.array([1] + [8] * 700), np.diag([90.0] * 3), np.vstack([np.zeros(3), sphere]) / 90.0
    )
    index, _, lengths = nearest_neighbours(crystal, 1, TIE)
    assert np.count_nonzero(index[0] == 0) == 700
    assert np.abs(lengths[index[0] == 0] - 12.0).max() < GEOMETRY_F64
