"""Settings in the files of drivers and other programs, by the names of ``--format``."""

import csv
import dataclasses
import json
import re

import numpy as np
import pytest
import safetensors.numpy
import torch

from photonic.channel_map import ChannelMap
from photonic.chipfile import (
    FORMATS,
    ExportOptions,
    FormatOptions,
    build_export,
    drive_table,
    write_format,
)
from photonic.drive_laws import LawRecord
from photonic.export_formats import read_channel_table, read_circuit_text, read_npz
from photonic.hardware import load_hardware
from photonic.phases import MeshPhases
from tests.photonic.chips import mapped, network

LAB = load_hardware("soi_lab_good")


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_written(tmp_path, name):
    # torchonn has square blocks of one size.
    programs = [mapped(8, 8, 4, "layer")] if name == "torchonn" else network()
    total = sum(program.num_phase_shifters for program in programs)
    options = ExportOptions(channels=ChannelMap.packed(total, 8))
    out = write_format(build_export(programs, LAB, options=options), tmp_path / "out", name)
    files = {path.name for path in out.iterdir()}
    expected = {
        "bundle": {"manifest.json", "manifest.json.sha256", "chip.csv"},
        "csv": {"chip.csv"},
        "qontrol": {"codes.csv", "port0.qontrol.txt", "port4.qontrol.txt"},
        "nidaqmx": {"channels.csv"},
        "perceval": {"meshes.json", "000_head_first_r0_c0_V.pcvl.json"},
        "sax": {"meshes.json", "sax_models.py", "001_head_second_r0_c0_U.pic.yml"},
        "torchonn": {"torchonn.safetensors"},
        "npz": {"programs.npz"},
    }
    assert expected[name] <= files
    with pytest.raises(FileExistsError):
        write_format(build_export(programs, LAB), out, name)


def test_the_drive_table_has_the_volts_of_the_bundle(tmp_path):
    export = build_export(network(), LAB)
    table = drive_table(export)
    assert table.drive_v.tolist() == export.column("drive_v").tolist()
    assert table.dac_code == tuple(export.column("dac_code").tolist())
    assert np.unique(table.limit_v).tolist() == [12.0]
    out = write_format(export, tmp_path / "out", "nidaqmx")
    with (out / "channels.csv").open(newline="") as stream:
        rows = {int(row["shifter"]): row for row in csv.DictReader(stream)}
    volts = export.column("drive_v")
    assert [float(rows[i]["volts"]) for i in range(len(volts))] == volts.tolist()


def test_archived_programs_are_those_of_the_network(tmp_path):
    out = write_format(build_export(network(), LAB), tmp_path / "out", "npz")
    read = read_npz(out / "programs.npz")
    for program in network():
        assert torch.equal(read[program.name].attenuation, program.attenuation)
        assert torch.equal(read[program.name].scale, program.scale)


def test_unknown_formats_and_tiles_are_refused(tmp_path):
    export = build_export(network(), LAB)
    with pytest.raises(ValueError, match="unknown format 'xls'; available: bundle, csv"):
        write_format(export, tmp_path / "out", "xls")
    with pytest.raises(ValueError, match="a single tile is for format perceval and sax"):
        write_format(export, tmp_path / "out", "csv", FormatOptions(tile=(0, 0)))
    with pytest.raises(ValueError, match="kind of driver modules is for format qontrol, not for"):
        write_format(export, tmp_path / "out", "nidaqmx", FormatOptions(module_kind="Q8b"))
    with pytest.raises(ValueError, match="conversion of currents to volts is for format nidaqmx"):
        write_format(export, tmp_path / "out", "npz", FormatOptions(is_current_converted=True))
    with pytest.raises(ValueError, match="there is no"):
        write_format(export, tmp_path / "out", "sax", FormatOptions(tile=(7, 0)))
    assert list(tmp_path.iterdir()) == []


def test_the_kind_of_the_modules_sets_their_full_scale(tmp_path):
    programs = network()
    total = sum(program.num_phase_shifters for program in programs)
    options = ExportOptions(channels=ChannelMap.packed(total, 8))
    export = build_export(programs, LAB, options=options)
    for kind, limit in ((None, "IMAX0=24.00000"), ("Q8b", "IMAX0=83.33333")):
        out = write_format(export, tmp_path / str(kind), "qontrol", FormatOptions(module_kind=kind))
        assert limit in (out / "port0.qontrol.txt").read_text().splitlines()


def test_laws_of_the_current_drive_currents(tmp_path):
    """With a resistance they were driven in volts, which the calibration did not measure."""
    programs = network()
    total = sum(program.num_phase_shifters for program in programs)
    law = LawRecord(law="current", p1=0.05, max_drive=24.0, resistance_ohm=400.0)
    channels = ChannelMap.packed(total, 8)
    export = build_export(
        programs,
        LAB.replace(v_max_v=12.0, dac_bits=None),
        options=ExportOptions(laws=[law], channels=channels),
    )
    out = write_format(export, tmp_path / "qontrol", "qontrol")
    lines = (out / "port0.qontrol.txt").read_text().splitlines()
    assert {line[0] for line in lines if "MAX" not in line} == {"I"}
    assert f"I7={export.column('drive_ma')[7]:.5f}" in lines
    with pytest.raises(ValueError, match=rf"shifter 0 is calibrated in mA.*\({total} shifters"):
        write_format(export, tmp_path / "ni", "nidaqmx")
    options = FormatOptions(is_current_converted=True)
    out = write_format(export, tmp_path / "ni", "nidaqmx", options)
    volts = read_channel_table((out / "channels.csv").read_text())
    assert volts["module0/ao7"] == export.column("drive_v")[7]


def with_negative_zeros(program, has_more):
    """The program with every zero, and a fifth of all numbers too, as -0.0."""

    def negated(tensor):
        changed = torch.where(tensor == 0, -0.0, tensor)
        if has_more:
            changed.view(-1)[::5] = -0.0
        return changed

    meshes = {
        name: MeshPhases(
            *(negated(getattr(getattr(program, name), f)) for f in ("theta", "phi", "output_phase"))
        )
        for name in "uv"
    }
    return dataclasses.replace(program, attenuation=negated(program.attenuation), **meshes)


def negative_zeros(path):
    """Places in a file that say -0.0, of text or of arrays."""
    if path.suffix == ".h5":
        h5py = pytest.importorskip("h5py")
        with h5py.File(path) as file:
            arrays = {name: np.asarray(data) for name, data in file.items()}
    elif path.suffix == ".npz":
        arrays = dict(np.load(path))
    elif path.suffix == ".safetensors":
        arrays = safetensors.numpy.load_file(path)
    elif path.name.endswith(".pcvl.json"):
        layout = mapped(4, 4, 4, "x").u_layout
        phases = read_circuit_text(json.loads(path.read_text()), layout)
        arrays = {name: getattr(phases, name).numpy() for name in ("theta", "phi", "output_phase")}
    else:
        return re.findall(r".*(?<!\w)-0\.0+(?!\d).*", path.read_text())
    return [
        name
        for name, array in arrays.items()
        if array.dtype.kind == "f" and (np.signbit(array) & (array == 0)).any()
    ]


@pytest.mark.parametrize("name", FORMATS)
def test_no_file_says_minus_zero(tmp_path, name):
    # Meshes of torchonn are real, which other phases would break.
    programs = [with_negative_zeros(mapped(8, 8, 4, "layer"), has_more=name != "torchonn")]
    total = programs[0].num_phase_shifters
    law = LawRecord(law="voltage", p0=-0.0, p1=0.2, p2=-0.0, resistance_ohm=400.0)
    hardware = LAB.replace(dac_bits=None, coupler_offset_rad=-0.0)
    options = ExportOptions(laws=[law], channels=ChannelMap.packed(total, 8))
    out = write_format(build_export(programs, hardware, options=options), tmp_path / "out", name)
    for path in out.iterdir():
        assert negative_zeros(path) == [], path.name
    if name == "npz":
        read = read_npz(out / "programs.npz")["layer"]
        assert torch.equal(read.u.theta, programs[0].u.theta)
