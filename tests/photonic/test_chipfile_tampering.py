"""Forgers who give every file a matching hash: each value that they change is found.

Every column, every law and every table is changed by enumeration; what no check can know is listed
with its reason, and nothing else passes.
"""

import copy
import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from photonic.channel_map import ChannelMap
from photonic.chip import Chip
from photonic.chipfile import (
    CalibratedChip,
    ChipFileError,
    ExportOptions,
    build_export,
    checked_export,
    manifest_sha256,
    read_export,
    verify_export,
    write_export,
)
from photonic.chipfile.csv_table import csv_chunks
from photonic.drive_laws import LawRecord
from photonic.hardware import HardwareConfig, load_hardware
from photonic.mesh_state import nominal_commands
from photonic.program import Program
from tests.photonic.chips import (
    leaves,
    mapped,
    other_values,
    put,
    rehash,
    write_layer,
    write_table,
)

IDEAL, LAB = load_hardware("ideal"), load_hardware("soi_lab_good")
FILE = "000_head_first.json"


def network() -> list[Program]:
    return [mapped(3, 4, 2, "head/first"), mapped(2, 3, "full", "second", "reck")]


def measured() -> ExportOptions:
    """Laws in volts and in milliamperes, biases, and a channel map from the last to the first."""
    size = sum(program.num_phase_shifters for program in network())
    ids = list(range(0, size, 3))
    current = {"p0": np.linspace(-3, 3, len(ids)).tolist(), "p1": 0.08, "max_drive": 24.0}
    laws = [
        LawRecord(law="voltage", p1=0.16, p2=1e-5, resistance_ohm=400.0, max_drive=12.0),
        LawRecord(law="current", ids=ids, resistance_ohm=900.0, **current),
    ]
    place = np.arange(size)[::-1]
    return ExportOptions(laws=laws, channels=ChannelMap(place // 8, place % 8))


def calibrated() -> tuple[HardwareConfig, ExportOptions]:
    hardware = LAB.replace(dead_probability=0.1, stuck_probability=0.1)
    commands = {}
    for program in network():
        found = nominal_commands(program, hardware)
        warmer = {mesh: phase + 0.01 for mesh, phase in found.phases.items()}
        commands[program.name] = dataclasses.replace(found, phases=warmer)
    known = CalibratedChip(Chip(hardware, 5, 2), commands, ("mapping",))
    return hardware, ExportOptions(calibrated=known)


CASES: dict[str, tuple[HardwareConfig, ExportOptions]] = {
    "data sheet": (IDEAL.replace(dac_bits=12, dac_mode="phase", p_pi_mw=20.0), ExportOptions()),
    "compensated": (LAB, ExportOptions()),
    "measured": (IDEAL, measured()),
    "clipped": (IDEAL.replace(v_max_v=5.0), ExportOptions(is_clipped=True)),
    "clipped, compensated": (LAB.replace(v_max_v=5.0), ExportOptions(is_clipped=True)),
    "calibrated": calibrated(),
}


@pytest.fixture(scope="module", params=CASES)
def original(request, tmp_path_factory) -> Path:
    hardware, options = CASES[request.param]
    export = build_export(network(), hardware, options=options)
    folder = tmp_path_factory.mktemp("original") / "chip"
    return write_export(export, folder, has_table=False)


@pytest.fixture(scope="module")
def tabled(tmp_path_factory) -> Path:
    pytest.importorskip("h5py")
    hardware, options = calibrated()
    export = build_export(network(), hardware, options=options)
    return write_export(export, tmp_path_factory.mktemp("tabled") / "chip", has_table=True)


def is_found(folder: Path) -> bool:
    """True if the bundle is refused, in one line of bearable length."""
    try:
        verify_export(folder)
    except ChipFileError as error:
        assert "\n" not in str(error)
        assert len(str(error)) <= 500
        return True
    return False


def forge_layer(folder: Path, text: str, edit: Callable[[dict], object]) -> bool:
    """Edit a layer, rewrite the CSV file, give both matching hashes; True if that is found."""
    layer = json.loads(text)
    edit(layer)
    write_layer(folder, json.dumps(layer).encode())
    try:
        export = read_export(folder)
    except ChipFileError:
        return True
    write_table(folder, "chip.csv", b"".join(csv_chunks(export)))
    return is_found(folder)


def test_every_value_of_a_layer_is_checked(original, tmp_path):
    folder = Path(shutil.copytree(original, tmp_path / "chip"))
    text, passed = (original / FILE).read_text(), []
    assert not is_found(folder)
    places = list(leaves(json.loads(text)))
    # Whole columns too: left out, emptied, or not known.
    columns = [(key,) for key in json.loads(text)]
    for place in dict.fromkeys([*places, *columns]):
        value = copy.deepcopy(json.loads(text))
        for key in place:
            value = value[key]
        others = [None, []] if isinstance(value, dict | list) else other_values(value)
        for other in others:
            if other == value:
                continue
            if not forge_layer(folder, text, lambda layer, o=other, p=place: put(layer, p, o)):
                passed.append((place, value, other))
    # A coefficient that is left out is 0: the same law.
    laws = range(len(json.loads(text)["calibration"]))
    same = [(("calibration", k, "p2"), 0.0, None) for k in laws]
    assert [x for x in passed if x not in same] == []
    assert not forge_layer(folder, text, lambda layer: None)


def test_swapped_values_of_a_layer_are_found(original, tmp_path):
    folder = Path(shutil.copytree(original, tmp_path / "chip"))
    text = (original / FILE).read_text()
    layer = json.loads(text)
    for key in ("phase_rad", "phase_cmd_rad", "drive_v", "power_mw", "dac_code", "dac_channel"):
        column = layer[key]
        if column is None or column[0] is None:
            continue
        k = next(k for k, x in enumerate(column) if x is not None and round(x - column[0], 3))

        def swap(record, key=key, k=k):
            record[key][0], record[key][k] = record[key][k], record[key][0]

        assert forge_layer(folder, text, swap), key


def test_false_failures_and_clipping_are_found(original, tmp_path):
    folder = Path(shutil.copytree(original, tmp_path / "chip"))
    text = (original / FILE).read_text()
    layer = json.loads(text)
    known = {*layer["status"]["stuck"], *layer["status"]["dead"]}
    healthy = next(k for k in range(len(layer["phase_rad"])) if k not in known)
    assert forge_layer(folder, text, lambda x: x["status"]["stuck"].append(healthy))
    healed = {"stuck": [], "dead": []}
    assert forge_layer(folder, text, lambda x: x.update(status=healed)) == bool(known)
    free = next(k for k in range(len(layer["phase_rad"])) if k not in layer["clipped"])

    def clip(record):
        record["clipped"] = sorted({*layer["clipped"], free})

    rehash(folder, lambda manifest: manifest.update(is_clipped=True))
    assert forge_layer(folder, text, clip)


def test_a_higher_branch_is_not_of_lowest_power(tmp_path):
    wide = IDEAL.replace(v_max_v=20.0)
    before = build_export(network(), wide)
    turned = [
        dataclasses.replace(layer, phase_cmd_rad=layer.phase_cmd_rad + 2 * np.pi)
        for layer in before.layers
    ]
    present = dataclasses.replace(before, layers=tuple(turned))
    export = build_export(network(), wide, options=ExportOptions(present=present))
    folder = write_export(export, tmp_path / "chip", has_table=False)
    assert not is_found(folder)
    rehash(folder, lambda manifest: manifest.update(branch="lowest_power"))
    with pytest.raises(ChipFileError, match="is not on the branch of lowest power"):
        verify_export(folder)


@pytest.mark.parametrize("key", ["seed", "index"])
def test_another_chip_is_not_the_calibrated_one(tabled, tmp_path, key):
    folder = Path(shutil.copytree(tabled, tmp_path / "chip"))
    rehash(folder, lambda manifest: manifest["chip"].update({key: 9}))
    with pytest.raises(ChipFileError, match=r"shifter \d+ .*: its `status` is not that"):
        verify_export(folder)


@pytest.mark.parametrize("changes", [{"seed": 9}, {"index": 3}, {"scale": 10.0}])
def test_chip_and_scales_of_a_calibration_belong_together(tmp_path, changes):
    """Without failures, the norm of the weights tells."""
    _, options = calibrated()
    chip = Chip(LAB, 5, 2)
    options = ExportOptions(calibrated=dataclasses.replace(options.calibrated, chip=chip))
    export = build_export(network(), LAB, options=options)
    folder = write_export(export, tmp_path / "chip", has_table=False)
    checked_export(folder)

    def edit(manifest):
        if "scale" in changes:
            rows = manifest["layers"][1]["scale"]
            manifest["layers"][1]["scale"] = [[10 * x for x in row] for row in rows]
        else:
            manifest["chip"].update(changes)

    rehash(folder, edit)
    for check in (checked_export, verify_export):
        with pytest.raises(ChipFileError, match=r"its weights have norm .*, not .* as stated"):
            check(folder)


@pytest.mark.parametrize("name", ["notes.txt", "chip.h5", ".hidden", "002_third.json", "new\nline"])
def test_added_files_do_not_belong(original, tmp_path, name):
    folder = Path(shutil.copytree(original, tmp_path / "chip"))
    (folder / name).write_text("x")
    with pytest.raises(ChipFileError, match="does not belong to the bundle") as caught:
        read_export(folder)
    assert "\n" not in str(caught.value)
    (folder / name).unlink()
    (folder / "more").mkdir()
    with pytest.raises(ChipFileError, match="'more' does not belong"):
        read_export(folder)


def test_files_keep_their_names(original, tmp_path):
    for key, name in (("csv_file", "other.csv"), ("json_file", "other.json")):
        folder = Path(shutil.copytree(original, tmp_path / key))
        (folder / ("chip.csv" if key == "csv_file" else FILE)).rename(folder / name)

        def edit(manifest, key=key, name=name):
            place = manifest if key == "csv_file" else manifest["layers"][0]
            place[key]["path"] = name

        rehash(folder, edit)
        with pytest.raises(ChipFileError, match=f"'{name}' must be called"):
            read_export(folder)


def test_a_key_that_occurs_twice_is_refused(original, tmp_path):
    folder = Path(shutil.copytree(original, tmp_path / "chip"))
    text = (folder / FILE).read_text().replace('"clipped":', '"clipped":[],"clipped":', 1)
    write_layer(folder, text.encode())
    with pytest.raises(ChipFileError, match="a key occurs twice"):
        read_export(folder)


def test_every_cell_of_the_csv_file_is_checked(tabled, tmp_path):
    folder = Path(shutil.copytree(tabled, tmp_path / "chip"))
    lines = (tabled / "chip.csv").read_text().splitlines()
    for row in (0, 1, len(lines) - 1):
        for column in range(len(lines[0].split(","))):
            cells = lines[row].split(",")
            cells[column] += "1"
            forged = [*lines[:row], ",".join(cells), *lines[row + 1 :]]
            write_table(folder, "chip.csv", ("\n".join(forged) + "\n").encode())
            assert is_found(folder), (row, column)


def edited_hdf5(folder: Path, edit: Callable[[object], object]) -> bytes:
    import h5py

    path = folder.parent / "edited.h5"
    shutil.copy(folder / "chip.h5", path)
    with h5py.File(path, "r+") as file:
        edit(file)
    return path.read_bytes()


def test_every_column_of_the_hdf5_file_is_checked(tabled, tmp_path):
    import h5py

    folder = Path(shutil.copytree(tabled, tmp_path / "chip"))
    assert not is_found(folder)
    with h5py.File(tabled / "chip.h5") as file:
        columns = list(file)
    assert len(columns) == 23

    def change(file, name):
        values = file[name][:]
        if values.dtype == np.uint8:
            values[-1] = (int(values[-1]) + 1) % 3
        else:
            values[-1] = 1 if np.isnan(values[-1]) else values[-1] + 1
        file[name][...] = values

    edits = {name: lambda file, n=name: change(file, n) for name in columns}
    edits |= {
        "unit": lambda file: file["drive_v"].attrs.update(unit="mV"),
        "added unit": lambda file: file["matrix"].attrs.update(unit="mV"),
        "without a column": lambda file: file.pop("drive_v"),
        "added column": lambda file: file.create_dataset("extra", data=[1.0]),
        "added group": lambda file: file.create_group("group"),
        "added attribute": lambda file: file.attrs.update(note="x"),
        "layers": lambda file: file.attrs.update(layers=["a", "b"]),
    }
    for what, edit in edits.items():
        write_table(folder, "chip.h5", edited_hdf5(folder, edit))
        assert is_found(folder), what
        write_table(folder, "chip.h5", (tabled / "chip.h5").read_bytes())
    assert not is_found(folder)


def replaced(file, **storage) -> None:
    values, kind = file["phase_rad"][:], file["phase_rad"].dtype
    unit = file["phase_rad"].attrs["unit"]
    del file["phase_rad"]
    file.create_dataset("phase_rad", data=values, dtype=kind, **storage).attrs["unit"] = unit


def outside(file) -> None:
    """The same numbers, in a file elsewhere."""
    import h5py

    values = file["phase_rad"][:]
    del file["phase_rad"]
    with h5py.File(Path(file.filename).with_name("elsewhere.h5"), "w") as other:
        other["phase_rad"] = values
    file["phase_rad"] = h5py.ExternalLink("elsewhere.h5", "/phase_rad")


@pytest.mark.parametrize(
    "edit",
    [
        lambda file: replaced(file),
        lambda file: replaced(file, chunks=(7,), compression="gzip", shuffle=True),
        lambda file: replaced(file, compression="lzf"),
        outside,
    ],
    ids=["plain", "chunks", "filter", "link"],
)
def test_columns_that_are_stored_in_another_way_are_not_read(tabled, tmp_path, edit):
    folder = Path(shutil.copytree(tabled, tmp_path / "chip"))
    write_table(folder, "chip.h5", edited_hdf5(folder, edit))
    with pytest.raises(ChipFileError, match=r"chip\.h5: `phase_rad` is"):
        checked_export(folder)


@pytest.mark.parametrize("data", [b"", b"text\n", b"\x89HDF\r\n\x1a\n", b"\x00" * 4096])
def test_what_is_no_hdf5_is_refused(tabled, tmp_path, data):
    folder = Path(shutil.copytree(tabled, tmp_path / "chip"))
    write_table(folder, "chip.h5", data)
    with pytest.raises(ChipFileError, match=r"chip\.h5: "):
        checked_export(folder)


def test_the_hash_that_was_kept_decides(original, tmp_path):
    kept = manifest_sha256(original)
    checked_export(original, kept)
    verify_export(original, kept.upper() + "\n")
    folder = Path(shutil.copytree(original, tmp_path / "chip"))
    rehash(folder, lambda manifest: manifest["created_by"].update(commit="other"))
    verify_export(folder)
    with pytest.raises(ChipFileError, match=rf"its SHA-256 is [0-9a-f]{{64}}, not '{kept[:5]}"):
        verify_export(folder, kept)
    with pytest.raises(ChipFileError, match="not 'abc'"):
        checked_export(folder, "abc")
