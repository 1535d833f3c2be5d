"""What a CIF declares (symmetry, formula, Z, multiplicities, disorder) decides, or refuses it."""

import re
from collections.abc import Sequence

import numpy as np
import pytest
from pymatgen.io.cif import CifWriter

from models.crystal.cif import cif_structures
from models.crystal.composition import Composition, parse_formula
from models.crystal.crystal import Crystal, CrystalError
from models.crystal.sites import ReadOptions
from models.datasets import load_dataset
from tests.models.cif_text import (
    COLUMNS,
    RUTILE,
    SALT,
    SALT_CELL,
    block,
    content,
    operations,
    outcome,
    read,
)
from tests.tolerances import EXACT_POSITION

PLAIN = "O4 Ti2"
STRICT = ReadOptions(is_strict=True)
OXYGEN = RUTILE[2:]
HEXAGONAL = (3.16, 3.16, 12.294, 90, 90, 120)
MOS2 = operations(
    *["x,y,z", "-y,x-y,z", "-x+y,-x,z", "-x,-y,z+1/2", "y,-x+y,z+1/2", "x-y,x,z+1/2"],
    *["y,x,-z", "x-y,-y,-z", "-x,-x+y,-z", "-y,-x,-z+1/2", "-x+y,y,-z+1/2", "x,x-y,-z+1/2"],
    *["-x,-y,-z", "y,-x+y,-z", "x-y,x,-z", "x,y,-z+1/2", "-y,x-y,-z+1/2", "-x+y,-x,-z+1/2"],
    *["-y,-x,z", "-x+y,y,z", "x,x-y,z", "y,x,z+1/2", "x-y,-y,z+1/2", "-x,-x+y,z+1/2"],
)
BRUCITE = operations(
    *["x,y,z", "-x,-y,-z", "-y,x-y,z", "-x+y,-x,z", "y,x,-z", "x-y,-y,-z", "-x,-x+y,-z"],
    *["y,-x+y,-z", "x-y,x,-z", "-y,-x,z", "-x+y,y,z", "x,x-y,z"],
)
PORTLANDITE = (3.592, 3.592, 4.906, 90, 90, 120)
SILICON = (5.431, 5.431, 5.431, 90, 90, 90)


# Symmetry


def test_rounded_special_positions_are_merged_with_a_note() -> None:
    exact = read(block(("Mo Mo 0.33333333 0.66666667 0.25 1", "S S 0.33333333 0.66666667 0.621 1"),
                       HEXAGONAL, MOS2))  # fmt: skip
    assert exact.notes == () and content(exact) == "Mo2 S4"
    for digits, note in ((2, "0.018"), (3, "0.002"), (4, ""), (5, "")):
        x, y = f"{1 / 3:.{digits}f}", f"{2 / 3:.{digits}f}"
        text = block((f"Mo Mo {x} {y} 0.25 1", f"S S {x} {y} 0.621 1"), HEXAGONAL, MOS2)
        crystal = read(text)
        offsets = crystal.frac_coords - exact.frac_coords
        assert np.abs((offsets - np.rint(offsets)) @ crystal.lattice).max() < EXACT_POSITION
        assert bool(crystal.notes) == bool(note)
        if note:
            assert f"2 sites moved by up to {note} Angstrom" in crystal.notes[0]
            assert outcome(text, STRICT).endswith("(not with --strict)")


def test_repeated_sites_are_merged_with_a_note() -> None:
    centring = operations("x,y,z", "x,y+1/2,z+1/2", "x+1/2,y,z+1/2", "x+1/2,y+1/2,z")
    text = block(SALT, SALT_CELL, centring)
    assert outcome(text).startswith("Cl4 Na4 | 6 of 8 listed sites repeat others and were merged")
    corners = [f"Na9 Na {x} {y} {z} 1" for x in (0, 1) for y in (0, 1) for z in (0, 1)][1:]
    text = block([*SALT, *corners], SALT_CELL)
    assert outcome(text).startswith("Cl4 Na4 | 7 of 15 listed sites repeat others")
    assert outcome(text, STRICT).startswith("refused: 7 of 15 listed sites repeat")
    half = [*SALT[1:], "Na0 Na 0 0 0 0.5", "Na9 Na 1 0 0 0.5"]
    assert "is partly occupied (Na:0.5)" in outcome(block(half, SALT_CELL))


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        (["_space_group_name_H-M_alt 'P 21/n'"], "the same"),
        (["_symmetry_space_group_name_H-M P21/n"], "the same"),
        (["_symmetry_space_group_name_H-M 'P 21/n'", "_symmetry_Int_Tables_number 14"], "the same"),
        (["_space_group_name_Hall '-P 2yn'"], "the same"),
        (["_space_group_IT_number 14", "_space_group_IT_coordinate_system_code b2"], "the same"),
        (["_space_group_IT_number 14"], "refused: the symmetry is ambiguous: the atoms fit"),
        (["_space_group_name_H-M_alt 'P 21/n'", "_space_group_IT_number 15"], "refused: symbol"),
        (["_space_group_name_H-M_alt 'P 21/n'", "_space_group_name_Hall '-P 1'"], "refused: sym"),
        (["_space_group_name_Hall 'garbage'"], "refused: 'garbage' is no Hall symbol"),
        (["_space_group_name_H-M_alt 'B 21/c'"], "refused: the space group 'B 21/c' is not known"),
        (["_space_group_IT_number 231"], "refused: 231 is the number of no space group"),
        (["_space_group_IT_number four"], "refused: 'four' is the number of no space group"),
        (["_space_group_name_H-M_alt 'P 1 1 21/b'"], "refused: the cell does not fit"),
        (["_space_group_name_H-M_alt 'F m -3 m'"], "refused: the cell does not fit"),
        ([], "Cl1 Na1 | states no symmetry: all atoms were taken to be listed (P1)"),
        (operations("x,y,z", "1/2-x,1/2+y,1/2-z", "-x,-y,-z"), "refused: the symmetry operations"),
        (operations("1/2-x,1/2+y,1/2-z"), "refused: the symmetry operations lack the identity"),
        (operations("x,y,z", "-x,-y"), "refused: '-x,-y' is no symmetry operation such as"),
        (operations("x,y,z", "-x,-y,-w"), "refused: '-x,-y,-w' is no symmetry operation such as"),
        (operations("x,y,z", "-2x,y,z"), "refused: '-2x,y,z' is no symmetry operation such as"),
        (operations("x,y,z", "?"), "refused: '?' is no symmetry operation such as"),
        (
            ["_space_group_name_H-M_alt 'P n m a'", *operations("x,y,z", "-x,-y,-z")],
            "refused: the listed operations are those of P -1, but it states symbol 'P n m a'",
        ),
        (
            ["_space_group_name_H-M_alt 'P 1 21/c 1'",
             *operations("x,y,z", "1/2-x,1/2+y,1/2-z", "-x,-y,-z", "1/2+x,1/2-y,1/2+z")],
            "the same",
        ),
    ],
)  # fmt: skip
def test_declared_symmetry(items: Sequence[str], expected: str) -> None:
    rows = ("Na Na 0.11 0.07 0.33 1", "Cl Cl 0.35 0.41 0.61 1")
    cell = (7, 8, 9, 90, 100, 90)
    listed = operations("x,y,z", "1/2-x,1/2+y,1/2-z", "-x,-y,-z", "1/2+x,1/2-y,1/2+z")
    if expected == "the same":
        assert_same(read(block(rows, cell, items)), read(block(rows, cell, listed)))
    else:
        assert outcome(block(rows, cell, items)).startswith(expected), outcome(
            block(rows, cell, items)
        )


def assert_same(crystal: Crystal, expected: Crystal) -> None:
    """Both have the same atoms in the same places of the cell."""
    assert crystal.num_sites == expected.num_sites
    for number, position in zip(expected.numbers, expected.frac_coords, strict=True):
        offsets = crystal.frac_coords - position
        distances = np.linalg.norm((offsets - np.rint(offsets)) @ crystal.lattice, axis=1)
        nearest = int(np.argmin(distances))
        assert distances[nearest] < EXACT_POSITION and crystal.numbers[nearest] == number


@pytest.mark.parametrize(
    ("symbol", "position", "expected"),
    [
        ("F d -3 m :1", 0, "Si8"),
        ("F d -3 m S", 0, "Si8"),
        ("Fd-3mS", 0, "Si8"),
        ("F d -3 m Z", 0.125, "Si8"),
        ("F d -3 m:2", 0.125, "Si8"),
        ("F d 3 m", 0, "refused: the symmetry is ambiguous: the atoms fit F d -3 m:1, F d -3 m:2"),
        ("F d -3 m :3", 0, "refused: the space group 'F d -3 m :3' is not known"),
    ],
)
def test_origin_choices(symbol: str, position: float, expected: str) -> None:
    items = [f"_space_group_name_H-M_alt '{symbol}'"]
    rows = (f"Si Si {position} {position} {position} 1",)
    assert outcome(block(rows, SILICON, items)).startswith(expected)


@pytest.mark.parametrize("symbol", ["R -3 c", "R -3 c :R", "R-3cR", "R -3 c RS", "R -3 c S"])
def test_rhombohedral_axes_follow_from_the_cell(symbol: str) -> None:
    rows = ("Al Al 0.3522 0.3522 0.3522 1", "O O 0.5563 0.9437 0.25 1")
    items = [f"_space_group_name_H-M_alt '{symbol}'"]
    assert outcome(block(rows, (5.1284,) * 3 + (55.28,) * 3, items)) == "Al4 O6"
    hexagonal = ("Al Al 0 0 0.3522 1", "O O 0.3063 0 0.25 1")
    if symbol == "R -3 c":
        cell = (4.758, 4.758, 12.991, 90, 90, 120)
        assert outcome(block(hexagonal, cell, items)) == "Al12 O18"


def test_magnetic_operations_lose_time_reversal() -> None:
    items = [
        "loop_",
        "_space_group_symop_magn_operation.xyz",
        "x,y,z,+1",
        "-x,-y,-z,-1",
        "loop_",
        "_space_group_symop_magn_centering.xyz",
        "x,y,z,+1",
        "x+1/2,y+1/2,z+1/2,-1",
    ]
    text = block(("Fe Fe 0.1 0.2 0.3 1",), (6, 7, 8, 90, 90, 90), items)
    expected = operations("x,y,z", "-x,-y,-z", "1/2+x,1/2+y,1/2+z", "1/2-x,1/2-y,1/2-z")
    assert_same(read(text), read(block(("Fe Fe 0.1 0.2 0.3 1",), (6, 7, 8, 90, 90, 90), expected)))


# Composition


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ([], "Ca1 O2"),
        (["_chemical_formula_sum 'Ca H2 O2'"], "refused: the declared formula .*: H not located"),
        (["_chemical_formula_sum 'Ca D2 O2'"], "refused: the declared formula .*: H not located"),
        (["_chemical_formula_sum 'Ca O2'"], "Ca1 O2"),
        (["_chemical_formula_sum 'O'"], "refused: the declared formula .*: Ca not declared"),
        (["_chemical_formula_sum 'Ca O3'"], "refused: the declared formula is 'Ca O3', the listed"),
        (["_chemical_formula_sum 'Ca2 O4'", "_cell_formula_units_Z 1"], "Ca1 O2"),
        (["_chemical_formula_sum 'Ca O2'", "_cell_formula_units_Z 3"], r"Ca1 O2 \| Z = 3 units"),
        (["_chemical_formula_sum '(Ca O2)x'"], r"Ca1 O2 \| the formula .* was not understood"),
        (["_exptl_crystal_density_diffrn 2.9"], r"Ca1 O2 \| a density of 2.9 g/cm\^3 is stated"),
        (
            [
                "_chemical_formula_weight 74.09",
                "_cell_formula_units_Z 1",
                "_chemical_formula_sum 'Ca O2'",
            ],
            r"Ca1 O2 \| 1 units of 74.09 Da are stated, the listed atoms make 72.07",
        ),
        (["_cell_volume 91.2"], r"Ca1 O2 \| a volume of 91.2 Angstrom\^3 is stated"),
        (["_cell_volume 54.8"], "Ca1 O2"),
    ],
)
def test_declared_content(extra: Sequence[str], expected: str) -> None:
    rows = ("Ca Ca 0 0 0 1", "O O 0.33333 0.66667 0.2337 1")
    found = outcome(block(rows, PORTLANDITE, [*extra, *BRUCITE]))
    assert re.match(expected, found), found


def test_attached_hydrogens_are_missed() -> None:
    rows = ("Ca Ca 0 0 0 1 0", "O O 0.3333 0.6667 0.2337 1 1")
    text = block(rows, PORTLANDITE, BRUCITE, columns=(*COLUMNS, "attached_hydrogens"))
    assert outcome(text) == (
        "refused: row 2 (O): 1 attached hydrogens have no coordinates: H not located"
    )


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        (["_chemical_formula_sum 'Na4 Cl4'", "_cell_formula_units_Z 4"], "Cl4 Na4 | the listed op"),
        (["_chemical_formula_sum 'Na Cl'", "_cell_formula_units_Z 4"], "Cl4 Na4 | the listed op"),
        (["_chemical_formula_sum 'Na Cl'", "_cell_formula_units_Z 1"], "Cl1 Na1 | the listed oper"),
        ([], "refused: the listed operations are those of P 1, but it states symbol 'F m -3 m'"),
    ],
)
def test_identity_alone_under_a_symmetric_symbol(extra: Sequence[str], expected: str) -> None:
    items = ["_space_group_name_H-M_alt 'F m -3 m'", *extra, *operations("x,y,z")]
    found = outcome(block((SALT[0], SALT[4]), SALT_CELL, items))
    assert found.startswith(expected), found
    if not extra:
        # All atoms are listed: with or without the operations of the symbol it is one crystal.
        assert outcome(block(SALT, SALT_CELL, items)).startswith("Cl4 Na4")


def test_identity_alone_in_a_cell_that_the_symbol_does_not_fit() -> None:
    """The primitive cell of rock salt under the symbol of its group."""
    items = ["_space_group_name_H-M_alt 'F m -3 m'", *operations("x,y,z")]
    cell = (3.988, 3.988, 3.988, 60, 60, 60)
    found = outcome(block((SALT[0], SALT[4]), cell, items))
    assert found.startswith("Cl1 Na1 | the listed operations are those of P 1") and "cell" in found
    items += ["_chemical_formula_sum 'Na Cl'", "_cell_formula_units_Z 4"]
    assert outcome(block((SALT[0], SALT[4]), cell, items)).startswith("refused: Z = 4 units")


def test_modulated_structures_are_refused() -> None:
    items = ["_cell_modulation_dimension 1", "_space_group_ssg_name 'P2(0b0)'"]
    assert outcome(block(items=items)).startswith("refused: a modulated structure")


def test_declarations_that_contradict_each_other_beside_operations() -> None:
    listed = operations("x,y,z", "-x,-y,-z")
    rows = ("Na Na 0.11 0.07 0.33 1", "Cl Cl 0.35 0.41 0.61 1")
    for items, note in (
        (["_space_group_IT_number 2", "_space_group_name_H-M_alt 'P -1'"], ""),
        (["_space_group_IT_number 2", "_space_group_name_H-M_alt 'P -1 (no. 2)'"], ""),
        (["_space_group_IT_number 3", "_space_group_name_H-M_alt 'P -1'"], "not of number 3"),
        (["_space_group_name_H-M_alt 'hello'"], "symbol 'hello' is not known"),
    ):
        found = outcome(block(rows, (7, 8, 9, 80, 100, 95), [*items, *listed]))
        assert found.startswith("Cl2 Na2") and note in found and ("|" in found) == bool(note)


def test_declared_multiplicities_decide() -> None:
    columns = (*COLUMNS, "symmetry_multiplicity")
    items = ["_space_group_IT_number 227", "_space_group_name_H-M_alt 'F d -3 m'"]
    assert outcome(block(("Si Si 0 0 0 1 8",), SILICON, items, columns=columns)) == (
        "Si8 | the symbol leaves the setting open; F d -3 m:1 was used, the one that fits the atoms"
    )
    found = outcome(block(("Si Si 0 0 0 1 16",), SILICON, items, columns=columns))
    assert found.startswith("Si16 |") and "F d -3 m:2 was used" in found


@pytest.mark.parametrize(
    ("formula", "units", "cell", "is_right"),
    [
        ("Na Cl", 4, 4, True),
        ("Na4 Cl4", 4, 4, True),
        ("Na2 Cl2", 2, 4, True),
        ("Na4 Cl4", 2, 4, True),  # Li4 O4 holds two Li2 O2
        ("Na Cl", 4, 1, False),
        ("Na4 Cl4", 4, 1, False),
        ("Na4 Cl4", 3, 4, False),
        ("Na2 Cl2", 4, 4, False),
    ],
)
def test_formula_units(formula: str, units: float, cell: float, is_right: bool) -> None:
    composition = Composition(formula, parse_formula(formula), units)
    assert (composition.units_fault({11: cell, 17: cell}) == "") == is_right


def test_formulas() -> None:
    assert parse_formula("C12 H22 O11") == {6: 12, 1: 22, 8: 11}
    assert parse_formula("Na4Cl4") == {11: 4, 17: 4}
    assert parse_formula("D2 O H0.5") == {1: 2.5, 8: 1}
    for text in ("CA H2", "Fe(OH)2", "x", "H-2", "2H"):
        with pytest.raises(CrystalError, match="was not understood"):
            parse_formula(text)


# Disorder


def test_orderings_have_the_nearest_composition() -> None:
    rows = ("Si Si 0 0 0 0.5", "Ge Ge 0 0 0 0.5", "O O 0.5 0.5 0.5 0.75")
    text = block(rows, (4, 4, 4, 90, 90, 90))
    first = read(text, ReadOptions(disorder="order"))
    assert content(first) == "Ge2 O3 Si2" and "in a 1x2x2 cell" in first.notes[0]
    [(_, get)] = cif_structures(text, ReadOptions(disorder="average"))
    several = get()
    assert len(several) == 8 and {content(c) for c in several} == {content(first)}
    assert np.array_equal(several[0].numbers, first.numbers)
    assert len({c.numbers.tobytes() for c in several}) > 1
    odd = block(("Si Si 0 0 0 0.93", "Ge Ge 0 0 0 0.07"), (4, 4, 4, 90, 90, 90))
    crystal = read(odd, ReadOptions(disorder="order"))
    assert "with atoms Si" in crystal.notes[0] and "for" in crystal.notes[0]


# Independent readers and writers


@pytest.mark.filterwarnings("ignore:Set OLD_ERROR_HANDLING:DeprecationWarning")
@pytest.mark.parametrize("digits", [3, 4, 6])
def test_dielectric_crystals_with_few_decimals(digits: int) -> None:
    """Special positions that are rounded belong to the same crystal; 32 of 150 were refused."""
    dataset = load_dataset("dielectric")
    for index in range(0, len(dataset.ids), 11):
        stored = dataset.crystals[index]
        writer = CifWriter(stored.to_structure(), symprec=0.01, significant_figures=digits)
        crystal = read(str(writer))
        assert crystal.formula_key == stored.formula_key
        # Volumes follow from rounded cell parameters alone if no atom is lost or doubled.
        per_atom = crystal.volume / crystal.num_sites * stored.num_sites / stored.volume
        assert abs(per_atom - 1) < 10.0 ** (1 - digits)


@pytest.mark.parametrize(
    ("symbol", "cell", "full"),
    [
        ("P 21/c", (7, 8, 9, 90, 90, 90), "P 1 21/c 1"),
        ("P 21/c", (7, 8, 9, 90, 100, 90), "P 1 21/c 1"),
        ("P 21/n", (7, 8, 9, 90, 90, 100), "P 1 1 21/n"),
        ("P 21/b", (7, 8, 9, 90, 90, 100), "P 1 1 21/b"),
        ("P 21/b", (7, 8, 9, 100, 90, 90), "P 21/b 1 1"),
        ("P 21/b", (7, 8, 9, 90, 90, 90), ""),
    ],
)
def test_short_monoclinic_symbols(symbol: str, cell: Sequence[float], full: str) -> None:
    """The unique axis is that of the cell; in a right-angled one it is b, where b is possible."""
    rows = ("Na Na 0.11 0.07 0.33 1", "Cl Cl 0.35 0.41 0.61 1")
    short = block(rows, cell, [f"_space_group_name_H-M_alt '{symbol}'"])
    if full:
        items = [f"_space_group_name_H-M_alt '{full}'"]
        assert_same(read(short), read(block(rows, cell, items)))
    else:
        assert outcome(short).startswith("refused: the symmetry is ambiguous")
