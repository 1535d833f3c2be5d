"""The folder layout of CGCNN: tables, names of files, and rows that cannot be used."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from models.datasets import DatasetError
from models.datasets.user import load_folder
from models.datasets.user.dataset import UNIT_NOT_STATED
from tests.models.user_files import DATA, rutile


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the small folder, to be changed."""
    return Path(shutil.copytree(DATA / "cgcnn", tmp_path / "cgcnn"))


def test_rows_in_order_and_files_of_all_names() -> None:
    dataset = load_folder(DATA / "cgcnn", label="gap", unit="eV")
    assert dataset.name == "cgcnn"
    assert dataset.ids == ("rutile", "salt", "zincite", "silicon")
    formulas = [crystal.formula_key for crystal in dataset.crystals]
    assert formulas == ["8:2,22:1", "11:1,17:1", "8:1,30:1", "14:1"]
    np.testing.assert_array_equal(dataset.labels["gap"], [1.78, 5.0, np.nan, 0.6])
    assert dataset.units == {"gap": "eV"}
    assert not dataset.skipped and not dataset.published


def test_unit_that_nobody_states_is_not_invented() -> None:
    assert load_folder(DATA / "cgcnn").units == {"value": UNIT_NOT_STATED}


def test_header_names_several_values(folder: Path) -> None:
    (folder / "id_prop.csv").write_text(
        "\ufeffid, PBE gap [eV] ,n [1],colour\nsalt,5.0,1.54,3\n\nrutile,,2.6,na\n"
    )
    dataset = load_folder(folder)
    assert dataset.ids == ("salt", "rutile")
    assert dataset.units == {"PBE gap": "eV", "n": "1", "colour": UNIT_NOT_STATED}
    np.testing.assert_array_equal(dataset.labels["PBE gap"], [5.0, np.nan])
    np.testing.assert_array_equal(dataset.labels["n"], [1.54, 2.6])
    assert {skip.source for skip in dataset.skipped} == {"silicon.json", "zincite.vasp"}


def test_unusable_rows_are_skipped_and_listed(folder: Path) -> None:
    alloy = Structure(Lattice.cubic(4.0), [{"Si": 0.5, "Ge": 0.5}], [[0, 0, 0]])
    alloy.to(str(folder / "alloy.cif"))
    rutile().to(str(folder / "rutile.json"))
    rutile().to(str(folder / "extra.cif"))
    (folder / "atom_init.json").write_text("{}")
    with open(folder / "id_prop.csv", "a") as table:
        table.write("alloy,1.0\nmissing,2.0\n")
    dataset = load_folder(folder)
    assert dataset.ids == ("salt", "zincite", "silicon")
    reasons = {skip.source: skip.reason for skip in dataset.skipped}
    assert reasons["rutile"] == "several files: rutile.cif, rutile.json"
    assert "alloy.cif: row 1" in reasons["alloy"] and "partly occupied" in reasons["alloy"]
    assert reasons["missing"] == "no structure file (missing.cif, missing.vasp, ...)"
    assert reasons["extra.cif"] == "not in id_prop.csv"
    assert "atom_init.json" not in reasons


def test_files_in_any_format_and_case_with_their_notes(folder: Path) -> None:
    pytest.importorskip("ase")
    (folder / "silicon.json").unlink()
    lattice = 'Lattice="0 2.715 2.715 2.715 0 2.715 2.715 2.715 0"'
    (folder / "silicon.XYZ").write_text(f"2\n{lattice}\nSi 0 0 0\nSi 1.3575 1.3575 1.3575\n")
    text = (folder / "rutile.cif").read_text()
    (folder / "rutile.cif").unlink()
    (folder / "rutile.CIF").write_text(text.replace("  Ti  ", "  TI  "))
    dataset = load_folder(folder)
    assert dataset.ids == ("rutile", "salt", "zincite", "silicon") and not dataset.skipped
    assert dataset.notes == (("rutile", "TI read as Ti"),)


def test_hash_ignores_the_format_of_files(folder: Path) -> None:
    before = load_folder(folder).sha256
    structure = Structure.from_file(folder / "silicon.json")
    (folder / "silicon.json").unlink()
    assert load_folder(folder).sha256 != before
    (folder / "POSCAR_silicon").write_text(structure.to(fmt="poscar"))
    assert load_folder(folder).sha256 == before


TABLES = {
    "empty": ("", "empty"),
    "blank": ("\n\n", "empty"),
    "no value": ("rutile\n", "line 1: 1 cells, expected 2"),
    "two values": ("rutile,1,2\n", "several values need a header"),
    "ragged": ("id,gap [eV],n [1]\nrutile,1\n", r"line 2: 2 cells, expected 3 \(id and gap, n\)"),
    "word": ("rutile,1.0\nsalt,high\n", "line 2: 'high' is not a number"),
    "infinite first": ("rutile,inf\nsalt,1\n", "line 1: 'inf' is not a finite number"),
    "infinity first": ("rutile,Infinity\n", "line 1: 'Infinity' is not a finite number"),
    "no value first": ("rutile,n/a\nsalt,1\n", "line 1: 'n/a' is not a number"),
    "word first": ("rutile,high\nsalt,1\n", "line 1: 'high' is not a number"),
    "no value of nobody": ("x,n/a\nsalt,1\n", "line 1: 'n/a' is not a number"),
    "infinite": ("rutile,1e999\n", "line 1: '1e999' is not a finite number"),
    "repeated": ("rutile,1\nsalt,2\nrutile,3\n", "line 3: the id 'rutile' stands in line 1 too"),
    "leads out": ("../cgcnn/rutile,1\n", "is no id of a file"),
    "no id": (",1\n", "line 1: '' is no id of a file"),
    "repeated name": ("id,gap,gap\nrutile,1,2\n", "header cell 'gap' must be a new"),
    "broken header": ("id,gap [eV\nrutile,1\n", "must be a new `name"),
    "open quote": ('rutile,"1\n', "not a CSV table"),
    "header alone": ("id,gap\n", "no usable crystal"),
    "nothing usable": ("nowhere,1\n", r"no usable crystal .*first: nowhere: no structure file"),
}


@pytest.mark.parametrize("name", TABLES)
def test_broken_tables_give_one_line(folder: Path, name: str) -> None:
    text, message = TABLES[name]
    (folder / "id_prop.csv").write_text(text)
    with pytest.raises(DatasetError, match=message) as error:
        load_folder(folder)
    assert len(str(error.value).splitlines()) == 1


def test_missing_table_and_binary_table(folder: Path) -> None:
    (folder / "id_prop.csv").write_bytes(bytes(range(128, 256)))
    with pytest.raises(DatasetError, match="not a CSV table"):
        load_folder(folder)
    (folder / "id_prop.csv").unlink()
    with pytest.raises(DatasetError, match=r"id_prop\.csv: no such file"):
        load_folder(folder)
    with pytest.raises(DatasetError, match=r"id_prop\.csv: no such file"):
        load_folder(folder / "nowhere")
