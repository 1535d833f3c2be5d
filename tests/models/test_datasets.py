"""The shipped tables against the published counts and statistics, and the loader and builder."""

import ast
import dataclasses
import gzip
import hashlib
import io
import json
import os
import tarfile
from decimal import Decimal
from importlib import resources
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from models.crystal import Crystal
from models.datasets import (
    FOLD_RULE_VERSION,
    NUM_FOLDS,
    Dataset,
    DatasetError,
    build,
    dataset_names,
    decode_dataset,
    fold_of,
    load_dataset,
)
from tests.tolerances import SHORTEST_DISTANCE, STORED_DIGITS

# Counts of the source tables: records, formulas, elements, largest cell, fold sizes.
COUNTS = {
    "dielectric": (1056, 964, 63, 20, (228, 224, 207, 193, 204)),
    "elastic": (1181, 1087, 63, 152, (246, 227, 232, 246, 230)),
    "formation": (3938, 3726, 86, 25, (769, 793, 802, 774, 800)),
    "piezo": (941, 798, 78, 14, (177, 175, 193, 191, 205)),
}

# Label: minimum, median, maximum, mean, standard deviation, mean absolute deviation; as printed.
STATISTICS = {
    ("dielectric", "n"): "1.28 2.19 16.03 2.435 1.148 0.701",
    ("dielectric", "gap"): "0.11 1.73 8.32 2.119 1.604 1.247",
    ("dielectric", "eps_e"): "1.63 4.79 256.8 7.25 13.0 4.72",
    ("dielectric", "eps_t"): "2.08 10.5 277.8 14.8 19.4 8.60",
    ("elastic", "K"): "6.48 130.4 435.7 136.3 72.9 60.05",
    ("elastic", "G"): "2.72 59.7 522.9 67.5 44.6 33.9",
    ("elastic", "nu"): "0.043 0.290 0.468 0.287 0.062 0.049",
    ("elastic", "A"): "0.00001 0.36 397 2.1 19.1 3.0",
    ("piezo", "eij_max"): "0.00001 0.248 46.2 0.763 2.305 0.823",
    ("formation", "ef"): "-4.451 -0.912 2.339 -1.258 1.067 0.897",
    ("formation", "ehull"): "0 0 3.21 0.054 0.205 0.082",
}

REFERENCE_FOLDER = Path(os.environ.get("LIGHTFRAME_REFERENCE_DATA", "reference-data-not-given"))


@pytest.fixture(scope="module", params=sorted(COUNTS))
def dataset(request: pytest.FixtureRequest) -> Dataset:
    return load_dataset(request.param)


def shipped_bytes(name: str) -> bytes:
    return resources.files("models.datasets").joinpath(f"{name}.json.gz").read_bytes()


def shortest_distance(crystal: Crystal) -> float:
    """Smallest distance [Angstrom] between two atoms among the 27 nearest images."""
    shifts = np.array(list(product((-1, 0, 1), repeat=3)))
    offsets = crystal.frac_coords[:, None] - crystal.frac_coords[None]
    vectors = (offsets[None] + shifts[:, None, None]) @ crystal.lattice
    lengths = np.linalg.norm(vectors, axis=-1)
    home = len(shifts) // 2
    np.fill_diagonal(lengths[home], np.inf)
    return float(lengths.min())


def assert_anonymous_gzip(data: bytes) -> None:
    """No file name and no time stamp in the gzip header."""
    flags, time = data[3], data[4:8]
    assert (flags, time) == (0, bytes(4))


def assert_printed(value: float, printed: str) -> None:
    """``value`` rounds to the number as printed."""
    half_digit = float(Decimal(1).scaleb(Decimal(printed).as_tuple().exponent)) / 2
    error = abs(value - float(printed))
    assert error <= half_digit, f"{value} is {error:.1e} off the printed {printed}"


def test_counts_are_those_of_the_source(dataset: Dataset) -> None:
    records, formulas, elements, largest, fold_sizes = COUNTS[dataset.name]
    assert len(dataset) == len(dataset.ids) == len(dataset.crystals) == records
    assert len(set(dataset.ids)) == records
    assert len({crystal.formula_key for crystal in dataset.crystals}) == formulas
    assert len({z for crystal in dataset.crystals for z in crystal.numbers.tolist()}) == elements
    assert max(crystal.num_sites for crystal in dataset.crystals) == largest
    assert tuple(np.bincount(dataset.folds, minlength=NUM_FOLDS).tolist()) == fold_sizes


def test_names_are_those_of_the_files() -> None:
    assert set(dataset_names()) == set(COUNTS)


def test_cells_are_right_handed_and_sites_inside(dataset: Dataset) -> None:
    for name, crystal in zip(dataset.ids, dataset.crystals, strict=True):
        assert np.linalg.det(crystal.lattice) > 0, name
        assert crystal.frac_coords.min() >= 0.0, name
        assert crystal.frac_coords.max() < 1.0, name


def test_no_two_atoms_overlap(dataset: Dataset) -> None:
    for name, crystal in zip(dataset.ids, dataset.crystals, strict=True):
        distance = shortest_distance(crystal)
        assert distance >= SHORTEST_DISTANCE, f"{name}: {distance:.3f} Angstrom"


def test_distance_check_sees_images_and_overlaps() -> None:
    close = Crystal(np.array([1, 1]), 4.0 * np.eye(3), np.array([[0.05, 0, 0], [0.95, 0, 0]]))
    assert shortest_distance(close) == pytest.approx(0.4)


@pytest.mark.parametrize(("name", "label"), sorted(STATISTICS))
def test_label_statistics_are_the_printed_ones(name: str, label: str) -> None:
    values = load_dataset(name).labels[label]
    mean = values.mean()
    measured = (values.min(), np.median(values), values.max(), mean, values.std())
    printed = STATISTICS[name, label].split()
    for value, text in zip((*measured, np.abs(values - mean).mean()), printed, strict=True):
        assert_printed(float(value), text)


def test_every_label_has_statistics_unit_and_description(dataset: Dataset) -> None:
    assert {(dataset.name, label) for label in dataset.labels} <= set(STATISTICS)
    assert dataset.units.keys() == dataset.descriptions.keys() == dataset.labels.keys()
    assert all(dataset.units.values()) and all(dataset.descriptions.values())
    assert dataset.citation and dataset.licence.startswith("CC-BY-4.0")


def test_refractive_index_squared_is_the_dielectric_constant() -> None:
    labels = load_dataset("dielectric").labels
    # Both are rounded to 0.01 in the source.
    bound = 0.01 * labels["n"] + 0.005
    assert np.all(np.abs(labels["n"] ** 2 - labels["eps_e"]) <= bound)


def test_fold_of_the_documented_formula() -> None:
    rubidium_telluride = Crystal(
        np.array([37, 52, 37]),
        6.0 * np.eye(3),
        np.array([[0.25, 0.25, 0.25], [0, 0, 0], [0.75, 0.75, 0.75]]),
    )
    assert rubidium_telluride.formula_key == "37:2,52:1"
    assert fold_of(rubidium_telluride) == 1
    assert FOLD_RULE_VERSION == 1


@pytest.mark.parametrize("test_fold", range(NUM_FOLDS))
def test_split_is_a_partition_without_shared_formulas(dataset: Dataset, test_fold: int) -> None:
    split = dataset.split(test_fold)
    parts = (split.train, split.validation, split.test)
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(dataset)))
    assert set(dataset.folds[split.test].tolist()) == {test_fold}
    assert set(dataset.folds[split.validation].tolist()) == {(test_fold + 1) % NUM_FOLDS}
    train, validation, test = ({dataset.crystals[i].formula_key for i in part} for part in parts)
    assert not (train & validation or train & test or validation & test)


@pytest.mark.parametrize("test_fold", [-1, 5])
def test_unknown_fold_is_refused(test_fold: int) -> None:
    with pytest.raises(ValueError, match=r"`test_fold` must be 0 to 4, got -?\d"):
        load_dataset("piezo").split(test_fold)


def test_structures_are_the_crystals() -> None:
    dataset = load_dataset("dielectric")
    first = dataset.structures[0]
    assert first.composition.reduced_formula == "Rb2Te"
    assert np.array_equal(first.lattice.matrix, dataset.crystals[0].lattice)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("dielektric", "no dataset 'dielektric': did you mean 'dielectric'\\? available are "),
        ("qm9", "no dataset 'qm9': available are dielectric, elastic, formation, piezo"),
    ],
)
def test_unknown_name_says_what_there_is(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_dataset(name)


# The loader on damaged files


def encode_with(change: str, value: object) -> bytes:
    """A two-record file with one field changed; ``change`` is a path such as ``records.0.z``."""
    record = {"z": [3, 9], "cell": [3, 0, 0, 0, 3, 0, 0, 0, 3], "x": [0, 0, 0, 0.5, 0.5, 0.5]}
    table = {
        "meta": {
            "name": "tiny",
            "cite": "nobody (2000)",
            "licence": "CC-BY-4.0",
            "labels": {"K": "bulk modulus"},
            "units": {"K": "GPa"},
        },
        "records": [{"id": "a", **record, "K": 1.0}, {"id": "b", **record, "K": 2.0}],
    }
    *parents, last = [int(key) if key.isdigit() else key for key in change.split(".")]
    place = table
    for key in parents:
        place = place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return gzip.compress(json.dumps(table).encode())


def test_small_file_decodes() -> None:
    dataset = decode_dataset(encode_with("meta.name", "changed"))
    assert dataset.name == "changed"
    assert dataset.ids == ("a", "b")
    assert dataset.labels["K"].tolist() == [1.0, 2.0]
    assert dataset.crystals[1].cart_coords[1].tolist() == [1.5, 1.5, 1.5]


@pytest.mark.parametrize(
    ("change", "value", "message"),
    [
        ("meta", None, "lacks the schema of a dataset: KeyError\\('meta'\\)"),
        ("meta.cite", None, "lacks the schema of a dataset"),
        ("records", [], "ids must be unique, 0 of 0 are"),
        ("records.1.id", "a", "tiny: ids must be unique, 1 of 2 are"),
        ("meta.units", {"G": "GPa"}, "every label needs a description and a unit"),
        ("records.1.K", None, "label 'K' must be a number in every record"),
        ("records.1.K", float("nan"), "label 'K' must be a finite number in every record"),
        ("records.1.z", None, "b: the structure has no field 'z'"),
        ("records.1.z", [3, 300], "b: atomic numbers must lie in 1..118"),
        ("records.1.x", [0.0, 0.0], "b: cannot reshape"),
        ("records.1.cell", [1.0] * 9, "b: the lattice vectors span no volume"),
    ],
)
def test_damaged_file_is_refused(change: str, value: object, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        decode_dataset(encode_with(change, value))


def test_truncated_file_is_refused() -> None:
    with pytest.raises(DatasetError, match="not gzip-compressed JSON"):
        decode_dataset(shipped_bytes("piezo")[:-100])


def test_hash_is_of_the_records_not_of_the_compression() -> None:
    data = shipped_bytes("piezo")
    again = gzip.compress(gzip.decompress(data), compresslevel=1)
    assert again != data
    assert decode_dataset(again).sha256 == decode_dataset(data).sha256
    table = json.loads(gzip.decompress(data))
    table["records"] = [dict(reversed(record.items())) for record in table["records"]]
    reordered = gzip.compress(json.dumps(table, indent=1).encode())
    assert decode_dataset(reordered).sha256 == decode_dataset(data).sha256
    changed = decode_dataset(encode_with("records.0.K", 1.5))
    assert changed.sha256 != decode_dataset(encode_with("records.0.K", 1.0)).sha256


# The builder

POSCAR = """Li1 F1
1.0
4.000000 0.000000 0.000000
0.000000 4.000000 0.000000
0.000000 0.000000 4.000000
Li F
1 1
direct
-0.250000 0.000000 1.000000 Li
0.5000004 0.9999996 -0.0000001 F"""


def fake_csv(spec: build.TableSpec) -> str:
    """A source table with two rows, the second with an unnamed index as some sources have."""
    structure = POSCAR
    if spec.structure_column == "structure":
        numbers, lattice, frac = build.read_poscar(POSCAR)
        sites = [
            {"abc": abc, "label": symbol, "species": [{"occu": 1, "element": symbol}]}
            for symbol, abc in zip(("Li", "F"), frac.tolist(), strict=True)
        ]
        assert numbers == [3, 9]
        structure = repr({"lattice": {"matrix": lattice.tolist()}, "sites": sites})
    columns = ["material_id", spec.structure_column, *(s.column for s in spec.labels.values())]
    cells = [f'"{structure}"', *(f"0.{i}123456789" for i in range(len(spec.labels)))]
    rows = [",".join(["mp-1", *cells]), ",".join(["7", "mp-2", *cells])]
    return "# ref: nobody\n" + "\n".join([",".join(columns), *rows]) + "\n"


@pytest.fixture
def fake_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive of two-row tables, which the builder is told to expect."""
    path = tmp_path / build.ARCHIVE_NAME
    with tarfile.open(path, "w:gz") as tar:
        for spec in build.TABLES:
            data = fake_csv(spec).encode()
            member = tarfile.TarInfo(build.ARCHIVE_FOLDER + spec.file)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    small = tuple(dataclasses.replace(spec, num_records=2) for spec in build.TABLES)
    monkeypatch.setattr(build, "TABLES", small)
    monkeypatch.setattr(build, "ARCHIVE_BYTES", path.stat().st_size)
    monkeypatch.setattr(build, "ARCHIVE_SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    return path


def test_build_twice_gives_the_same_bytes(fake_archive: Path, tmp_path: Path) -> None:
    first = build.build(fake_archive, tmp_path / "first")
    second = build.build(fake_archive, tmp_path / "elsewhere" / "second")
    assert [path.name for path in first] == [f"{name}.json.gz" for name in dataset_names()]
    for one, other in zip(first, second, strict=True):
        data = one.read_bytes()
        assert data == other.read_bytes()
        assert_anonymous_gzip(data)


def test_build_wraps_and_rounds_but_keeps_the_rest(fake_archive: Path, tmp_path: Path) -> None:
    for path, spec in zip(build.build(fake_archive, tmp_path), build.TABLES, strict=True):
        table = json.loads(gzip.decompress(path.read_bytes()))
        assert [record["id"] for record in table["records"]] == ["mp-1", "mp-2"]
        for record in table["records"]:
            assert record["z"] == [3, 9]
            assert record["cell"] == [4.0, 0.0, 0.0, 0.0, 4.0, 0.0, 0.0, 0.0, 4.0]
            assert record["x"] == [0.75, 0.0, 0.0, 0.5, 0.0, 0.0]
            for i, label in enumerate(spec.labels):
                assert record[label] == round(ast.literal_eval(f"0.{i}123456789"), 8)
        assert decode_dataset(path.read_bytes()).name == spec.name


def test_build_refuses_another_archive(fake_archive: Path, tmp_path: Path) -> None:
    data = bytearray(fake_archive.read_bytes())
    data[-1] ^= 1
    fake_archive.write_bytes(data)
    with pytest.raises(ValueError, match=r"has sha256 [0-9a-f]{64}, expected [0-9a-f]{64}"):
        build.build(fake_archive, tmp_path / "out")
    fake_archive.write_bytes(data[:-1])
    with pytest.raises(ValueError, match=r"has \d+ bytes, expected \d+"):
        build.build(fake_archive, tmp_path / "out")


def test_build_refuses_missing_rows(fake_archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = dataclasses.replace(build.TABLES[0], num_records=3)
    with pytest.raises(ValueError, match=r"dielectric_constant\.csv: 2 rows, expected 3"):
        build.make_table(fake_csv(spec), spec)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("direct", "Cartesian", "needs a positive scale and direct coordinates"),
        ("1.0\n4.0", "-64.0\n4.0", "needs a positive scale and direct coordinates"),
        ("1 1\n", "1 2\n", "2 sites, expected 3"),
    ],
)
def test_poscar_reader_refuses_what_it_cannot_read(old: str, new: str, message: str) -> None:
    assert old in POSCAR
    with pytest.raises(ValueError, match=message):
        build.read_poscar(POSCAR.replace(old, new, 1))


def test_build_refuses_left_handed_cells() -> None:
    spec = build.TABLES[0]
    row = {spec.structure_column: POSCAR.replace("4.000000 0.", "-4.000000 0.", 1)}
    with pytest.raises(ValueError, match="mp-1: the cell must be right-handed"):
        build.make_record({"material_id": "mp-1", **row}, spec)


def test_build_refuses_partial_occupancy() -> None:
    site = {"abc": [0, 0, 0], "label": "Li1", "species": [{"occu": 0.5, "element": "Li"}]}
    with pytest.raises(ValueError, match="site 'Li1' is partly occupied"):
        build.read_structure_literal(repr({"lattice": {"matrix": []}, "sites": [site]}))


def test_shipped_files_are_what_the_builder_writes(dataset: Dataset) -> None:
    data = shipped_bytes(dataset.name)
    assert_anonymous_gzip(data)
    text = gzip.decompress(data)
    table = json.loads(text)
    # The compressed bytes may differ between versions of the compressor; the text may not.
    assert gzip.decompress(build.encode_table(table)) == text
    spec = next(spec for spec in build.TABLES if spec.name == dataset.name)
    assert table["meta"]["source"] == f"{build.ARCHIVE_NAME} (sha256 {build.ARCHIVE_SHA256})"
    assert table["meta"]["units"] == {name: label.unit for name, label in spec.labels.items()}
    assert len(table["records"]) == spec.num_records


def test_attribution_is_shipped() -> None:
    text = resources.files("models.datasets").joinpath("LICENSE-DATA.txt").read_text()
    assert "https://creativecommons.org/licenses/by/4.0/" in text
    for paper in ("Petousis", "de Jong", "Faber", "A. Jain", "matminer 0.4.0", "Changes made"):
        assert paper in text


@pytest.mark.skipif(not REFERENCE_FOLDER.is_dir(), reason="LIGHTFRAME_REFERENCE_DATA not given")
def test_content_equals_the_reference_files(dataset: Dataset) -> None:
    path = REFERENCE_FOLDER / f"{dataset.name}_{len(dataset)}.json.gz"
    records = json.loads(gzip.decompress(path.read_bytes()))["records"]
    assert [record["id"] for record in records] == list(dataset.ids)
    for record, crystal in zip(records, dataset.crystals, strict=True):
        assert record["z"] == crystal.numbers.tolist()
        cell_error = np.abs(np.reshape(record["cell"], (3, 3)) - crystal.lattice).max()
        offset = np.reshape(record["x"], (-1, 3)) - crystal.frac_coords
        error = max(cell_error, np.abs(offset - np.round(offset)).max())
        assert error <= STORED_DIGITS, f"{record['id']}: {error:.1e}"
    for label, values in dataset.labels.items():
        error = np.abs(values - [record[label] for record in records]).max()
        assert error <= STORED_DIGITS, f"{label}: {error:.1e}"
