"""POSCAR and XDATCAR: elements and coordinates as written, or a refusal that names the line."""

import io
import re

import ase
import ase.io
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure
from pymatgen.io.vasp.inputs import Poscar

from models.crystal.crystal import Crystal, CrystalError
from models.crystal.sites import ReadOptions
from models.crystal.vasp import poscar_structures
from tests.models.cif_text import content
from tests.tolerances import EXACT_POSITION

HEAD = "rutile\n1.0\n4.594 0 0\n0 4.594 0\n0 0 2.959\n"
ATOMS = ("0 0 0", ".5 .5 .5", ".305 .305 0", ".695 .695 0", ".805 .195 .5", ".195 .805 .5")
TITANIA = "O4 Ti2"


def text(
    symbols: str = "Ti O\n", counts: str = "2 4", mode: str = "Direct", ends: tuple[str, ...] = ()
) -> str:
    """A POSCAR of rutile, with words at the ends of its lines."""
    rows = [f"{row} {end}" for row, end in zip(ATOMS, ends or ("",) * 6, strict=True)]
    return f"{HEAD}{symbols}{counts}\n{mode}\n" + "\n".join(rows) + "\n"


def read(written: str) -> Crystal:
    [(name, get)] = poscar_structures(written, ReadOptions())
    assert name is None
    [crystal] = get()
    return crystal


def outcome(written: str, options: ReadOptions | None = None) -> str:
    try:
        [(_, get)] = poscar_structures(written, options or ReadOptions())
        [crystal] = get()
    except CrystalError as error:
        return f"refused: {error}"
    return " | ".join((content(crystal), *crystal.notes))


FLAGS = ("T T T", "T F T") * 3
NO_ELEMENTS = "refused: the POSCAR names no elements; add their symbols in a line above the counts"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (text(), TITANIA),
        (text("Ti_pv O_s\n"), TITANIA),
        (text("Ti_sv/5f2a9c1 O/77aa01b\n"), TITANIA),
        (text("Ti_sv_GW O_GW_new\n"), TITANIA),
        (text("Ti H.5\n"), "H4 Ti2"),
        (text("Ti D\n"), r"H4 Ti2 \| D \(deuterium\) read as H"),
        (text("TI o\n"), r"O4 Ti2 \| TI read as Ti \| o read as O"),
        (text("Ti O # symbols\n", "2 4 ! atoms"), TITANIA),
        (text("Ti N O\n", "2 0 4"), TITANIA),
        (text("Ti O Ti O\n", "1 2 1 2"), "O4 Ti2"),
        (text(mode="Selective dynamics\nDirect", ends=FLAGS), TITANIA),
        (text(ends=FLAGS), TITANIA),
        (text(ends=("Ti",) * 2 + ("O",) * 4), TITANIA),
        (text("", ends=("Ti",) * 2 + ("O",) * 4), TITANIA),
        (
            text("", mode="Selective\nDirect", ends=("T T T Ti",) * 2 + ("F F F O",) * 4),
            TITANIA,
        ),
        (text("", ends=("F F F",) * 6), NO_ELEMENTS),
        (text("", ends=("T T T",) * 6), NO_ELEMENTS),
        (text("", ends=("a", "a", "F", "F", "F", "F")), NO_ELEMENTS),
        (text(""), NO_ELEMENTS),
        (text(ends=("O",) * 2 + ("Ti",) * 4), "refused: atom 1 is Ti by the line of symbols, but"),
        (text("Va O\n"), "refused: the line of symbols: 'Va' is no element"),
        (text("X O\n"), "refused: the line of symbols: 'X' is no element"),
        (text("Ti O\n", "2 4 1"), r"refused: line 7: 2 symbols \(Ti O\) but 3 counts"),
        (text("Ti O N\n"), r"refused: line 7: 3 symbols \(Ti O N\) but 2 counts"),
        (text("Ti O\n", "2 5"), "refused: 7 atoms are declared, coordinates of 6 follow from li"),
        (text("Ti O\n", "2 3"), "refused: line 14: coordinates of more than the 5 declared"),
        (text("Ti O\n", "0 0"), "refused: lists no atoms"),
        (text("Ti O\n", "2 four"), "refused: line 7: counts of atoms expected, got '2 four'"),
        (text(mode=""), "refused: line 8: Direct or Cartesian expected, got ''"),
        (text(mode="0 0 0"), "refused: line 8: Direct or Cartesian expected, got '0 0 0'"),
        (text().replace(".305 .305 0", "3.05D-1 3.05d-01 0"), TITANIA),
        (text().replace(".305 .305 0", ".305, .305, 0"), TITANIA),
        (text().replace(".305 .305 0", ".305 x 0"), "refused: line 11: coordinates expected, got"),
        (text().replace(".305 .305 0", ".305 nan 0"), "refused: line 11: coordinates expected"),
        (text().replace(".305 .305 0", ".3_5 0 0"), "refused: line 11: coordinates expected"),
        (text().replace("0 4.594 0", "0 4.594"), "refused: line 4: a lattice vector expected"),
        (text().replace("1.0\n", "1.0 ! universal\n"), TITANIA),
        (text().replace("1.0\n", "0\n"), "refused: line 2: the scale must not be 0"),
        (text().replace("1.0\n", "1 -1 1\n"), "refused: line 2: three scales must be positive"),
        (text().replace("1.0\n", "1 1\n"), "refused: line 2: one scale, or three expected, got"),
        ("\n" + text(), "refused: line 2: one scale, or three expected, got 'rutile'"),
        (text() + "\n" + "0 0 0\n" * 6, TITANIA),
        (text() + "\n 2 2 2\n 1.0 1.0 1.0\n", TITANIA),
        ("rutile\n1.0", r"refused: ends before line 3 \(a lattice vector\); expected: comment"),
    ],
)
def test_files(written: str, expected: str) -> None:
    found = outcome(written)
    assert re.match(expected + ("$" if found.startswith(TITANIA) else ""), found), found


def test_repairs_are_refused_by_strict() -> None:
    assert outcome(text("TI O\n"), ReadOptions(is_strict=True)).startswith(
        "refused: the line of symbols: TI read as Ti"
    )


def test_scales() -> None:
    plain = read(text())
    for scale in ("-62.449762", "2.0", "4.594 4.594 2.959"):
        factors = [float(x) for x in scale.split()]
        vectors = HEAD
        if factors[0] == 2.0:
            vectors = HEAD.replace("4.594", "2.297").replace("2.959", "1.4795")
        if len(factors) == 3:
            vectors = HEAD.replace("4.594", "1").replace("2.959", "1")
        written = text().replace(HEAD, vectors.replace("1.0", scale, 1))
        assert np.allclose(read(written).lattice, plain.lattice, atol=EXACT_POSITION)
    for factor in (1.0, 2.0):
        rows = "\n".join(" ".join(map(str, x / factor)) for x in plain.cart_coords)
        head = HEAD.replace("1.0", f"{factor}")
        if factor == 2.0:
            head = head.replace("4.594", "2.297").replace("2.959", "1.4795")
        cartesian = read(f"{head}Ti O\n2 4\nKartesian\n{rows}\n")
        assert np.allclose(cartesian.cart_coords, plain.cart_coords, atol=EXACT_POSITION)


def test_every_configuration_of_a_trajectory() -> None:
    body = text().removeprefix(HEAD + "Ti O\n2 4\nDirect\n")
    head = HEAD + "Ti O\n2 4\n"
    later = body.replace(".305", ".310")
    frames = f"Direct configuration=     1\n{body}Direct configuration=     2\n{later}"
    found = [(name, get()[0]) for name, get in poscar_structures(head + frames, ReadOptions())]
    assert [name for name, _ in found] == ["1", "2"]
    assert found[1][1].frac_coords[2, 0] == 0.31
    # The cell of each configuration, where it may change.
    wide = head.replace("4.594", "4.7")
    again = f"{head}Direct configuration= 1\n{body}{wide}Direct configuration= 2\n{later}"
    lattices = [get()[0].lattice for _, get in poscar_structures(again, ReadOptions())]
    assert lattices[0][0, 0] == 4.594 and lattices[1][0, 0] == 4.7
    # A configuration that is cut short does not take the others along.
    short = f"{head}Direct configuration= 1\n{body}Direct configuration= 2\n0 0 0\n.5 .5 .5\n"
    (_, first), (_, second) = poscar_structures(short, ReadOptions())
    assert content(first()[0]) == TITANIA
    with pytest.raises(CrystalError, match="6 atoms are declared, coordinates of 2 follow"):
        second()


@st.composite
def structures(draw: st.DrawFn) -> Structure:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    symbols = draw(st.lists(st.sampled_from(["Na", "Cl", "O", "Ti", "H"]), min_size=1, max_size=6))
    lattice = Lattice(np.diag(rng.uniform(4, 9, 3)) + rng.uniform(-1, 1, (3, 3)))
    corner = rng.permutation(8)[: len(symbols)]
    places = np.array([[c >> axis & 1 for axis in range(3)] for c in corner]) / 2
    return Structure(lattice, symbols, places + rng.uniform(0, 0.2, places.shape))


@given(structure=structures(), is_direct=st.booleans())
def test_files_of_pymatgen_and_ase(structure: Structure, is_direct: bool) -> None:
    structure = structure.get_sorted_structure()
    expected = Crystal.from_structure(structure)
    atoms = ase.Atoms(
        structure.atomic_numbers, cell=structure.lattice.matrix, pbc=True,
        scaled_positions=structure.frac_coords,
    )  # fmt: skip
    stream = io.StringIO()
    ase.io.write(stream, atoms, format="vasp", direct=is_direct)
    for written in (Poscar(structure).get_str(direct=is_direct), stream.getvalue()):
        crystal = read(written)
        assert crystal.numbers.tolist() == expected.numbers.tolist() and crystal.notes == ()
        assert np.allclose(crystal.cart_coords, expected.cart_coords, atol=EXACT_POSITION)
