"""Settings in the files of drivers and other programs, by the names of ``--format``."""

import csv

import numpy as np
import pytest
import torch

from photonic.channel_map import ChannelMap
from photonic.chipfile import FORMATS, ExportOptions, build_export, drive_table, write_format
from photonic.export_formats import read_npz
from photonic.hardware import load_hardware
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
    with pytest.raises(ValueError, match="a single one is for perceval and sax"):
        write_format(export, tmp_path / "out", "csv", tile=(0, 0))
    with pytest.raises(ValueError, match="there is no"):
        write_format(export, tmp_path / "out", "sax", tile=(7, 0))
    assert list(tmp_path.iterdir()) == []
