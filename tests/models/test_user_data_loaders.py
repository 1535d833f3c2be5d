"""JARVIS, MEGNet and Matbench files: small ones in the real formats, and what is refused."""

import gzip
import json
import zipfile
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from models.crystal import Crystal
from models.datasets import DatasetError, fold_of
from models.datasets.user import (
    LabelInfo,
    UserDataset,
    jarvis,
    load_jarvis,
    load_matbench,
    load_megnet,
    matbench,
)
from models.datasets.user.splits import PublishedSplit, shuffled_parts
from tests.models.user_files import DATA, records, rutile, salt, write_json
from tests.tolerances import FILE_DECIMALS

JARVIS, MEGNET = DATA / "jarvis_dft_3d.json", DATA / "megnet.json"
MATBENCH = DATA / "matbench_dielectric.json.gz"
TARGET = "formation_energy_peratom"


def assert_same_crystal(found: Crystal, expected: Crystal) -> None:
    """Equal up to the six decimals of the files and the image."""
    assert found.numbers.tolist() == expected.numbers.tolist()
    assert np.abs(found.lattice - expected.lattice).max() < FILE_DECIMALS
    offset = found.frac_coords - expected.frac_coords
    assert np.abs(offset - np.round(offset)).max() < FILE_DECIMALS


def small_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the small Matbench file pass for a whole task."""
    task = matbench.TASKS["dielectric"]
    small = matbench.MatbenchTask(task.column, task.label, 5)
    monkeypatch.setitem(matbench.TASKS, "dielectric", small)


# JARVIS


def test_jarvis_entries_in_the_order_of_the_file() -> None:
    dataset = load_jarvis(JARVIS, TARGET, split="formula")
    assert isinstance(dataset, UserDataset)
    assert dataset.ids == ("JVASP-90856", "JVASP-23862", "JVASP-1002", "JVASP-1195")
    assert dataset.labels[TARGET].tolist() == [-3.16, -1.98, 0.0, -1.62]
    assert dataset.units == {TARGET: "eV/atom"}
    assert dataset.folds.tolist() == [fold_of(crystal) for crystal in dataset.crystals]
    assert not dataset.skipped and "Choudhary" in dataset.citation


def test_jarvis_honours_the_cartesian_flag() -> None:
    entries = records(JARVIS.name)
    assert [entry["atoms"]["cartesian"] for entry in entries[:2]] == [True, False]
    crystals = load_jarvis(JARVIS, TARGET, split="formula").crystals
    assert_same_crystal(crystals[0], Crystal.from_structure(rutile()))
    assert_same_crystal(crystals[1], Crystal.from_structure(salt().get_primitive_structure()))


@pytest.mark.parametrize("missing", ["na", "NA", None, float("nan"), ""])
def test_jarvis_filters_by_property(tmp_path: Path, missing: object) -> None:
    entries = records(JARVIS.name)
    entries[0]["mbj_bandgap"] = missing
    path = write_json(tmp_path / "dft.json", entries)
    dataset = load_jarvis(path, "mbj_bandgap", split="formula", extra=("bulk_modulus_kv",))
    assert dataset.ids == ("JVASP-23862", "JVASP-1002")
    assert dataset.labels["mbj_bandgap"].tolist() == [8.3, 1.28]
    assert np.isnan(dataset.labels["bulk_modulus_kv"][0])
    assert dataset.labels["bulk_modulus_kv"][1] == 87.2
    assert dataset.units == {"mbj_bandgap": "eV", "bulk_modulus_kv": "GPa"}


@pytest.mark.parametrize("target", [TARGET, "mbj_bandgap"])
def test_published_split_of_a_small_jarvis_file_is_refused(target: str) -> None:
    with pytest.raises(DatasetError, match=r'the published split is one of .*split="formula"'):
        load_jarvis(JARVIS, target)


def test_published_split_of_moduli_is_refused() -> None:
    with pytest.raises(DatasetError, match=r"no published split of 'bulk_modulus_kv' can be che"):
        load_jarvis(JARVIS, "bulk_modulus_kv")


def test_later_snapshot_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jarvis, "NUM_ENTRIES", 3)
    with pytest.raises(DatasetError, match=r"a later snapshot.*dft_3d_2021"):
        load_jarvis(JARVIS, TARGET)
    assert len(load_jarvis(JARVIS, TARGET, split="formula")) == 4


def test_published_split_counts_entries_that_are_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shuffle is over all entries with the property; one without use leaves its part only."""
    entry = records(JARVIS.name)[1]
    entries = [{**entry, "jid": f"JVASP-{number}"} for number in range(20)]
    parts = (14, 3, 3)
    order = list(chain(*shuffled_parts(20, parts)))
    ends = tuple((f"JVASP-{part[0]}", f"JVASP-{part[-1]}") for part in shuffled_parts(20, parts))
    monkeypatch.setitem(jarvis.PUBLISHED, TARGET, PublishedSplit(20, parts, ends))
    lonely = order[5]
    entries[lonely] = {**entries[lonely], "atoms": {**entry["atoms"], "elements": ["Na", "Xx"]}}
    dataset = load_jarvis(write_json(tmp_path / "dft.json", entries), TARGET)
    assert [skip.source for skip in dataset.skipped] == [f"JVASP-{lonely}"]
    assert "site 1: 'Xx' is no element" in dataset.skipped[0].reason
    split = dataset.split()
    ids = [{dataset.ids[i] for i in part} for part in (split.train, split.validation, split.test)]
    assert ids[0] == {f"JVASP-{i}" for i in order[:14] if i != lonely}
    assert ids[1] == {f"JVASP-{i}" for i in order[14:17]}
    assert ids[2] == {f"JVASP-{i}" for i in order[17:]}
    with pytest.raises(ValueError, match=r"`test_fold` must be 0 to 0 .*, got 1"):
        dataset.split(1)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("formation_energy", r"did you mean 'formation_energy_peratom'\?"),
        ("slme", "its unit is not known; give `labels`"),
    ],
)
def test_unknown_jarvis_property(target: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        load_jarvis(JARVIS, target)


def test_jarvis_property_with_a_unit_of_the_user(tmp_path: Path) -> None:
    entries = [{**entry, "slme": 12.5} for entry in records(JARVIS.name)]
    labels = {"slme": LabelInfo("%", "spectroscopic limited maximum efficiency")}
    path = write_json(tmp_path / "dft.json", entries)
    dataset = load_jarvis(path, "slme", split="formula", labels=labels)
    assert dataset.units == {"slme": "%"} and set(dataset.labels["slme"]) == {12.5}


@pytest.mark.parametrize("packing", ["json", "gz", "zip"])
def test_packing_changes_nothing(packing: str, tmp_path: Path) -> None:
    path, data = tmp_path / f"jdft_3d-8-18-2021.json.{packing}", JARVIS.read_bytes()
    if packing == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("jdft_3d-8-18-2021.json", data)
    else:
        path.write_bytes(gzip.compress(data) if packing == "gz" else data)
    dataset = load_jarvis(path, TARGET, split="formula")
    assert dataset.sha256 == load_jarvis(JARVIS, TARGET, split="formula").sha256
    cut = tmp_path / path.name.replace("jdft", "cut")
    cut.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DatasetError, match=r"cut_3d.*(broken download|no end)"):
        load_jarvis(cut, TARGET, split="formula")


def test_hash_follows_the_data(tmp_path: Path) -> None:
    hashes = {load_jarvis(JARVIS, name, split="formula").sha256 for name in (TARGET, "ehull")}
    entries = records(JARVIS.name)
    entries[2]["atoms"]["coords"][0][0] += 0.001
    hashes.add(load_jarvis(write_json(tmp_path / "x", entries), TARGET, split="formula").sha256)
    assert len(hashes) == 3


def test_repeated_id_is_refused(tmp_path: Path) -> None:
    path = write_json(tmp_path / "dft.json", records(JARVIS.name) * 2)
    with pytest.raises(DatasetError, match="the id 'JVASP-90856' occurs twice"):
        load_jarvis(path, TARGET, split="formula")


def test_formula_split_keeps_formulas_together() -> None:
    dataset = load_jarvis(JARVIS, TARGET, split="formula")
    fold = int(dataset.folds[0])
    assert 0 in dataset.split(fold).test
    parts = dataset.split(fold)
    assert len(parts.train) + len(parts.validation) + len(parts.test) == len(dataset)


# MEGNet


@pytest.mark.parametrize(
    ("target", "ids", "values", "unit"),
    [
        ("e_form", ("mp-2657", "mp-22862", "mvc-1"), [-3.49, -2.11, 0.0], "eV/atom"),
        ("gap pbe", ("mp-2657", "mp-22862"), [1.78, 5.0], "eV"),
    ],
)
def test_megnet(target: str, ids: tuple[str, ...], values: list[float], unit: str) -> None:
    dataset = load_megnet(MEGNET, target, split="formula")
    assert dataset.ids == ids
    assert dataset.labels[target].tolist() == values
    assert dataset.units == {target: unit}
    assert_same_crystal(dataset.crystals[0], Crystal.from_structure(rutile()))


def test_megnet_as_its_authors_published_it() -> None:
    """``structure`` is the text of a CIF and labels have other names."""
    dataset = load_megnet(DATA / "mp.2018.6.1.json", "gap pbe", split="formula")
    assert dataset.ids == ("mp-2657", "mp-22862")
    assert dataset.labels["gap pbe"].tolist() == [1.78, 5.0]
    assert dataset.crystals[0].formula_key == "8:2,22:1"
    assert dataset.crystals[1].num_sites == 2


@pytest.mark.parametrize("target", ["e_form", "gap pbe"])
def test_published_split_of_a_small_megnet_file_is_refused(target: str) -> None:
    with pytest.raises(DatasetError, match="the published split is one of 69,239"):
        load_megnet(MEGNET, target)


def test_megnet2_is_refused(tmp_path: Path) -> None:
    atoms = records("megnet.json")[0]["atoms"]
    entries = [{"id": "mp-1", "formation_energy_per_atom": -1.0, "atoms": atoms}]
    with pytest.raises(DatasetError, match="the fields of `megnet2`, another snapshot"):
        load_megnet(write_json(tmp_path / "m.json", entries), "e_form", split="formula")


@pytest.mark.parametrize(("value", "unit"), [(2.1, "log10 GPa"), (126.0, "GPa")])
def test_scale_of_moduli_is_told_from_their_median(tmp_path: Path, value: float, unit: str) -> None:
    entries = [{**entry, "bulk modulus": value} for entry in records("megnet.json")]
    path = write_json(tmp_path / "bulk.json", entries)
    assert load_megnet(path, "bulk modulus", split="formula").units == {"bulk modulus": unit}
    with pytest.raises(DatasetError, match="comes as three files"):
        load_megnet(path, "bulk modulus")


@pytest.mark.parametrize("name", ["bulk_megnet_train.pkl", "shear.json"])
def test_pickles_are_refused_by_name_and_content(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"\x80\x04]\x94.")
    with pytest.raises(DatasetError, match=r"run any code.*json.dump\(pickle.load"):
        load_megnet(path, "bulk modulus")


def test_unknown_megnet_property() -> None:
    with pytest.raises(DatasetError, match="no MEGNet property 'gap_pbe'; there are e_form, gap"):
        load_megnet(MEGNET, "gap_pbe")


# Matbench


def test_matbench(monkeypatch: pytest.MonkeyPatch) -> None:
    small_task(monkeypatch)
    dataset = load_matbench(MATBENCH)
    assert dataset.name == "matbench_dielectric"
    assert dataset.ids == tuple(f"mb-dielectric-{number}" for number in range(1, 6))
    assert dataset.labels["n"].tolist() == [2.6, 1.58, 3.9, 2.2, 1.64]
    assert dataset.units == {"n": "1"}
    assert_same_crystal(dataset.crystals[0], Crystal.from_structure(rutile()))
    tests = [dataset.split(fold).test.tolist() for fold in range(5)]
    assert sorted(chain(*tests)) == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="`test_fold` must be 0 to 4"):
        dataset.split(5)


def test_validation_of_matbench_is_taken_by_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    small_task(monkeypatch)
    dataset = load_matbench(MATBENCH)
    whole = dataset.split(0)
    assert whole.validation.size == 0 and whole.train.size == 4
    fold = int(dataset.folds[whole.train[0]])
    split = dataset.split_with_validation(0, fold)
    assert whole.train[0] in split.validation
    assert sorted([*split.train, *split.validation]) == whole.train.tolist()
    assert set(dataset.folds[split.validation]) == {fold}
    assert fold not in dataset.folds[split.train]
    formula = load_matbench(MATBENCH, split="formula")
    test_fold = (int(formula.folds[0]) - 1) % 5
    with pytest.raises(ValueError, match="has validation crystals of its own"):
        formula.split_with_validation(test_fold, 0)


def test_ids_of_matbench_are_padded(tmp_path: Path) -> None:
    table = json.loads(gzip.decompress(MATBENCH.read_bytes()))
    table["data"] = table["data"] * 2
    path = tmp_path / MATBENCH.name
    path.write_bytes(gzip.compress(json.dumps(table).encode()))
    ids = load_matbench(path, split="formula").ids
    assert (ids[0], ids[-1]) == ("mb-dielectric-01", "mb-dielectric-10")


def test_matbench_of_another_size_is_refused() -> None:
    with pytest.raises(DatasetError, match=r"5 crystals, the published folds .* of 4,764"):
        load_matbench(MATBENCH)


@pytest.mark.parametrize("name", ["matbench_steels.json.gz", "dielectric.json.gz", "x"])
def test_files_of_other_tasks_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(MATBENCH.read_bytes())
    with pytest.raises(DatasetError, match="no regression task on structures of this name"):
        load_matbench(tmp_path / name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"columns": ["structure", "gap"]}, "columns must be"),
        ({"data": [[1]]}, "every row must hold a structure and a value"),
        ({"data": None}, "every row must hold a structure and a value"),
        ({"columns": None}, "columns must be"),
        ({"data": []}, "no usable crystal"),
    ],
)
def test_broken_matbench_tables_are_refused(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    table = json.loads(gzip.decompress(MATBENCH.read_bytes()))
    path = write_json(tmp_path / "matbench_dielectric.json", {**table, **change})
    with pytest.raises(DatasetError, match=message):
        load_matbench(path, split="formula")


# All of them on what is no data set


LOADERS = {
    "jarvis": lambda path: load_jarvis(path, TARGET, split="formula"),
    "megnet": lambda path: load_megnet(path, "e_form", split="formula"),
    "matbench": lambda path: load_matbench(path, split="formula"),
}
BROKEN = {
    "empty": b"",
    "binary": bytes(range(256)),
    "truncated": JARVIS.read_bytes()[:500],
    "number": b"3",
    "empty list": b"[]",
    "wrong list": b"[1, 2]",
    "empty object": b"{}",
    "wrong entries": b'[{"jid": 3}]',
    "deep": b"[" * 100_000,
    "not gzip": b"\x1f\x8b" + bytes(40),
    "not zip": b"PK\x03\x04" + bytes(40),
    "long number": b"[" + b"9" * 5000 + b"]",
}


@pytest.mark.parametrize("content", BROKEN)
@pytest.mark.parametrize("loader", LOADERS)
def test_broken_files_give_one_line(tmp_path: Path, loader: str, content: str) -> None:
    path = tmp_path / "matbench_dielectric.json"
    path.write_bytes(BROKEN[content])
    with pytest.raises(DatasetError) as error:
        LOADERS[loader](path)
    assert path.name in str(error.value) or loader in str(error.value)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize("loader", LOADERS)
def test_missing_files_and_folders_give_one_line(tmp_path: Path, loader: str) -> None:
    path = tmp_path / "matbench_dielectric.json"
    with pytest.raises(DatasetError, match="no such file"):
        LOADERS[loader](path)
    path.mkdir()
    with pytest.raises(DatasetError, match="is a directory"):
        LOADERS[loader](path)


@pytest.mark.parametrize(
    ("label", "reason"),
    [("high", "'high' is not a number"), (1e999, "not a finite number"), (True, "not a number")],
)
def test_entry_with_a_broken_label_is_skipped(tmp_path: Path, label: object, reason: str) -> None:
    entries = records(JARVIS.name)
    entries[1][TARGET] = label
    dataset = load_jarvis(write_json(tmp_path / "dft.json", entries), TARGET, split="formula")
    assert len(dataset) == 3
    assert dataset.skipped[0].source == "JVASP-23862" and reason in dataset.skipped[0].reason
