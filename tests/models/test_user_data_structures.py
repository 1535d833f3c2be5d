"""Structure files of all kinds, what they are refused for, and files that are no structures."""

import bz2
import gzip
import json
import lzma
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymatgen.core import DummySpecies, Lattice, Structure
from pymatgen.io.cif import CifWriter

from models.crystal import Crystal, CrystalError
from models.crystal.cif_symmetry import NO_SYMMETRY_NOTE
from models.crystal.crystal import NOT_PERIODIC
from models.crystal.json_files import iter_json
from models.crystal.json_records import crystals_of_record
from models.crystal.read import is_structure_file
from models.crystal.sites import ReadOptions
from models.datasets.user import (
    MAX_NEIGHBOUR_DISTANCE,
    MAX_SITES,
    NamedCrystal,
    Skipped,
    check_usable,
    read_structure_file,
)
from tests.models.user_files import rutile, salt, write_json
from tests.tolerances import FILE_DECIMALS, STRUCTURE_EPS

RUTILE = Crystal.from_structure(rutile())


def crystal_of_record(record: object) -> Crystal:
    [crystal] = crystals_of_record(record, ReadOptions())
    return crystal


def only(path: Path) -> NamedCrystal | Skipped:
    found = list(read_structure_file(path))
    assert len(found) == 1
    return found[0]


def reason(path: Path) -> str:
    skipped = only(path)
    assert isinstance(skipped, Skipped) and skipped.source.startswith(str(path))
    assert len(skipped.reason.splitlines()) == 1
    return skipped.reason


def cubic(symbols: list[str], length: float, coords: list[list[float]]) -> Crystal:
    return Crystal.from_structure(Structure(Lattice.cubic(length), symbols, coords))


# Formats


@pytest.mark.parametrize(
    "name",
    [
        *("x.cif", "x.CIF", "x.vasp", "POSCAR", "CONTCAR-3", "x.poscar", "x.json"),
        *("x.cif.gz", "x.json.gz", "POSCAR.gz", "my_crystal", "crystal.txt"),
    ],
)
def test_formats_by_name_or_content(tmp_path: Path, name: str) -> None:
    path, lower = tmp_path / name, name.lower()
    text = json.dumps(rutile().as_dict())
    if "json" not in lower:
        is_cif = "cif" in lower or lower == "crystal.txt"
        text = str(CifWriter(rutile())) if is_cif else rutile().to(fmt="poscar")
    data = text.encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    found = only(path)
    assert isinstance(found, NamedCrystal), found
    assert found.source == str(path) and found.crystal.notes == ()
    assert sorted(found.crystal.numbers) == sorted(RUTILE.numbers)
    assert abs(found.crystal.volume - RUTILE.volume) < FILE_DECIMALS * RUTILE.volume


def test_lists_of_structures_keep_their_ids(tmp_path: Path) -> None:
    entries = [
        {"material_id": "mp-1", "structure": rutile().as_dict()},
        salt().as_dict(),
        {"jid": "JVASP-3", "atoms": {"elements": ["Cu"]}},
        "no CIF",
        7,
        {"id": 5, "structure": str(CifWriter(salt()))},
    ]
    path = write_json(tmp_path / "many.json", entries)
    found = list(read_structure_file(path))
    names = [item.source.removeprefix(f"{path}#") for item in found]
    assert names == ["mp-1", "1", "JVASP-3", "3", "4", "5"]
    kinds = [isinstance(item, NamedCrystal) for item in found]
    assert kinds == [True, True, False, False, False, True]


def test_cif_with_several_blocks(tmp_path: Path) -> None:
    alloy = Structure(Lattice.cubic(4.0), [{"Si": 0.5, "Ge": 0.5}], [[0, 0, 0]])
    blocks = [str(CifWriter(s)) for s in (rutile(), alloy, salt())]
    blocks[1] = blocks[1].replace("data_", "data_second_")
    path = tmp_path / "many.cif"
    path.write_text("\n".join(blocks))
    found = list(read_structure_file(path))
    assert [item.source for item in found] == [
        f"{path}#{name}" for name in ("TiO2", "second_Si0.5Ge0.5", "NaCl")
    ]
    assert isinstance(found[1], Skipped) and "partly occupied" in found[1].reason
    assert isinstance(found[2], NamedCrystal)


def test_cif_without_symmetry_gets_a_note(tmp_path: Path) -> None:
    lines = str(CifWriter(rutile())).splitlines()
    bare = [x for x in lines if not x.strip().startswith("_symmetry") and "x, y, z" not in x]
    path = tmp_path / "bare.cif"
    path.write_text("\n".join(bare).replace("loop_\nloop_", "loop_"))
    found = only(path)
    assert isinstance(found, NamedCrystal), found
    assert " ".join(found.crystal.notes) == NO_SYMMETRY_NOTE


def test_poscar_without_elements_is_refused(tmp_path: Path) -> None:
    """VASP 4 files name no elements; pymatgen would put H, He, Li there."""
    path = tmp_path / "POSCAR"
    path.write_text("a crystal\n1.0\n4 0 0\n0 4 0\n0 0 4\n1 1\ndirect\n0 0 0\n0.5 0.5 0.5\n")
    assert "names no elements" in reason(path)


def test_pymatgen_dictionaries_round_trip() -> None:
    structure = rutile()
    found = crystal_of_record(json.loads(json.dumps(structure.as_dict())))
    assert np.array_equal(found.lattice, structure.lattice.matrix)
    assert np.array_equal(found.frac_coords, structure.frac_coords)
    charged = rutile().add_oxidation_state_by_element({"Ti": 4, "O": -2})
    assert crystal_of_record(charged.as_dict()).numbers.tolist() == RUTILE.numbers.tolist()


def test_cartesian_coordinates_round_trip() -> None:
    lattice = [[4.1, 0.3, -0.2], [0.5, 5.2, 0.7], [-0.9, 0.4, 6.3]]
    frac = np.array([[0.1, 0.2, 0.3], [0.55, 0.6, 0.9]])
    record = {"lattice_mat": lattice, "elements": ["Ti ", "O"], "cartesian": True}
    found = crystal_of_record({**record, "coords": (frac @ lattice).tolist()})
    error = np.abs(found.frac_coords - frac).max()
    assert error <= STRUCTURE_EPS * np.finfo(float).eps, f"{error:.1e}"


@pytest.mark.parametrize("module", ["os", "tests.models.user_files"])
def test_modules_named_in_a_file_are_not_imported(module: str) -> None:
    """pymatgen's own decoder would import what a property of a site names."""
    record = rutile().as_dict()
    trap = {"@module": "antigravity_of_nobody", "@class": "Trap"}
    record["sites"][0]["properties"] = {"trap": {**trap, "other": module}}
    assert crystal_of_record(record).num_sites == 6
    assert "antigravity_of_nobody" not in sys.modules


# Refusals


@pytest.mark.parametrize("wrap", ["cif", "json"])
def test_disorder_names_the_site(tmp_path: Path, wrap: str) -> None:
    alloy = Structure(
        Lattice.cubic(4.2), ["O", {"Fe": 0.5, "Ni": 0.5}], [[0, 0, 0], [0.5, 0.5, 0.5]]
    )
    path = tmp_path / f"alloy.{wrap}"
    path.write_text(str(CifWriter(alloy)) if wrap == "cif" else json.dumps(alloy.as_dict()))
    text = reason(path)
    assert "is partly occupied" in text and "order the structure first" in text
    assert ("row 2 (Fe1)" if wrap == "cif" else "site 1") in text and "Fe:0.5, Ni:0.5" in text


def test_vacancies_and_dummies_in_json() -> None:
    vacant = Structure(Lattice.cubic(4.2), [{"O": 0.9}], [[0, 0, 0]])
    with pytest.raises(CrystalError, match=r"site 0 \(O\) is partly occupied \(O:0\.9\)"):
        crystal_of_record(vacant.as_dict())
    dummy = Structure(Lattice.cubic(4.2), ["O", DummySpecies("X")], [[0, 0, 0], [0.5, 0.5, 0.5]])
    with pytest.raises(CrystalError, match="site 1: 'X' is no element"):
        crystal_of_record(dummy.as_dict())


@pytest.mark.parametrize("wrap", ["cif", "json"])
def test_deuterium_counts_as_hydrogen(tmp_path: Path, wrap: str) -> None:
    hydride = Structure(Lattice.cubic(4.08), ["Li", "D"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    path = tmp_path / f"lid.{wrap}"
    path.write_text(str(CifWriter(hydride)) if wrap == "cif" else json.dumps(hydride.as_dict()))
    found = only(path)
    assert isinstance(found, NamedCrystal), found
    assert sorted(found.crystal.numbers) == [1, 3]


@pytest.mark.parametrize(
    ("distance", "is_isolated"), [(MAX_NEIGHBOUR_DISTANCE, False), (6.1, True), (30.0, True)]
)
def test_isolated_atoms(distance: float, is_isolated: bool) -> None:
    """The nearest neighbour of a lone atom is its own image."""
    crystal = cubic(["He"], distance * 0.999 if not is_isolated else distance, [[0, 0, 0]])
    if is_isolated:
        with pytest.raises(CrystalError, match=r"site 0 \(He\) has no neighbour within 6 Angst"):
            check_usable(crystal)
    else:
        check_usable(crystal)


def test_the_isolated_site_is_named() -> None:
    coords = [[0, 0, 0], [0.05, 0, 0], [0.5, 0.5, 0.5]]
    with pytest.raises(CrystalError, match=r"site 2 \(Ar\) has no neighbour"):
        check_usable(cubic(["H", "H", "Ar"], 20.0, coords))


def test_overlapping_sites_are_named() -> None:
    coords = [[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0.58]]
    with pytest.raises(CrystalError, match=r"sites 1 and 2 are 0\.320 Angstrom apart"):
        check_usable(cubic(["Na", "Cl", "Cl"], 4.0, coords))


@pytest.mark.parametrize("known", [None, 20])
def test_elements_beyond_the_table_are_named(known: int | None) -> None:
    symbol, number, last = ("Rf", 104, 103) if known is None else ("Ti", 22, 20)
    crystal = cubic(["O", symbol], 3.0, [[0, 0, 0], [0.5, 0.5, 0.5]])
    message = rf"site 1 \({symbol}, Z = {number}\): no features for elements beyond Z = {last}"
    with pytest.raises(CrystalError, match=message):
        check_usable(crystal, known)


def test_huge_cells_are_refused() -> None:
    grid = np.array(list(product(range(11), range(11), range(9)))) / (11, 11, 9)
    lattice = np.diag([33.0, 33.0, 27.0])
    crystal = Crystal(np.full(len(grid), 29), lattice, grid)
    assert crystal.num_sites == 1089 > MAX_SITES
    with pytest.raises(CrystalError, match=r"1089 sites in the cell \(at most 1,000\)"):
        check_usable(crystal)
    check_usable(Crystal(crystal.numbers[:MAX_SITES], lattice, grid[:MAX_SITES]))


@pytest.mark.parametrize("scale", [1e-10, 1e-3])
def test_wrong_units_are_refused_before_any_search(scale: float) -> None:
    """Such a cell has so many images that a search for neighbours fills the memory."""
    crystal = Crystal(RUTILE.numbers, RUTILE.lattice * scale, RUTILE.frac_coords)
    with pytest.raises(CrystalError, match="wrong unit or scale"):
        check_usable(crystal)


# What is no structure

CIF = str(CifWriter(rutile()))
POSCAR = rutile().to(fmt="poscar")
BROKEN = {
    "empty.cif": b"",
    "blank.cif": b" \n\n",
    "binary.cif": bytes(range(256)) * 4,
    "truncated.cif": CIF[: len(CIF) // 3].encode(),
    "no_atoms.cif": b"data_x\n_cell_length_a 4.0\n",
    "nan.cif": CIF.replace("4.594", "nan").encode(),
    "words.txt": b"this is no crystal",
    "nan.vasp": POSCAR.replace("4.594", "nan").encode(),
    "nan_coordinates.json": json.dumps(rutile().as_dict()).replace("0.305", "NaN").encode(),
    "truncated.vasp": POSCAR[:60].encode(),
    "scale.vasp": POSCAR.replace("1.0", "0.0", 1).encode(),
    "element.vasp": POSCAR.replace("Ti O", "Qq O").encode(),
    "truncated.json": json.dumps(rutile().as_dict())[:-30].encode(),
    "truncated_list.json": json.dumps([rutile().as_dict()])[:-30].encode(),
    "number.json": b"3",
    "text.json": b'"text"',
    "empty.json": b"",
    "empty_list.json": b"[]",
    "empty_object.json": b"{}",
    "deep.json": b'{"a":' * 100_000,
    "latin.json": b'{"a": "\xe9"}',
    "sites.json": b'{"sites": 3, "lattice": {}}',
    "site.json": b'{"sites": [3], "lattice": {}}',
    "species.json": b'{"sites": [{"species": "Si"}], "lattice": {}}',
    "molecule.json": b'{"sites": []}',
    "no_sites.json": b'{"sites": [], "lattice": {"matrix": [[1,0,0],[0,1,0],[0,0,1]]}}',
    "matrix.json": json.dumps({**rutile().as_dict(), "lattice": {"matrix": "a"}}).encode(),
    "cartesian.json": b'{"lattice_mat": [[3,0,0],[0,3,0],[0,0,3]], "coords": [[0,0,0]], '
    b'"elements": ["Cu"]}',
    "flat.json": b'{"lattice_mat": [[3,0,0],[0,3,0],[3,3,0]], "coords": [[0,0,0]], '
    b'"elements": ["Cu"], "cartesian": true}',
    "gzip.cif.gz": b"\x1f\x8b" + bytes(40),
    "pickle.json": b"\x80\x04]\x94.",
    "structure.pkl": b"anything",
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_skipped_with_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(BROKEN[name])
    assert reason(tmp_path / name)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    assert reason(tmp_path / "none.cif") == "no such file"
    assert reason(tmp_path) == "is a directory"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.sampled_from([CIF, POSCAR, json.dumps(rutile().as_dict())]),
    position=st.floats(0, 1),
    junk=st.sampled_from(["", "nan", "-1e400", "\0", "'", "}", "[", "Xx", "1e9", "\n", "?"]),
    length=st.integers(0, 12),
    suffix=st.sampled_from([".cif", ".vasp", ".json", ""]),
)
def test_damaged_files_never_break_the_batch(
    tmp_path: Path, text: str, position: float, junk: str, length: int, suffix: str
) -> None:
    start = int(position * len(text))
    path = tmp_path / f"damaged{suffix}"
    path.write_text(text[:start] + junk + text[start + length :])
    for found in read_structure_file(path):
        assert isinstance(found, NamedCrystal) or len(found.reason.splitlines()) == 1


# Long lists


@pytest.mark.parametrize("indent", [None, 2])
def test_long_lists_are_read_record_by_record(tmp_path: Path, indent: int | None) -> None:
    """Records on both sides of the chunks, and one longer than a chunk."""
    records = [{"id": n, "text": "[{" * (n % 97), "x": [n / 7]} for n in range(5000)]
    records[77]["text"] = '"\\' * 300_000
    path = tmp_path / "long.json"
    path.write_text(json.dumps(records, indent=indent))
    assert path.stat().st_size > 3 * (1 << 18)
    assert list(iter_json(path)) == records


def test_list_that_ends_early_gives_what_it_holds(tmp_path: Path) -> None:
    text = json.dumps([rutile().as_dict(), salt().as_dict(), rutile().as_dict()])
    path = tmp_path / "early.json"
    path.write_text(text[:-100])
    first, second, end = read_structure_file(path)
    assert isinstance(first, NamedCrystal) and isinstance(second, NamedCrystal)
    assert isinstance(end, Skipped) and "truncated, damaged or too long" in end.reason


# ASE


def test_extended_xyz(tmp_path: Path) -> None:
    """Read where ASE is installed, a hint where it is not."""
    path = tmp_path / "two.extxyz"
    lattice = 'Lattice="4.0 0 0 0 4.0 0 0.5 0 4.0" Properties=species:S:1:pos:R:3'
    atoms = "Na 0 0 0\nCl 2.25 2 2"
    path.write_text(
        f'2\n{lattice} pbc="T T T"\n{atoms}\n2\n{lattice} pbc="T T F"\n{atoms}\n',
    )
    found = list(read_structure_file(path))
    try:
        import ase  # noqa: F401
    except ImportError:
        assert [str(item) for item in found] == [
            f"{path}: .extxyz files are read by ASE: pip install ase"
        ]
        return
    assert [item.source for item in found] == [f"{path}#0", f"{path}#1"]
    assert isinstance(found[0], NamedCrystal)
    assert found[0].crystal.frac_coords[1] == pytest.approx([0.5, 0.5, 0.5])
    assert str(found[1]) == f"{path}#1: {NOT_PERIODIC}"


FRAME = 'Lattice="4 0 0 0 4 0 0 0 4" Properties=species:S:1:pos:R:3'


def frames(*species: str) -> str:
    """Frames of extended XYZ with two atoms each."""
    return "".join(f"2\n{FRAME}\n{name} 0 0 0\nCl 2 2 2\n" for name in species)


def test_frames_of_extended_xyz_one_by_one(tmp_path: Path) -> None:
    """Unknown species and short frames took all frames along; D was refused."""
    pytest.importorskip("ase")
    path = tmp_path / "x.extxyz.gz"
    path.write_bytes(gzip.compress((frames("D", "Qq", "18O", "X", "Li+") + "2\nx\n").encode()))
    found = list(read_structure_file(path))
    notes = [" ".join(x.crystal.notes) if isinstance(x, NamedCrystal) else x.reason for x in found]
    assert notes == [
        "D (deuterium) read as H",
        "atom 1: 'Qq' is no element",
        "18O read as O",
        "atom 1: 'X' is no element",
        "",
        "2 atoms are declared, 0 are listed",
    ]
    assert [x.source.removeprefix(str(path)) for x in found] == [f"#{n}" for n in range(6)]


@pytest.mark.parametrize("suffix", [".gz", ".GZ", ".bz2", ".xz"])
def test_packed_files(suffix: str, tmp_path: Path) -> None:
    pack = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}[suffix.lower()]
    path = tmp_path / f"rutile.CIF{suffix}"
    path.write_bytes(pack(str(CifWriter(rutile())).encode()))
    assert is_structure_file(path)
    assert isinstance(only(path), NamedCrystal)
