"""Chip files: bytes, numbers, weights rebuilt from them, and refusal of damaged folders."""

import csv
import hashlib
import json
import tempfile
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from photonic.chip import Chip
from photonic.chipfile import (
    ChipFileError,
    export_program,
    read_export,
    rebuild_weights,
    verify_export,
    write_export,
)
from photonic.chipfile.records import CSV_COLUMNS, json_schemas, shifter_table
from photonic.hardware import HardwareConfig, load_hardware
from photonic.layout import MeshLayout
from photonic.mapping import map_linear
from photonic.program import Program
from photonic.randomness import keyed_generator
from photonic.realisation import realise
from tests.tolerances import REBUILD_F64

PRESETS = ["ideal", "soi_lab_good", "soi_typical", "sin_quix20_like", "flw6_like"]
PROVENANCE = {"version": "0.1.0", "commit": "abc", "seed": 7, "dataset": {"sha256": "00"}}


def mapped(rows: int, cols: int, tile: int | str, name: str, layout: str = "clements") -> Program:
    weight = torch.from_numpy(keyed_generator(0, name).standard_normal((rows, cols)))
    return map_linear(weight, layout=layout, tile=tile, name=name)


def network() -> list[Program]:
    return [mapped(7, 9, 4, "head/first"), mapped(4, 6, "full", "head second", "reck")]


def weights_of(programs: list[Program]) -> dict[str, Tensor]:
    return {program.name: program.weight() for program in programs}


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    hardware = load_hardware("soi_lab_good")
    return export_program(network(), hardware, tmp_path / "chip", provenance=PROVENANCE)


def rehash(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Edit the manifest and give it a matching hash, as a forger would."""
    manifest = json.loads((folder / "manifest.json").read_text())
    edit(manifest)
    data = json.dumps(manifest).encode()
    (folder / "manifest.json").write_bytes(data)
    line = f"{hashlib.sha256(data).hexdigest()}  manifest.json\n"
    (folder / "manifest.json.sha256").write_text(line)


def rehash_layer(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Edit the first layer file and give it a matching hash."""
    path = folder / "000_head_first.json"
    layer = json.loads(path.read_text())
    edit(layer)
    path.write_text(json.dumps(layer))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    rehash(folder, lambda manifest: manifest["layers"][0]["json_file"].update(sha256=digest))


@pytest.mark.parametrize("name", PRESETS)
def test_files_give_the_weights_back(tmp_path, name):
    hardware, programs = load_hardware(name), network()
    folder = export_program(programs, hardware, tmp_path / "chip", provenance=PROVENANCE)
    export = read_export(folder)
    for layer, errors in verify_export(folder, weights_of(programs)).items():
        assert errors["phase"] <= REBUILD_F64, layer
        assert (errors["voltage"] is None) == (hardware.v_pi_v is None)
        assert errors["voltage"] is None or errors["voltage"] <= REBUILD_F64, layer
        assert (errors["code"] is None) == (hardware.dac_bits is None)
        assert errors["code"] is None or errors["code"] > REBUILD_F64, layer
    assert export.manifest.hardware == hardware


@pytest.mark.parametrize("name", ["soi_lab_good", "soi_typical"])
def test_codes_give_the_weights_of_a_chip_that_only_rounds(tmp_path, name):
    preset, programs = load_hardware(name), network()
    drive = preset.model_dump(
        include={"name", "v_pi_v", "v_max_v", "dac_bits", "dac_mode", "is_crosstalk_compensated"}
    )
    crosstalk = preset.crosstalk if preset.is_crosstalk_compensated else 0.0
    hardware = HardwareConfig(**drive, crosstalk=crosstalk)
    folder = export_program(programs, hardware, tmp_path / "chip", provenance={})
    rebuilt = rebuild_weights(read_export(folder), "code")
    for program in programs:
        realised = realise(program, Chip(hardware))
        error = torch.linalg.norm(rebuilt[program.name] - realised) / torch.linalg.norm(realised)
        assert error <= REBUILD_F64, f"{program.name}: {error:.1e}"


@given(
    rows=st.integers(1, 7),
    cols=st.integers(1, 7),
    tile=st.integers(1, 4) | st.just("full"),
    layout=st.sampled_from(["clements", "reck"]),
    name=st.text(min_size=1, max_size=8).filter(lambda text: text.isprintable()),
)
def test_any_shape_and_name_survives(rows, cols, tile, layout, name):
    program = mapped(rows, cols, tile, name, layout)
    with tempfile.TemporaryDirectory() as parent:
        first = export_program(
            [program], load_hardware("soi_lab_good"), Path(parent) / "a", provenance=PROVENANCE
        )
        second = write_export(read_export(first), Path(parent) / "b")
        assert files_of(first) == files_of(second)
        errors = verify_export(first, {name: program.weight()})[name]
        assert max(errors["phase"], errors["voltage"]) <= REBUILD_F64


def test_same_input_same_bytes(tmp_path):
    a, b = (
        export_program(network(), load_hardware("soi_typical"), tmp_path / n, provenance=PROVENANCE)
        for n in "ab"
    )
    assert files_of(a) == files_of(b)
    assert len(files_of(a)) == 2 + 2 * len(network())


def test_csv_holds_the_numbers_of_the_json(folder):
    export = read_export(folder)
    for entry, layer in zip(export.manifest.layers, export.layers, strict=True):
        with (folder / entry.csv_file.path).open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        assert tuple(rows[0]) == CSV_COLUMNS
        for column in ("phase_rad", "phase_cmd_rad", "voltage_v", "dac_code"):
            assert [float(row[column]) for row in rows] == getattr(layer, column)
        assert [int(row["id"]) for row in rows] == list(range(len(rows)))
        size = len(layer.shifters.mesh)
        for k in {0, size - 1, len(rows) // 2, len(rows) - 1}:
            tile, channel = divmod(k, size)
            place = tuple(int(rows[k][name]) for name in ("tile_row", "tile_col", "channel"))
            assert place == (*divmod(tile, entry.tile_cols), channel)
            mzi = layer.shifters.mzi[channel]
            assert rows[k]["mzi"] == ("" if mzi is None else str(mzi))
            assert rows[k]["mesh"] == layer.shifters.mesh[channel]
            assert rows[k]["role"] == layer.shifters.role[channel]
            assert int(rows[k]["mode"]) == layer.shifters.mode[channel]
            assert int(rows[k]["column"]) == layer.shifters.column[channel]


def test_shifters_of_a_two_mode_tile_by_hand():
    table = shifter_table(MeshLayout.clements(2), MeshLayout.clements(2))
    mesh = ["theta", "phi", "out", "out"]
    assert table.role == [*mesh, "theta", "theta", "phi", "phi", *mesh]
    assert table.mesh == ["V"] * 4 + ["sigma"] * 4 + ["U"] * 4
    assert table.mode == [0, 0, 0, 1, 0, 1, 0, 1, 0, 0, 0, 1]
    assert table.column == [0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1]
    assert table.mzi == [0, 0, None, None, 0, 1, 0, 1, 0, 0, None, None]


def test_manifest_states_conventions_origin_and_sources(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["convention"] == {
        "phi_side": "in",
        "arm": "single",
        "cross_at_theta": 0,
        "mode_zero": "top",
        "time_sign": "+",
        "output_screen": True,
    }
    assert manifest["created_by"] == {"program": "lightframe", "version": "0.1.0", "commit": "abc"}
    assert manifest["provenance"] == {"seed": 7, "dataset": {"sha256": "00"}}
    assert "10 mK" in manifest["hardware"]["sources"]["ou_sigma_rad"]
    target = network()[0].weight().numpy().astype("<f8").tobytes()
    digest = manifest["layers"][0]["source_matrix_sha256"]
    assert digest == hashlib.sha256(target).hexdigest()


def test_shipped_schemas_are_those_of_the_models():
    for name, schema in json_schemas().items():
        text = resources.files("photonic.chipfile").joinpath(name).read_text("utf-8")
        assert json.loads(text) == schema, f"{name} is out of date"


def test_an_existing_folder_is_kept(folder):
    before = files_of(folder)
    with pytest.raises(FileExistsError, match="never overwritten"):
        export_program(network(), load_hardware("ideal"), folder, provenance={})
    assert files_of(folder) == before


@pytest.mark.parametrize(
    ("hardware", "provenance", "message"),
    [
        (load_hardware("ideal").replace(v_max_v=5.0), {}, "drives at most 5 V"),
        (load_hardware("ideal"), {"when": object()}, "provenance"),
        (load_hardware("ideal").replace(max_modes=2), {}, "carries at most 2 modes"),
    ],
    ids=["voltage", "provenance", "modes"],
)
def test_a_failed_export_leaves_nothing(tmp_path, hardware, provenance, message):
    with pytest.raises(ValueError, match=message):
        export_program(network(), hardware, tmp_path / "chip", provenance=provenance)
    assert list(tmp_path.iterdir()) == []


def test_layers_of_one_name_are_refused(tmp_path):
    twice = [mapped(2, 2, 2, "a"), mapped(3, 3, 3, "a")]
    with pytest.raises(ValueError, match="different names"):
        export_program(twice, load_hardware("ideal"), tmp_path / "chip", provenance={})


@pytest.mark.parametrize(
    "file", ["manifest.json", "000_head_first.json", "000_head_first.csv", "001_head_second.csv"]
)
@pytest.mark.parametrize("damage", ["edited", "truncated", "missing"])
def test_damaged_files_are_refused(folder, file, damage):
    path = folder / file
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
        message = rf"^{file}: No such file or directory"
    else:
        path.write_bytes(data.replace(b"1", b"2", 1) if damage == "edited" else data[:-40])
        message = rf"^{file}: edited or truncated: its SHA-256 differs$"
    with pytest.raises(ChipFileError, match=message):
        read_export(folder)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda m: m.pop("convention"), "has no convention block"),
        (lambda m: m["convention"].update(phi_side="out"), r"'convention.phi_side'.*'in'"),
        (lambda m: m["convention"].pop("arm"), r"'convention.arm': Field required"),
        (lambda m: m.update(schema_version=2), "expected lightframe.chip-program version 1"),
        (lambda m: m.update(schema="other"), "expected lightframe.chip-program version 1"),
        (lambda m: m.update(comment="hello"), "'comment': Extra inputs"),
        (lambda m: m["hardware"].update(v_pi_v=-1.0), "'hardware.v_pi_v'.*greater than 0"),
        (lambda m: m["drive"].update(phase_full_scale_rad=1.0), "drive laws do not belong"),
        (lambda m: m["layers"][0]["scale"].pop(), "`scale` does not fit its tiles"),
        (lambda m: m["layers"][0].update(out_features=99), "2 tiles of 4 do not fit 99 features"),
        (lambda m: m["layers"][0]["scale"][0].__setitem__(1, -1.0), r"'layers.0.scale.0.1'"),
        (lambda m: m["layers"][0].update(name="other"), "layer 'head/first', expected 'other'"),
        (lambda m: m["layers"][0]["u_layout"].update(kind="star"), "'head/first': `kind` must be"),
        (lambda m: m["layers"][0]["u_layout"].update(kind="reck"), "not those of the layouts"),
        (lambda m: m["layers"][0]["json_file"].update(path="../x.json"), "json_file.path"),
    ],
)
def test_forged_manifests_are_refused(folder, edit, message):
    rehash(folder, edit)
    with pytest.raises(ChipFileError, match=message) as caught:
        read_export(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda layer: layer["phase_rad"].pop(), r"`phase_rad` must hold \d+ values, got \d+"),
        (lambda layer: layer["dac_code"].append(1), r"`dac_code` must hold \d+ values, got \d+"),
        (lambda layer: layer["shifters"]["mode"].reverse(), "not those of the layouts"),
        (lambda layer: layer["phase_rad"].__setitem__(3, "1.0"), r"'phase_rad.3'.*valid number"),
        (lambda layer: layer["voltage_v"].__setitem__(0, float("nan")), "'voltage_v.0'.*finite"),
        (lambda layer: layer.update(voltage_v=None), "`voltage_v` contradicts the drive"),
        (lambda layer: layer["dac_code"].__setitem__(0, 2**16), "`dac_code` exceeds 16 bit"),
        (lambda layer: layer.pop("voltage_v"), "'voltage_v': Field required"),
    ],
)
def test_forged_layers_are_refused(folder, edit, message):
    rehash_layer(folder, edit)
    with pytest.raises(ChipFileError, match=message):
        read_export(folder)


@pytest.mark.parametrize("text", ["[]", "{", "[" * 100_000])
def test_manifests_that_are_no_object_are_refused(folder, text):
    (folder / "manifest.json").write_text(text)
    line = f"{hashlib.sha256(text.encode()).hexdigest()}  manifest.json\n"
    (folder / "manifest.json.sha256").write_text(line)
    with pytest.raises(ChipFileError, match=r"manifest.json: (must be|not valid)"):
        read_export(folder)


def test_an_absent_folder_is_refused(tmp_path):
    with pytest.raises(ChipFileError, match="No such file"):
        read_export(tmp_path / "nothing")


def test_verification_compares_the_same_layers(folder):
    weights = weights_of(network())
    weights["third"] = weights.pop("head second")
    with pytest.raises(ValueError, match=r"\['head second', 'third'\] are on one side only"):
        verify_export(folder, weights)


def test_verification_sees_a_wrong_weight(folder):
    weights = {name: 2 * weight for name, weight in weights_of(network()).items()}
    for errors in verify_export(folder, weights).values():
        assert abs(errors["phase"] - 0.5) <= REBUILD_F64


def test_absent_columns_cannot_be_rebuilt(tmp_path):
    unknown = load_hardware("flw6_like")
    folder = export_program(network(), unknown, tmp_path / "chip", provenance={})
    with pytest.raises(ValueError, match=r"'head/first' has no column for source 'voltage'"):
        rebuild_weights(read_export(folder), "voltage")
