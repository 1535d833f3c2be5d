"""Hostile structure files: bounds are met before work starts, and one file takes no other along."""

import gzip
import itertools
import json
import os
import re
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from pymatgen.io.cif import CifWriter

from models.crystal import Crystal, CrystalError
from models.crystal import read as reader
from models.crystal.cif import cif_structures
from models.crystal.sites import ReadOptions
from models.datasets.user import NamedCrystal, Skipped, check_usable, read_structure_file
from models.graph import GraphSettings, build_graph
from models.printable import MAX_LINE, one_line, printable
from tests.models.user_files import rutile

CIF = str(CifWriter(rutile()))
POSCAR = rutile().to(fmt="poscar")
JSON = json.dumps(rutile().as_dict())
CUBE = np.array(list(itertools.product(range(8), repeat=3))) / 8
SECONDS = 10.0
"""Of processor time; the work that is refused here takes minutes or more."""


def refusal(path: Path) -> str:
    """Why the only structure of a file cannot be used, found in a moment."""
    start = time.process_time()
    [found] = read_structure_file(path)
    assert time.process_time() - start < SECONDS
    assert isinstance(found, Skipped)
    return found.reason


def cif_of(operations: list[str], num_sites: int, symbol: str = "P 1") -> str:
    """A CIF with sites in general positions of a large cubic cell."""
    sites = np.random.default_rng(3).uniform(0.01, 0.49, (num_sites, 3))
    return "\n".join(
        [
            "data_x",
            *(f"_cell_length_{axis} 40.0" for axis in "abc"),
            *(f"_cell_angle_{angle} 90" for angle in ("alpha", "beta", "gamma")),
            f"_symmetry_space_group_name_H-M '{symbol}'",
            *(["loop_", "_symmetry_equiv_pos_as_xyz"] if operations else []),
            *(f"'{operation}'" for operation in operations),
            "loop_",
            "_atom_site_label",
            "_atom_site_type_symbol",
            *(f"_atom_site_fract_{axis}" for axis in "xyz"),
            *(f"C{n} C {x:.5f} {y:.5f} {z:.5f}" for n, (x, y, z) in enumerate(sites)),
            "",
        ]
    )


# Files that are no regular ones


@pytest.mark.parametrize("name", ["x.cif", "x.json", "x.vasp", "x.cif.gz", "POSCAR", "x.extxyz"])
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("pipe", "not a regular file"),
        ("device", "not a regular file"),
        ("loop", "symbolic links"),
        ("nowhere", "no such file"),
        ("sparse", "larger than|unpacks|more than|binary|neither"),
    ],
)
def test_special_files_are_named_and_skipped(
    tmp_path: Path, name: str, kind: str, expected: str
) -> None:
    if name.endswith("xyz"):
        pytest.importorskip("ase")
    path = tmp_path / name
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "sparse":
        path.touch()
        os.truncate(path, 1 << 40)
    else:
        path.symlink_to({"device": "/dev/zero", "loop": path, "nowhere": tmp_path / "none"}[kind])
    assert reader.is_structure_file(path)
    assert re.search(expected, refusal(path))


# Packed files


@pytest.mark.parametrize("name", ["bomb.cif.gz", "bomb.vasp.gz", "bomb.json.gz", "bomb.json"])
def test_bombs_are_not_unpacked(tmp_path: Path, name: str) -> None:
    blanks = b" " * (1 << 20)
    path = tmp_path / name
    if name == "bomb.json":
        with (
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open("bomb.json", "w") as file,
        ):
            file.write(b"[")
            for _ in range(70):
                file.write(blanks)
    else:
        with gzip.open(path, "wb", compresslevel=1) as packed:
            packed.write(b"[")
            for _ in range(70):
                packed.write(blanks)
    assert path.stat().st_size < 500_000
    assert "unpacks to more" in refusal(path) or "larger than" in refusal(path)


# CIF


def test_long_symmetry_operations_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "nines.cif"
    path.write_text(cif_of(["x,y,z", "9" * 5000 + ",y,z"], 2))
    assert "is no symmetry operation such as -x,y+1/2,-z" in refusal(path)


@pytest.mark.parametrize("operation", ["1/2-x,-y,1/2+w", "?", "x", "x,y,z;import"])
def test_words_that_are_no_symmetry_operation_are_refused(tmp_path: Path, operation: str) -> None:
    """Such a word counted as zero, so that atoms fell onto each other or into a plane."""
    path = tmp_path / "words.cif"
    path.write_text(cif_of(["x,y,z", operation], 1))
    assert refusal(path).startswith(f"'{operation}' is no symmetry operation")


@pytest.mark.parametrize(
    ("operations", "symbol", "num_sites"),
    [([], "F m -3 m", 150), ([], "F m -3 m", 20), (None, "P m -3 m", 400)],
)
def test_sites_are_counted_before_symmetry_is_applied(
    tmp_path: Path, operations: list[str] | None, symbol: str, num_sites: int
) -> None:
    if operations is None:
        signs = list(itertools.product(("", "-"), repeat=3))
        orders = itertools.permutations("xyz")
        operations = [",".join(map("".join, zip(s, o, strict=True))) for o in orders for s in signs]
    path = tmp_path / "images.cif"
    path.write_text(cif_of(operations, num_sites, symbol))
    assert refusal(path) == "more than 1,000 sites in the cell by symmetry"


def test_special_positions_count_once() -> None:
    """20 sites on the axes of F m -3 m have 3,840 images, of which 480 differ."""
    text = cif_of([], 20, "F m -3 m").splitlines()
    rows = [f"C{n} C {(n + 0.37) / 50:.5f} 0 0" for n in range(20)]
    [(_, get)] = cif_structures("\n".join(text[:-20] + rows) + "\n", ReadOptions())
    [crystal] = get()
    assert crystal.num_sites == 480


@pytest.mark.parametrize(
    "junk", ["\n" * 2_000_000, " '" * 500_000, "\n;" * 500_000, "#" * 1_000_000], ids=str.split
)
def test_runs_of_one_character_take_no_time(tmp_path: Path, junk: str) -> None:
    path = tmp_path / "runs.cif"
    path.write_text(CIF + junk + "x\n")
    start = time.process_time()
    list(read_structure_file(path))
    assert time.process_time() - start < SECONDS


# POSCAR


@pytest.mark.parametrize("count", ["1000000000", "1_000_000_000", "+1000000000", "9" * 4000])
@pytest.mark.parametrize("has_symbols", [True, False])
def test_counts_of_a_poscar_are_looked_at_first(
    tmp_path: Path, count: str, has_symbols: bool
) -> None:
    lines = POSCAR.splitlines()
    lines[6] = f"2 {count}"
    if not has_symbols:
        del lines[5]
    path = tmp_path / "POSCAR"
    path.write_text("\n".join(lines))
    is_plain = count.isdigit()
    expected = "sites in the cell (at most 1,000)" if is_plain else "counts of atoms expected"
    assert expected in refusal(path)


# Extended XYZ


@pytest.mark.parametrize("frames", [0, 1])
def test_counts_of_frames_are_looked_at_first(tmp_path: Path, frames: int) -> None:
    pytest.importorskip("ase")
    frame = '2\nLattice="4 0 0 0 4 0 0 0 4" pbc="T T T"\nNa 0 0 0\nCl 2 2 2\n'
    path = tmp_path / "many.extxyz"
    path.write_text(frame * frames + frame.replace("2", "9" * 18, 1))
    *found, end = read_structure_file(path)
    assert all(isinstance(item, NamedCrystal) for item in found) and len(found) == frames
    assert isinstance(end, Skipped)
    assert "999999999999999999 sites in the cell (at most 1,000)" in end.reason


# JSON


@pytest.mark.parametrize(
    "text",
    [
        '{"structure":' * 5000 + "1" + "}" * 5000,
        '{"atoms":' * 900 + "1" + "}" * 900,
        JSON.replace("0.305", "9" * 5000),
        JSON.replace("0.305", "1e999"),
        JSON.replace("0.305", "1e300"),
        JSON.replace("4.594", "1" + "0" * 400),
        "[" + " " * 40_000_000,
        '{"sites":' + " " * 40_000_000,
    ],
    ids=lambda text: f"{text[:12]}{len(text)}",
)
def test_nesting_and_numbers_of_json(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    assert refusal(path)


def test_endless_lists_of_nothing_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_SKIPPED", 100)
    path = tmp_path / "ones.json"
    path.write_text(json.dumps([1] * 5000))
    found = list(read_structure_file(path))
    assert len(found) == 101
    assert "100 structures cannot be used; the rest was not read" in str(found[-1])


# Cells


@pytest.mark.parametrize("length", [1e12, 1e300])
def test_huge_cells_and_coordinates_are_refused(length: float) -> None:
    with pytest.raises(CrystalError, match=r"longer than 1e\+06 Angstrom: wrong unit\?"):
        Crystal([29], np.diag([3.0, 3.0, length]), [[0, 0, 0]])
    with pytest.raises(CrystalError, match=r"coordinates must not exceed 1e\+06"):
        Crystal([29], np.eye(3) * 3, [[0, length, 0]])


@pytest.mark.parametrize("length", [40.0, 1e3, 1e6])
@pytest.mark.parametrize("axes", [[2], [1, 2]])
def test_layers_and_chains_in_a_vacuum_of_any_size(length: float, axes: list[int]) -> None:
    """The mean density of such a cell says nothing about the neighbours of an atom."""
    sizes = np.full(3, 3.0)
    sizes[axes] = length
    crystal = Crystal([29], np.diag(sizes), [[0, 0, 0]])
    check_usable(crystal)
    graph = build_graph(crystal, GraphSettings())
    # The 26 nearest atoms of a chain lie within 39 Angstrom along it.
    assert np.abs(graph.edge_vector[:, axes]).max() == 0


@pytest.mark.parametrize("size", [1e-6, 1e-2])
def test_cells_without_room_are_refused_before_any_search(size: float) -> None:
    crystal = Crystal([29] * 512, np.eye(3) * size, CUBE)
    for check in (check_usable, lambda c: build_graph(c, GraphSettings())):
        with pytest.raises(CrystalError, match="wrong unit or scale"):
            check(crystal)
    needle = Crystal([29], np.diag([size, 1e5, 10.0]), [[0, 0, 0]])
    with pytest.raises(CrystalError, match="Angstrom"):
        build_graph(needle, GraphSettings())


def test_a_large_cell_with_one_atom_displaced_is_read_in_seconds() -> None:
    """Nearly a supercell: every translation and rotation fits nearly all of its 512 sites."""
    coords = CUBE.copy()
    coords[-1] += 0.003
    crystal = Crystal([84] * 512, np.eye(3) * 26.7, coords)
    build_graph(Crystal([84], np.eye(3) * 3.34, [[0, 0, 0]]), GraphSettings())  # compiled
    start = time.process_time()
    graph = build_graph(crystal, GraphSettings())
    assert time.process_time() - start < SECONDS
    assert graph.num_sites == 512


# Names


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Rutil, ß, 結晶.cif", "Rutil, ß, 結晶.cif"),
        ("a\x1b[31mb\r\n\0\x9b", r"a\x1b[31mb\r\n\x00\x9b"),
        (os.fsdecode(b"caf\xe9.cif"), r"caf\xe9.cif"),
        ("\ud800 \u202e", r"\ud800 \u202e"),
    ],
)
def test_what_cannot_be_seen_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert Skipped(text, text) == Skipped(shown, one_line(text))
    crystal = Crystal([29], np.eye(3) * 3, [[0, 0, 0]])
    assert NamedCrystal(text, crystal).source == shown
    printable(text).encode("utf-8")


def test_long_messages_are_cut_in_the_middle() -> None:
    line = one_line("file.cif: " + "x" * 5_000_000 + "\n the reason")
    assert len(line) == MAX_LINE
    assert line.startswith("file.cif: xx") and line.endswith("xx the reason")
    assert one_line("a\n  b") == "a b"
