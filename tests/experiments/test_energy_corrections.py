"""Shifts between two schemes of corrections, by their published numbers [eV per atom corrected]."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from experiments.energy_corrections import shift_to_2020
from models.crystal import Crystal
from tests.tolerances import CLOSED_FORM_F64


def binary(cation: str, anion: str) -> Crystal:
    structure = Structure(Lattice.cubic(4.0), [cation, anion], [[0.0] * 3, [0.5] * 3])
    return Crystal.from_structure(structure)


SULFIDE_2015, SULFIDE_2020 = -0.66346, -0.503
OXIDE_2015, OXIDE_2020 = -0.70229, -0.687
IRON_2015, IRON_2020 = -2.733, -2.256


@pytest.mark.parametrize(
    ("crystal", "per_formula"),
    [
        (binary("Ca", "S"), SULFIDE_2020 - SULFIDE_2015),
        (binary("Ca", "O"), OXIDE_2020 - OXIDE_2015),
        (binary("Fe", "O"), OXIDE_2020 - OXIDE_2015 + IRON_2020 - IRON_2015),
        (binary("Fe", "S"), SULFIDE_2020 - SULFIDE_2015),
        (binary("Zn", "Se"), -0.472),
        (binary("Cd", "Te"), -0.422),
        (binary("K", "Br"), -0.534),
        (binary("K", "I"), -0.379),
        (binary("Ga", "Sb"), -0.192),
        (binary("Na", "Cl"), 0.0),
        (binary("Li", "H"), 0.0),
        (binary("Ti", "N"), 0.0),
        (binary("Li", "F"), 0.0),
        (binary("Al", "Ni"), 0.0),
    ],
    ids=lambda value: value.to_structure().reduced_formula if isinstance(value, Crystal) else "",
)
def test_shift_is_the_difference_of_the_corrections(crystal: Crystal, per_formula: float) -> None:
    (shift,) = shift_to_2020([crystal])
    assert shift == pytest.approx(per_formula / 2, abs=CLOSED_FORM_F64)


def test_oxygen_in_pairs_has_a_correction_of_its_own() -> None:
    x = 0.5 + 0.74 / 6.0
    pair = [[0.0, 0.0, 0.0], [0.5, 0.5, 1.0 - x], [0.5, 0.5, x]]
    peroxide = Structure(Lattice.cubic(6.0), ["Ba", "O", "O"], pair)
    (shift,) = shift_to_2020([Crystal.from_structure(peroxide)])
    assert shift == pytest.approx(2 * (-0.465 + 0.46622) / 3, abs=CLOSED_FORM_F64)


def test_elements_and_numbers_of_sites() -> None:
    single = Structure(Lattice.cubic(3.0), ["Fe"], [[0.0] * 3])
    doubled = binary("Zn", "Se").to_structure()
    doubled.make_supercell([2, 1, 1])
    calls: list[None] = []
    crystals = [Crystal.from_structure(s) for s in (single, doubled)]
    shifts = shift_to_2020(crystals, lambda: calls.append(None))
    assert len(calls) == 2
    assert np.allclose(shifts, [0.0, -0.472 / 2], rtol=0, atol=CLOSED_FORM_F64)
