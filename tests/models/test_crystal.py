"""The crystal type: what it refuses, what it derives and the way to pymatgen and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import DummySpecies, Lattice, Structure

from models.crystal import Crystal, CrystalError
from tests.tolerances import STRUCTURE_EPS

# Triclinic and asymmetric on purpose: a transposed lattice or a swapped site shows.
LATTICE = np.array([[4.1, 0.3, -0.2], [0.5, 5.2, 0.7], [-0.9, 0.4, 6.3]])
FRAC = np.array([[0.1, 0.2, 0.3], [0.55, 0.6, 0.9], [-0.25, 1.5, 0.0]])
NUMBERS = np.array([22, 8, 8])


def make(**changes: object) -> Crystal:
    fields = {"numbers": NUMBERS, "lattice": LATTICE, "frac_coords": FRAC, **changes}
    return Crystal(**fields)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"numbers": []}, r"`numbers` must have shape \(S,\) with S > 0, got \(0,\)"),
        ({"numbers": [[22, 8, 8]]}, r"`numbers` must have shape \(S,\) .* got \(1, 3\)"),
        ({"lattice": LATTICE[:2]}, r"`lattice` must have shape \(3, 3\), got \(2, 3\)"),
        ({"frac_coords": FRAC[:2]}, r"`frac_coords` must have shape \(3, 3\), got \(2, 3\)"),
        ({"frac_coords": FRAC * np.nan}, "must be finite numbers"),
        ({"lattice": LATTICE + np.inf}, "must be finite numbers"),
        ({"numbers": [0, 8, 8]}, r"atomic numbers must lie in 1\.\.118"),
        ({"numbers": [22, 8, 119]}, r"atomic numbers must lie in 1\.\.118"),
        ({"lattice": LATTICE[[0, 1, 1]]}, "the lattice vectors span no volume"),
        ({"lattice": np.zeros((3, 3))}, "the lattice vectors span no volume"),
    ],
)
def test_impossible_crystals_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(CrystalError, match=message):
        make(**changes)


def test_error_is_a_value_error() -> None:
    assert issubclass(CrystalError, ValueError)


def test_lists_become_arrays_of_the_right_type() -> None:
    crystal = make(numbers=[22, 8, 8], lattice=LATTICE.tolist(), frac_coords=FRAC.tolist())
    assert crystal.numbers.dtype == np.int64
    assert crystal.lattice.dtype == crystal.frac_coords.dtype == np.float64


def test_lattice_vectors_are_rows() -> None:
    crystal = make(frac_coords=np.eye(3))
    assert np.array_equal(crystal.cart_coords, LATTICE)


def test_volume_is_positive_for_either_handedness() -> None:
    volume = float(np.cross(LATTICE[0], LATTICE[1]) @ LATTICE[2])
    assert make().volume == pytest.approx(volume)
    assert make(lattice=LATTICE[[1, 0, 2]]).volume == pytest.approx(volume)
    assert make().num_sites == 3


def test_structure_round_trip() -> None:
    crystal = make()
    structure = crystal.to_structure()
    assert [site.specie.Z for site in structure] == NUMBERS.tolist()
    scale = np.abs(crystal.cart_coords).max()
    error = np.abs(structure.cart_coords - crystal.cart_coords).max() / scale
    bound = STRUCTURE_EPS * np.finfo(np.float64).eps
    assert error <= bound, f"Cartesian coordinates differ by {error:.1e} > {bound:.1e}"
    again = Crystal.from_structure(structure)
    assert np.array_equal(again.numbers, crystal.numbers)
    assert np.array_equal(again.lattice, crystal.lattice)
    assert np.array_equal(again.frac_coords, crystal.frac_coords)


def test_oxidation_states_are_dropped() -> None:
    structure = Structure(Lattice.cubic(4.2), ["Mg2+", "O2-"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    assert Crystal.from_structure(structure).numbers.tolist() == [12, 8]


def test_isotopes_of_hydrogen_are_noted() -> None:
    structure = Structure(Lattice.cubic(4.2), ["Li", "D"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    crystal = Crystal.from_structure(structure)
    assert crystal.numbers.tolist() == [3, 1]
    assert crystal.notes == ("D (deuterium) read as H",)


def test_partial_occupancy_is_refused_by_site() -> None:
    species = ["O", {"Fe": 0.5, "Ni": 0.5}]
    structure = Structure(Lattice.cubic(4.2), species, [[0, 0, 0], [0.5, 0.5, 0.5]])
    with pytest.raises(CrystalError, match=r"site 1 \(.*Fe:0\.5.*\) is partly occupied"):
        Crystal.from_structure(structure)


def test_vacancies_are_refused() -> None:
    structure = Structure(Lattice.cubic(4.2), [{"O": 0.9}], [[0, 0, 0]])
    with pytest.raises(CrystalError, match=r"site 0 \(.*O:0\.9.*\) is partly occupied"):
        Crystal.from_structure(structure)


def test_dummy_species_are_refused() -> None:
    structure = Structure(Lattice.cubic(4.2), [DummySpecies("X")], [[0, 0, 0]])
    with pytest.raises(CrystalError, match="holds no element"):
        Crystal.from_structure(structure)


@pytest.mark.parametrize(
    ("numbers", "key"),
    [
        ([52, 37, 37], "37:2,52:1"),
        ([8] * 6 + [22] * 3, "8:2,22:1"),
        ([14, 14], "14:1"),
        ([9, 8, 1], "1:1,8:1,9:1"),
    ],
)
def test_formula_key(numbers: list[int], key: str) -> None:
    frac_coords = np.linspace(0, 0.9, 3 * len(numbers)).reshape(-1, 3)
    assert make(numbers=numbers, frac_coords=frac_coords).formula_key == key


@given(
    numbers=st.lists(st.integers(1, 118), min_size=1, max_size=8),
    repeats=st.integers(1, 4),
    seed=st.integers(0, 2**32 - 1),
)
def test_formula_key_ignores_order_and_cell_size(
    numbers: list[int], repeats: int, seed: int
) -> None:
    shuffled = np.random.default_rng(seed).permutation(numbers * repeats)
    zeros = np.zeros((len(numbers), 3))
    one = make(numbers=numbers, frac_coords=zeros)
    many = make(numbers=shuffled, frac_coords=np.zeros((shuffled.size, 3)))
    assert one.formula_key == many.formula_key


def test_arrays_are_own_and_of_one_kind() -> None:
    """Compiled functions are compiled for each kind of array, and again for read-only ones."""
    lattice, coords = np.asfortranarray(3 * np.eye(3)), np.zeros((2, 6))[:, ::2]
    coords[1] = 0.5
    numbers = np.array([11, 17])
    for array in (lattice, coords, numbers):
        array.flags.writeable = False
    crystal = Crystal(numbers, lattice, coords)
    for own, old in zip(
        (crystal.numbers, crystal.lattice, crystal.frac_coords),
        (numbers, lattice, coords),
        strict=True,
    ):
        assert own.flags.c_contiguous and own.flags.writeable
        assert not np.shares_memory(own, old)
        assert (own == old).all()
