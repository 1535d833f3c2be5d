"""Crystals without an effect of frames: named structures, and the shares of whole data sets."""

import numpy as np
import pytest

from models.crystal import Crystal
from models.datasets import load_dataset
from models.noop import is_frame_idle
from tests.tolerances import NOOP_SHARE

FACE_CENTRED = np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2
HEXAGONAL = np.array([[1.0, 0, 0], [-0.5, np.sqrt(3) / 2, 0], [0, 0, 1.6]])
HEXAGONAL_SITES = [[1 / 3, 2 / 3, 0.0], [2 / 3, 1 / 3, 0.5]]


def wurtzite() -> Crystal:
    anions = [[x, y, z + 0.38] for x, y, z in HEXAGONAL_SITES]
    return Crystal(np.array([30, 30, 16, 16]), 3.8 * HEXAGONAL, np.array(HEXAGONAL_SITES + anions))


def perovskite() -> Crystal:
    """The oxygens have site symmetry 4/mmm."""
    oxygens = [[0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    sites = np.array([[0.0, 0, 0], [0.5, 0.5, 0.5], *oxygens])
    return Crystal(np.array([38, 22, 8, 8, 8]), 3.9 * np.eye(3), sites)


def two_sites(first: int, second: int, offset: float) -> Crystal:
    """The diamond lattice (offset 1/4) or rocksalt (1/2)."""
    return Crystal(
        np.array([first, second]), 5.6 * FACE_CENTRED, np.array([[0.0] * 3, [offset] * 3])
    )


CASES = {
    "one orbit, hexagonal close-packed": (
        Crystal(np.array([12, 12]), 3.2 * HEXAGONAL, np.array(HEXAGONAL_SITES)),
        True,
    ),
    "rocksalt": (two_sites(11, 17, 0.5), True),
    "zinc blende": (two_sites(30, 16, 0.25), True),
    "wurtzite": (wurtzite(), False),
    "cubic perovskite": (perovskite(), False),
}


@pytest.mark.parametrize(("crystal", "expected"), CASES.values(), ids=CASES)
def test_named_structures(crystal: Crystal, expected: bool) -> None:
    assert is_frame_idle(crystal) == expected


def test_a_supercell_is_seen_as_its_crystal() -> None:
    rocksalt = two_sites(11, 17, 0.5)
    lattice = np.diag([2, 1, 1]) @ rocksalt.lattice
    sites = np.concatenate([rocksalt.frac_coords + np.array([i, 0, 0]) for i in range(2)]) / [
        2,
        1,
        1,
    ]
    assert is_frame_idle(Crystal(np.tile(rocksalt.numbers, 2), lattice, sites))


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("dielectric", 0.09),
        ("elastic", 0.23),
        pytest.param("formation", 0.08, marks=pytest.mark.slow),
    ],
)
def test_shares_of_data_sets(name: str, published: float) -> None:
    share = np.mean([is_frame_idle(crystal) for crystal in load_dataset(name).crystals])
    assert abs(share - published) <= NOOP_SHARE, f"{share:.4f}"
