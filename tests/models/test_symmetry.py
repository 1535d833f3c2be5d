"""Translations and classes of bases against spglib, an independent program, and by construction."""

import warnings

import numpy as np
import pytest
import spglib
from hypothesis import given
from hypothesis import strategies as st

from models.canonical import minkowski_reduced, right_handed, shortest_bases
from models.crystal import Crystal
from models.datasets import load_dataset
from models.descriptions import distorted, permuted, random_rotation, rotated, supercell, translated
from models.reduction import generated_lattice
from models.symmetry import find_translations, first_of_classes
from tests.models.prototypes import PROTOTYPES
from tests.tolerances import EXACT_METRIC, GEOMETRY_F64, SYMMETRY_SHARE

SEEDS = st.integers(0, 2**32 - 1)
NUM_CRYSTALS = 60
SYMPREC, CLASS_TOLERANCE = 1e-2, 1e-4


def stored(name: str) -> list[Crystal]:
    crystals = load_dataset(name).crystals
    chosen = np.linspace(0, len(crystals) - 1, NUM_CRYSTALS).astype(int)
    return [minkowski_reduced(right_handed(crystals[i])) for i in chosen]


def spglib_cell(crystal: Crystal) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return crystal.lattice, crystal.frac_coords, crystal.numbers


def spglib_classes(crystal: Crystal, bases: np.ndarray, tolerance: float) -> int:
    """Number of classes of bases under the rotations that spglib finds, up to sign."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        rotations = spglib.get_symmetry(spglib_cell(crystal), symprec=tolerance)["rotations"]
    known = {tuple(sign * w.ravel()) for w in rotations.astype(int) for sign in (1, -1)}
    first: list[np.ndarray] = []
    for basis in bases:
        matrices = [np.rint(basis @ np.linalg.inv(other)).astype(int) for other in first]
        if not any(tuple(w.ravel()) in known for w in matrices):
            first.append(basis)
    return len(first)


@pytest.mark.parametrize("name", ["dielectric", "elastic"])
def test_stored_cells_hold_as_many_copies_as_spglib_finds(name: str) -> None:
    for crystal in stored(name):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            primitive = spglib.standardize_cell(
                spglib_cell(crystal), to_primitive=True, no_idealize=True, symprec=SYMPREC
            )
        found = find_translations(crystal, SYMPREC)
        assert found.is_group
        assert found.num_copies * len(primitive[2]) == crystal.num_sites


@pytest.mark.parametrize("name", ["dielectric", "elastic"])
def test_stored_crystals_have_the_classes_that_spglib_finds(name: str) -> None:
    """Up to crystals whose operations fit by just the tolerance."""
    same = 0
    for crystal in stored(name):
        bases = shortest_bases(crystal.lattice, 1e-3)
        ours = int(first_of_classes(crystal, bases, CLASS_TOLERANCE).sum())
        same += ours == spglib_classes(crystal, bases, CLASS_TOLERANCE)
    assert same / NUM_CRYSTALS >= SYMMETRY_SHARE


@pytest.mark.parametrize("name", PROTOTYPES)
def test_prototypes_have_the_classes_that_spglib_finds(name: str) -> None:
    crystal = minkowski_reduced(right_handed(PROTOTYPES[name]))
    bases = shortest_bases(crystal.lattice, EXACT_METRIC)
    ours = int(first_of_classes(crystal, bases, 1e-5).sum())
    assert ours == spglib_classes(crystal, bases, 1e-5)


@given(
    seed=SEEDS,
    counts=st.tuples(*[st.integers(1, 3)] * 3),
    name=st.sampled_from(["triclinic", "wurtzite", "quartz"]),
)
def test_copies_of_a_supercell_are_counted(
    seed: int, counts: tuple[int, int, int], name: str
) -> None:
    rng = np.random.default_rng(seed)
    crystal = supercell(PROTOTYPES[name], counts)
    crystal = permuted(crystal, rng.permutation(crystal.num_sites))
    crystal = translated(rotated(crystal, random_rotation(rng)), rng.random(3))
    found = find_translations(crystal, SYMPREC)
    assert found.is_group
    assert found.num_copies == np.prod(counts)
    assert np.abs(found.offsets).max(initial=0.0) < GEOMETRY_F64
    assert np.linalg.det(found.basis) * found.num_copies == pytest.approx(1)
    for image in found.images:
        assert (crystal.numbers[image] == crystal.numbers).all()
        assert len(set(image)) == crystal.num_sites


def test_classes_do_not_depend_on_origin_order_and_orientation() -> None:
    """Distorted by about the tolerance, so that the site that is tried first would matter."""
    rng = np.random.default_rng(0)
    numbers = set()
    for _ in range(100):
        crystal = distorted(PROTOTYPES["rutile"], 0.7e-4, rng)
        bases = shortest_bases(crystal.lattice, 1e-3)
        expected = first_of_classes(crystal, bases, CLASS_TOLERANCE).tolist()
        numbers.add(sum(expected))
        for _ in range(4):
            other = permuted(translated(crystal, rng.random(3)), rng.permutation(6))
            other = rotated(other, random_rotation(rng))
            assert first_of_classes(other, bases, CLASS_TOLERANCE).tolist() == expected
    assert len(numbers) > 2, f"never at the edge of the tolerance: {numbers} classes"


def test_a_strained_lattice_loses_its_operations() -> None:
    """Sites map onto each other, lengths differ by more than the tolerance."""
    cubic = PROTOTYPES["rocksalt"]
    strained = Crystal(cubic.numbers, cubic.lattice * [1, 1, 1 + 2e-4], cubic.frac_coords)
    bases = shortest_bases(strained.lattice, 1e-3)
    assert len(bases) == 24
    assert first_of_classes(cubic, bases, CLASS_TOLERANCE).sum() == 1
    assert first_of_classes(strained, bases, CLASS_TOLERANCE).sum() == 3


@given(seed=SEEDS, denominator=st.integers(1, 12), count=st.integers(0, 4))
def test_generated_lattice_holds_all_steps_and_is_generated(
    seed: int, denominator: int, count: int
) -> None:
    steps = np.random.default_rng(seed).integers(0, denominator, (count, 3))
    basis = generated_lattice(steps, denominator)[:3]
    assert (np.tril(basis, -1) == 0).all()
    assert (np.diagonal(basis) > 0).all()
    given_rows = np.vstack([steps, denominator * np.eye(3, dtype=np.int64)])
    coefficients = given_rows @ np.linalg.inv(basis)
    assert np.abs(coefficients - np.rint(coefficients)).max() < GEOMETRY_F64
    combinations = {(0, 0, 0)}
    while True:  # the subgroup of Z_d^3 that the steps generate, by brute force
        more = {
            tuple((np.array(a) + s) % denominator) for a in combinations for s in steps
        } | combinations
        if more == combinations:
            break
        combinations = more
    assert round(np.linalg.det(basis)) * len(combinations) == denominator**3
