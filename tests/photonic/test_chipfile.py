"""Chip bundles: bytes, numbers, weights rebuilt from them, tables, and atomic writing."""

import csv
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from importlib import resources
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from photonic.chip import Chip
from photonic.chipfile import (
    ChipFileError,
    export_program,
    program_of_layer,
    read_export,
    rebuild_weights,
    verify_export,
    write_export,
)
from photonic.chipfile import writer as writer_module
from photonic.chipfile.layer import COLUMNS, shifter_table
from photonic.chipfile.records import json_schemas
from photonic.hardware import HardwareConfig, load_hardware
from photonic.layout import MeshLayout
from photonic.realisation import realise
from tests.photonic.chips import PROVENANCE, files_of, mapped, network, weights_of
from tests.tolerances import POWER_DIGIT, REBUILD_F64

PRESETS = ["ideal", "soi_lab_good", "soi_typical", "sin_quix20_like", "flw6_like"]
SCATTER = load_hardware("ideal").replace(
    name="scatter",
    v_pi_v=None,
    heater_quadratic_rad_per_v2=0.8031,
    heater_quartic_rad_per_v4=-0.02418,
    v_max_v=4.0,
    p_pi_mw=12.4,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    hardware = load_hardware("soi_lab_good")
    return export_program(network(), hardware, tmp_path / "chip", provenance=PROVENANCE)


@pytest.mark.parametrize("name", [*PRESETS, "scatter"])
def test_files_give_the_weights_back(tmp_path, name):
    hardware = SCATTER if name == "scatter" else load_hardware(name)
    programs = network()
    folder = export_program(programs, hardware, tmp_path / "chip", provenance=PROVENANCE)
    found = verify_export(folder)
    for layer, errors in found.errors(weights_of(programs)).items():
        assert errors["phase"] <= REBUILD_F64, layer
        assert (errors["voltage"] is None) == (not hardware.has_drive_law)
        assert errors["voltage"] is None or errors["voltage"] <= REBUILD_F64, layer
        assert (errors["code"] is None) == (hardware.dac_bits is None)
        assert errors["code"] is None or errors["code"] > REBUILD_F64, layer
    assert found.export.header.hardware == hardware
    assert found.chip_weights is None
    assert abs(found.largest_singular_value - 1) <= REBUILD_F64


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
        errors = verify_export(first).errors({name: program.weight()})[name]
        assert max(errors["phase"], errors["voltage"]) <= REBUILD_F64
        again = export_program(
            [program_of_layer(read_export(first).layers[0])],
            load_hardware("soi_lab_good"),
            Path(parent) / "c",
            provenance=PROVENANCE,
        )
        before, after = (read_export(x).layers[0] for x in (first, again))
        assert before.phase_rad.tobytes() == after.phase_rad.tobytes()


def test_same_input_same_bytes(tmp_path):
    a, b = (
        export_program(network(), load_hardware("soi_typical"), tmp_path / n, provenance=PROVENANCE)
        for n in "ab"
    )
    assert files_of(a) == files_of(b)
    names = {"manifest.json", "manifest.json.sha256", "chip.csv"}
    assert files_of(a).keys() - {"chip.h5"} == names | {
        "000_head_first.json",
        "001_head_second.json",
    }


def test_csv_holds_every_shifter(folder):
    export = read_export(folder)
    with (folder / "chip.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == COLUMNS
    assert [int(row["id"]) for row in rows] == list(range(export.header.num_shifters))
    for name in ("phase_rad", "phase_cmd_rad", "drive_v", "drive_ma", "power_mw", "dac_code"):
        assert [float(row[name]) for row in rows] == export.column(name).tolist()
    for layer in export.layers:
        size = layer.grid.num_shifters // layer.grid.num_tiles
        for k in {0, size - 1, layer.grid.num_shifters // 2, layer.grid.num_shifters - 1}:
            row = rows[layer.grid.first_id + k]
            tile, slot = divmod(k, size)
            place = int(row["tile_row"]), int(row["tile_col"])
            assert place == divmod(tile, layer.grid.tile_cols)
            assert row["layer"] == layer.name
            for name in ("matrix", "role", "top_mode", "mesh_column"):
                assert row[name] == str(getattr(layer.slots, name)[slot])
            mzi = layer.slots.mzi[slot]
            assert row["mzi"] == ("" if mzi is None else str(mzi))
            assert (row["law"], row["status"], row["p3"]) == ("voltage", "ok", "")


def test_volts_amperes_and_watts_belong_together(folder):
    export = read_export(folder)
    hardware = export.header.hardware
    volts, amperes = export.column("drive_v"), 1e-3 * export.column("drive_ma")
    watts = 1e-3 * export.column("power_mw")
    assert np.abs(volts * amperes - watts).max() <= POWER_DIGIT
    nominal = 1e-3 * hardware.p_pi_mw * export.column("phase_cmd_rad") / np.pi
    assert np.abs(nominal - watts).max() <= POWER_DIGIT


def test_hdf5_holds_the_same_columns(tmp_path):
    h5py = pytest.importorskip("h5py")
    hardware = load_hardware("soi_lab_good")
    folder = export_program(network(), hardware, tmp_path / "c", provenance={}, has_table=True)
    export = read_export(folder)
    with h5py.File(folder / "chip.h5", "r") as file:
        assert set(file) == set(COLUMNS)
        assert list(file.attrs["layers"]) == [layer.name for layer in export.layers]
        for name in ("phase_rad", "drive_v", "power_mw", "dac_code", "top_mode", "tile_col"):
            assert file[name][:].tolist() == export.column(name).tolist()
        for name in ("matrix", "role", "law", "status"):
            words = {v: k for k, v in h5py.check_enum_dtype(file[name].dtype).items()}
            assert [words[i] for i in file[name][:]] == export.column(name).tolist()
        mzi = [-1 if x is None else x for x in export.column("mzi")]
        assert file["mzi"][:].tolist() == mzi


def test_hdf5_without_h5py_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ChipFileError, match=r"pip install 'lightframe\[hdf5\]'"):
        export_program(
            network(), load_hardware("ideal"), tmp_path / "c", provenance={}, has_table=True
        )
    assert list(tmp_path.iterdir()) == []


def test_shifters_of_a_two_mode_tile_by_hand():
    table = shifter_table(MeshLayout.clements(2), MeshLayout.clements(2))
    mesh = ["theta", "phi", "output", "output"]
    middle = ["attenuator_theta"] * 2 + ["attenuator_phi"] * 2
    assert table.role == [*mesh, *middle, *mesh]
    assert table.matrix == ["V"] * 4 + ["sigma"] * 4 + ["U"] * 4
    assert table.top_mode == [0, 0, 0, 1, 0, 1, 0, 1, 0, 0, 0, 1]
    assert table.mesh_column == [0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1]
    assert table.mzi == [0, 0, None, None, 0, 1, 0, 1, 0, 0, None, None]


def test_manifest_states_conventions_origin_and_sources(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["convention"]["phi_side"] == "in"
    assert any("light meets phi first" in line for line in manifest["convention_text"])
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


def test_files_satisfy_the_shipped_schemas(folder):
    schemas = json_schemas()
    manifest = json.loads((folder / "manifest.json").read_text())
    jsonschema.validate(manifest, schemas["manifest.schema.json"])
    for entry in manifest["layers"]:
        layer = json.loads((folder / entry["json_file"]["path"]).read_text())
        jsonschema.validate(layer, schemas["layer.schema.json"])
        layer["phase_rad"][0] = "1.0"
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(layer, schemas["layer.schema.json"])
    manifest["layers"][0]["json_file"]["path"] = "../x.json"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(manifest, schemas["manifest.schema.json"])


def test_an_existing_folder_is_kept(folder):
    before = files_of(folder)
    with pytest.raises(FileExistsError, match="nothing was overwritten"):
        export_program(network(), load_hardware("ideal"), folder, provenance={})
    assert files_of(folder) == before


@pytest.mark.parametrize(
    ("hardware", "provenance", "message"),
    [
        (load_hardware("ideal").replace(v_max_v=5.0), {}, r"shifter \d+ \('head/first', tile"),
        (load_hardware("ideal"), {"when": object()}, "provenance"),
        (load_hardware("ideal").replace(max_modes=2), {}, "carries at most 2 modes"),
    ],
    ids=["voltage", "provenance", "modes"],
)
def test_a_failed_export_leaves_nothing(tmp_path, hardware, provenance, message):
    with pytest.raises(ValueError, match=message):
        export_program(network(), hardware, tmp_path / "chip", provenance=provenance)
    assert list(tmp_path.iterdir()) == []


def test_an_error_while_writing_leaves_nothing(tmp_path, monkeypatch):
    def fail(export):
        yield b"id\n"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer_module, "csv_chunks", fail)
    with pytest.raises(OSError, match="No space left"):
        export_program(network(), load_hardware("ideal"), tmp_path / "chip", provenance={})
    assert list(tmp_path.iterdir()) == []


_SLOW_EXPORT = """
import sys, time
from pathlib import Path
from photonic.chipfile import export_program, writer
from photonic.hardware import load_hardware
from tests.photonic.chips import network
chunks = writer.csv_chunks
def stalled(export):
    for chunk in chunks(export):
        yield chunk
        print("writing", flush=True)
        time.sleep(60)
writer.csv_chunks = stalled
export_program(network(), load_hardware("ideal"), sys.argv[1], provenance={})
"""


def test_a_killed_export_looks_like_none(tmp_path):
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", _SLOW_EXPORT, str(tmp_path / "chip")],
        cwd=root,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"writing\n"
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    assert not (tmp_path / "chip").exists()
    (rest,) = tmp_path.iterdir()
    assert rest.name.startswith("chip.partial-")
    with pytest.raises(ChipFileError, match=r"manifest\.json\.sha256: No such file"):
        read_export(rest)
    export_program(network(), load_hardware("ideal"), tmp_path / "chip", provenance={})
    verify_export(tmp_path / "chip")
    assert [path.name for path in tmp_path.iterdir()] == ["chip"]


def test_layers_of_one_name_are_refused(tmp_path):
    twice = [mapped(2, 2, 2, "a"), mapped(3, 3, 3, "a")]
    with pytest.raises(ValueError, match="different names"):
        export_program(twice, load_hardware("ideal"), tmp_path / "chip", provenance={})


def test_verification_compares_the_same_layers(folder):
    weights = weights_of(network())
    weights["third"] = weights.pop("head second")
    found = verify_export(folder)
    with pytest.raises(ValueError, match=r"\['head second', 'third'\] are on one side only"):
        found.errors(weights)
    weights = weights_of(network())
    weights["head second"] = weights["head second"].T
    with pytest.raises(ValueError, match=r"'head second' is \(4, 6\) in the files, \(6, 4\) here"):
        found.errors(weights)


def test_verification_sees_a_wrong_weight(folder):
    weights = {name: 2 * weight for name, weight in weights_of(network()).items()}
    for errors in verify_export(folder).errors(weights).values():
        assert abs(errors["phase"] - 0.5) <= REBUILD_F64


def test_absent_columns_cannot_be_rebuilt(tmp_path):
    unknown = load_hardware("flw6_like")
    folder = export_program(network(), unknown, tmp_path / "chip", provenance={})
    with pytest.raises(ValueError, match=r"'head/first' has no column for source 'voltage'"):
        rebuild_weights(read_export(folder), "voltage")


def test_a_layer_of_many_tiles(tmp_path):
    program = mapped(128, 128, 16, "large")
    hardware = load_hardware("soi_lab_good")
    folder = export_program([program], hardware, tmp_path / "chip", provenance={})
    found = verify_export(folder).errors({"large": program.weight()})
    assert found["large"]["voltage"] <= REBUILD_F64
