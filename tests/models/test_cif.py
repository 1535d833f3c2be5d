"""CIFs are read as they are written, repaired with a note, or refused; never misread in silence."""

import re
from collections.abc import Sequence

import pytest

from models.crystal.cif import cif_structures
from models.crystal.crystal import CrystalError
from models.crystal.sites import ReadOptions
from models.crystal.species import SYMBOLS, species_of, species_of_label
from tests.models.cif_text import (
    COLUMNS,
    RUTILE,
    RUTILE_CELL,
    SALT,
    SALT_CELL,
    block,
    content,
    operations,
    outcome,
)

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


def with_types(*types: str) -> tuple[str, ...]:
    """Rutile with other types in place of oxygen, in turn."""
    rows = [row.split() for row in OXYGEN]
    for row, kind in zip(rows, types * 4, strict=False):
        row[1] = kind
    return (*RUTILE[:2], *(" ".join(row) for row in rows))


def with_value(row: int, column: int, value: str) -> tuple[str, ...]:
    words = [line.split() for line in RUTILE]
    words[row][column] = value
    return tuple(" ".join(line) for line in words)


def salt_labels(first: str, second: str) -> str:
    """Rock salt whose elements follow from labels alone."""
    rows = [row.split() for row in SALT]
    labels = [f"{first}{n}" for n in range(4)] + [f"{second}{n}" for n in range(4)]
    lines = [" ".join([label, *row[2:5]]) for label, row in zip(labels, rows, strict=True)]
    return block(lines, SALT_CELL, columns=("label", *COLUMNS[2:5]))


# Rows: every listed atom is read, left out with a note, or named in a refusal.


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (RUTILE, PLAIN),
        (with_types("OH"), r"refused: row 3 \(O1\): 'OH' is no element"),
        (with_types("OH2"), r"refused: row 3 \(O1\): 'OH2' is no element"),
        (with_types("NH4"), r"refused: row 3 \(O1\): 'NH4' is no element"),
        (with_types("Wat"), r"refused: row 3 \(O1\): 'Wat' is no element"),
        (with_types("Va"), r"refused: row 3 \(O1\): 'Va' is no element"),
        (with_types("Q"), r"refused: row 3 \(O1\): 'Q' is no element"),
        (with_types("X"), r"refused: row 3 \(O1\): 'X' is no element"),
        (with_types("8"), r"refused: row 3 \(O1\): '8' is no element"),
        (with_types("T"), r"refused: row 3 \(O1\): 'T' is tritium only if .* hydrogen"),
        (with_types("18O"), r"O4 Ti2 \| 18O read as O"),
        (with_types("O2-", "O-2"), PLAIN),
        (with_types("O(II)", "O0+"), PLAIN),
        (with_types("O7"), r"O4 Ti2 \| O7 read as O"),
        (with_types("o"), r"O4 Ti2 \| o read as O"),
        (with_types("."), PLAIN),
        (with_types("?"), PLAIN),
        (with_types("D"), r"H4 Ti2 \| D \(deuterium\) read as H"),
        (with_types("2H"), r"H4 Ti2 \| 2H read as H"),
        (with_value(2, 0, "."), PLAIN),
        (with_value(4, 5, "."), PLAIN),
        (with_value(4, 5, "?"), r"O4 Ti2 \| 1 unknown occupancies taken as 1, first row 5 \(O3\)"),
        (with_value(4, 5, "1.000(2)"), PLAIN),
        (with_value(4, 5, "0.9999"), PLAIN),
        (with_value(4, 5, "1.0004"), PLAIN),
        (with_value(4, 5, "0.98(3)"), r"refused: row 5 \(O3\) is partly occupied \(O:0.98\).*"),
        (with_value(4, 5, "-1"), r"refused: row 5 \(O3\): occupancy -1 \(0 to 1 expected\)"),
        (with_value(4, 5, "1.2"), r"refused: row 5 \(O3\): occupancy 1.2 \(0 to 1 expected\)"),
        (with_value(4, 5, "one"), r"refused: row 5 \(O3\): occupancy 'one' is no number"),
        (with_value(4, 5, "0"), r"O3 Ti2 \| 1 sites of occupancy 0 left out, first row 5 \(O3\)"),
        (with_value(4, 3, "."), r"refused: row 5 \(O3\): fract_y '.' is no number"),
        (with_value(4, 3, "?"), r"refused: row 5 \(O3\): fract_y '\?' is no number"),
        (with_value(4, 3, "inf"), r"refused: row 5 \(O3\): fract_y 'inf' is no number"),
        ((*RUTILE, "Fe1 Fe 0 0 0 1"), r"refused: row 7 \(Fe1\) and row 1 \(Ti1\) lie on one.*"),
        ((*RUTILE, "Fe1 Fe 5e-5 0 0 1"), r"refused: row 7 \(Fe1\) and row 1 \(Ti1\) lie on.*"),
        ((*RUTILE, "Ti3 Ti 0 0 0 1"), r"refused: row 7 \(Ti3\) and row 1 \(Ti1\) lie on one.*"),
        ((*RUTILE[:-1], "O4 O 0.195 0.805 0.5"), r"refused: not a readable CIF \(line 12, .*"),
        ((*RUTILE[:-1], "O4 O 0"), r"refused: not a readable CIF \(line 12, .*"),
    ],
)
def test_rows(rows: Sequence[str], expected: str) -> None:
    found = outcome(block(rows))
    assert re.fullmatch(expected, found), found


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("Na", "Cl", "Cl4 Na4"),
        ("Na(", "Cl(", "Cl4 Na4"),
        ("Li", "D", r"H4 Li4 \| D \(deuterium\) read as H"),
        ("FeA", "O", r"Fe4 O4 \| labels FeA read as Fe"),
        ("Na", "Ow", r"Na4 O4 \| labels Ow read as O"),
        ("CO", "O", r"Co4 O4 \| labels CO read as Co"),
        ("CA", "O", r"Ca4 O4 \| labels CA read as Ca"),
        ("Na", "OH", r"refused: row 5 \(OH0\): the label 'OH0' starts with no element"),
        ("NH", "Cl", r"refused: row 1 \(NH0\): the label 'NH0' starts with no element"),
        ("T", "O", r"refused: row 1 \(T0\): the label 'T0' starts with no element"),
        ("M", "O", r"refused: row 1 \(M0\): the label 'M0' starts with no element"),
        ("Me", "O", r"refused: row 1 \(Me0\): the label 'Me0' starts with no element"),
        ("Na", "Va", r"refused: row 5 \(Va0\): the label 'Va0' starts with no element"),
        ("Na", "Vac", r"refused: row 5 \(Vac0\): the label 'Vac0' starts with no element"),
        ("Na", "Wat", r"refused: row 5 \(Wat0\): the label 'Wat0' starts with no element"),
        ("Cg", "O", r"refused: row 1 \(Cg0\): the label 'Cg0' starts with no element"),
        ("1", "O", r"refused: row 1 \(10\): the label '10' starts with no element"),
    ],
)
def test_labels_without_types(first: str, second: str, expected: str) -> None:
    found = outcome(salt_labels(first, second))
    assert re.fullmatch(expected, found), found


def test_symbols_are_those_of_pymatgen() -> None:
    from pymatgen.core import Element

    assert {s: n for n, s in enumerate(SYMBOLS, 1)} == {
        e.symbol: e.Z for e in Element if e.symbol not in "DT"
    }
    for symbol in SYMBOLS:
        assert species_of(symbol) == species_of_label(f"{symbol}12")
        assert species_of(f"{symbol}3+").number == species_of(symbol).number


def test_dummies_are_left_out_with_a_note() -> None:
    rows = [f"{row} d" for row in RUTILE]
    text = block([*rows, "Cg1 C 0.2 0.8 0.25 1 dum"], columns=(*COLUMNS, "calc_flag"))
    assert outcome(text) == ("O4 Ti2 | 1 dummy sites (calc_flag dum) left out, first row 7 (Cg1)")


def test_alternatives_of_disorder_groups() -> None:
    rows = [f"{row} . ." for row in RUTILE]
    rows += ["O5 O 0.3 0.1 0.25 1 A 1", "O6 O 0.45 0.1 0.25 1 A 2"]
    text = block(rows, columns=(*COLUMNS, "disorder_assembly", "disorder_group"))
    assert re.match(r"refused: row 7 \(O5\) is an alternative \(disorder group 1\)", outcome(text))


def test_mixed_valence_is_one_element() -> None:
    rows = ("Ti1 Ti4+ 0 0 0 0.6", "Ti1b Ti3+ 0 0 0 0.4", *RUTILE[1:])
    assert outcome(block(rows)) == PLAIN
    split = ("Ti1 Ti 0.01 0 0 0.5", "Ti1b Ti -0.01 0 0 0.5", *RUTILE[1:])
    assert "is partly occupied (Ti:0.5)" in outcome(block(split))


def test_single_items_instead_of_loops() -> None:
    items = ("_space_group_symop_operation_xyz x,y,z",)
    text = block((), items=items, columns=()).removesuffix("loop_\n")
    text += "_atom_site_label Po1\n" + "".join(f"_atom_site_fract_{a} 0.1\n" for a in "xyz")
    assert outcome(text) == "Po1"


# Grammar


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: text.replace("data_", "DATA_").replace("loop_", "LOOP_"),
        lambda text: text.replace("_cell_length", "_CELL_LENGTH").replace("_atom", "_ATOM"),
        lambda text: text.replace("_symop_op", "_symop.op").replace("_atom_site_", "_atom_site."),
        lambda text: text.replace("loop_", "loop_\n_atom_site_moment_label\nloop_", 1),
        lambda text: text.replace("loop_", "_x\n;\ndata_symmetries\nloop_ of notes\n;\nloop_", 1),
        lambda text: text.replace("loop_", "_x 'Universit\u00e9 \u00d8'\nloop_", 1),
        lambda text: text.replace("4.594", "4.594(3)"),
        lambda text: text + "loop_\n_atom_site_aniso_label\n_atom_site_aniso_U_11\nTi1 0.01\n",
    ],
)
def test_ways_of_writing(change: object) -> None:
    assert outcome(change(block())) == PLAIN  # type: ignore[operator]


def test_minus_signs_of_typesetters() -> None:
    rows = [row.replace("0.195", "\u22120.805") for row in RUTILE]
    ops = operations("x,y,z", "\u2212x,\u2212y,\u2212z")
    assert outcome(block(rows, items=ops), ReadOptions()).startswith("O4 Ti2")


def test_broken_items_that_say_nothing_about_atoms() -> None:
    names = "loop_\n_citation_author_name\n'M. O'Keeffe, O.M. Yaghi',\n'N. Rosi'\nloop_"
    found = outcome(block().replace("loop_", names, 1))
    assert re.fullmatch(r"O4 Ti2 \| line \d+, .* \(_citation_author_name\) is no CIF .*", found)
    loop = "loop_\n_citation_id\n_citation_year\n1\nloop_"
    assert outcome(block().replace("loop_", loop, 1)).startswith("O4 Ti2 | line 9, 'loop_'")
    assert outcome(block() + "_fract_z\nTi 0.2 0.2 0.2\n").startswith("O4 Ti2 | line ")
    without_value = block().replace("_cell_length_b 4.594", "_cell_length_b")
    assert outcome(without_value) == "refused: _cell_length_b is not stated"


def names_and_outcomes(text: str, options: ReadOptions | None = None) -> list[tuple[str, str]]:
    found = []
    for name, get in cif_structures(text, options or ReadOptions()):
        assert name is not None
        try:
            found.append((name, content(get()[0])))
        except CrystalError as error:
            found.append((name, str(error)))
    return found


def test_every_block_is_named_and_read_by_itself() -> None:
    salt = block(SALT, SALT_CELL, name="image0")
    assert names_and_outcomes(block(name="image0") + salt) == [
        ("image0", PLAIN),
        ("image0", "Cl4 Na4"),
    ]
    journal = "data_global\n_journal_year 2001\n"
    assert names_and_outcomes(journal + block()) == [
        ("global", "no atoms in this block (no _atom_site_ items)"),
        ("x", PLAIN),
    ]
    assert names_and_outcomes(journal + block() + salt, STRICT) == [
        ("x", PLAIN),
        ("image0", "Cl4 Na4"),
    ]
    broken = block((*RUTILE[:-1], "O4 O 0.2"), name="broken")
    reasons = dict(names_and_outcomes(block() + broken + salt))
    assert reasons["x"] == PLAIN and reasons["image0"] == "Cl4 Na4"
    assert re.match(r"not a readable CIF \(line 36, 'loop_': Wrong number", reasons["broken"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("hello\nworld\n", "not a CIF: it has no line `data_`"),
        (block().replace("_cell_length_b 4.594\n", ""), "_cell_length_b is not stated"),
        (block().replace("_cell_angle_beta 90\n", ""), "_cell_angle_beta is not stated"),
        (block(cell=("?", *RUTILE_CELL[1:])), "_cell_length_a is not stated"),  # type: ignore
        (block(cell=(0, *RUTILE_CELL[1:])), "cell parameters 0, 4.594, 2.959.* make no cell"),
        (block(cell=(4, 4, 4, 10, 10, 170)), "angles of 10, 10, 170 make no cell"),
        (block().replace("fract_", "Cartn_"), "Cartesian coordinates only; fractional ones"),
        (block(["Na1 Na a 4"], columns=("label", "type_symbol", "Wyckoff_symbol", "m")), "no coor"),
        (block().replace("data_x", "data_x\n_cell_length_a 9.9"), "_cell_length_a is stated twice"),
    ],
)
def test_refusals_name_the_item(text: str, reason: str) -> None:
    assert re.match(f"refused: {reason}", outcome(text)), outcome(text)
