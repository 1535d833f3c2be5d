"""Bundles of the shipped model: export, verify, import and diff, as commands would run them."""

import dataclasses
import shutil
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch

from experiments.bundle_verification import BundleReport, require_weights, verify_bundle
from experiments.chip_bundle import (
    ExportRequest,
    build_bundle,
    export_bundle,
    import_bundle,
)
from experiments.commands.bundle_text import parse_tile, print_diff, print_report
from experiments.commands.export import Kind
from experiments.console import console
from experiments.mapped import load_mapped
from photonic import Chip, load_hardware
from photonic.channel_map import ChannelMap
from photonic.chipfile import ChipExport, ChipFileError, diff_exports, write_export
from photonic.export_formats.qontrol_chain import ModuleKind
from photonic.realisation import realise_commands
from tests.experiments.calibrations import stored_calibration
from tests.experiments.conftest import CHECKPOINT
from tests.tolerances import EXPORTED_CODES, PHASE_ERROR

COMMAND = "lightframe test"


@pytest.fixture(scope="module")
def export(mapped_dir: Path) -> ChipExport:
    return build_bundle(mapped_dir, ExportRequest(), COMMAND)


@pytest.fixture(scope="module")
def bundle(export: ChipExport, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_export(export, tmp_path_factory.mktemp("bundle") / "chip", has_table=False)


@pytest.fixture(scope="module")
def report(bundle: Path) -> BundleReport:
    return verify_bundle(bundle, limit=8)


def test_the_shipped_model_is_verified_and_predicted(report):
    for source, bound in (("phase", PHASE_ERROR), ("voltage", PHASE_ERROR)):
        worst = max(row[source] for row in report.errors.values())
        assert worst <= bound, f"{source}: {worst:.1e}"
    codes = max(row["code"] for row in report.errors.values())
    assert EXPORTED_CODES / 10 <= codes <= EXPORTED_CODES
    assert report.checkpoint == CHECKPOINT
    found = report.prediction
    assert found.num_crystals == 8
    assert found.source == "DAC codes as written"
    assert 0 < found.deviation < 0.01
    assert abs(found.bundle_mae - found.digital_mae) <= found.deviation
    with console.capture() as text:
        print_report(report)
    assert "646,272 shifters" in text.get()


def test_import_and_export_keep_every_bit(export, bundle, mapped_dir, tmp_path):
    mapped, count = import_bundle(bundle, tmp_path / "mapped", CHECKPOINT, COMMAND)
    assert count == export.header.num_shifters == 646_272
    original, stored = load_mapped(mapped_dir), load_mapped(tmp_path / "mapped")
    assert stored.settings == original.settings
    assert stored.hardware == original.hardware
    for name, program in original.programs.items():
        assert torch.equal(stored.programs[name].scale, program.scale)
    again = build_bundle(tmp_path / "mapped", ExportRequest(), COMMAND)
    for column in ("phase_rad", "phase_cmd_rad", "drive_v", "dac_code"):
        assert again.column(column).tobytes() == export.column(column).tobytes(), column
    with pytest.raises(FileExistsError):
        import_bundle(bundle, tmp_path / "mapped", CHECKPOINT, COMMAND)
    assert mapped.record.config["checkpoint"] == CHECKPOINT


def test_measured_settings_become_a_model(export, bundle, tmp_path):
    table = tmp_path / "settings.csv"
    table.write_text("id,phase_rad\n100,1.5\n646271,0.25\n")
    mapped, count = import_bundle(table, tmp_path / "m", CHECKPOINT, COMMAND, like=bundle)
    assert count == 2
    again = build_bundle(tmp_path / "m", ExportRequest(), COMMAND)
    changes = diff_exports(export, again, num_largest=5)
    moved = np.flatnonzero(again.column("phase_rad") != export.column("phase_rad")).tolist()
    assert moved == [100, 646_271]
    # Compensation of crosstalk moves the neighbours a little.
    assert {100, 646_271} <= {change.id for change in changes.largest}
    assert changes.num_changed < 40
    with console.capture() as text:
        print_diff(changes)
    assert "shifters change" in text.get()
    assert list(mapped.programs)
    with pytest.raises(ValueError, match="name the bundle they belong to with --like"):
        import_bundle(table, tmp_path / "n", CHECKPOINT, COMMAND)
    with pytest.raises(ValueError, match="--like belongs to measured settings"):
        import_bundle(bundle, tmp_path / "n", CHECKPOINT, COMMAND, like=bundle)
    assert not (tmp_path / "n").exists()


def test_a_bundle_of_another_checkpoint_is_seen(bundle, mapped_dir, tmp_path):
    other = Path(shutil.copytree(mapped_dir / "checkpoint", tmp_path / "other"))
    config = other / "config.json"
    config.write_text(config.read_text() + "\n")
    with pytest.raises(ValueError, match="made of another checkpoint"):
        import_bundle(bundle, tmp_path / "m", str(other), COMMAND)
    assert not (tmp_path / "m").exists()


def test_weights_of_another_network_are_refused(report):
    first = next(iter(report.errors))
    errors = report.errors | {first: report.errors[first] | {"phase": 0.5}}
    with pytest.raises(ValueError, match=f"{first} differs by 5.0e-01$"):
        require_weights(errors, None)
    on_chip = dict.fromkeys(errors, 0.3)
    require_weights(errors, on_chip)
    with pytest.raises(ValueError, match=f"{first} differs by 9.0e\\+00 on the calibrated chip"):
        require_weights(errors, on_chip | {first: 9.0})
    with pytest.raises(ValueError, match=f"{first} differs by nan"):
        require_weights(errors, on_chip | {first: float("nan")})


def test_a_calibrated_chip_is_exported_and_verified_on_itself(mapped, mapped_dir, tmp_path):
    broken = load_hardware("soi_lab_good").replace(dead_probability=0.001)
    directory = stored_calibration(mapped, tmp_path / "calibration", broken, warmer_rad=0.01)
    request = ExportRequest(calibration=directory, has_table=False)
    export, clipped = export_bundle(mapped_dir, request, tmp_path / "chip", COMMAND)
    assert clipped == []
    assert export.header.chip.seed == 3
    report = verify_bundle(tmp_path / "chip", limit=4)
    assert report.prediction.source == "its settings on the chip of the calibration"
    hardware = export.header.hardware
    name = "head.outer"
    program, chip = mapped.programs[name], Chip(hardware, 3, 0)
    commands = mapped.commands(hardware)[name]
    warmer = {key: value + 0.01 for key, value in commands.phases.items()}
    (expected,) = realise_commands([program], [dataclasses.replace(commands, phases=warmer)], chip)
    assert torch.equal(report.verification.chip_weights[name], expected)
    assert report.chip_errors[name] > PHASE_ERROR
    missing = dataclasses.replace(request, chip=1)
    with pytest.raises(ValueError, match="holds chips 0 to 0"):
        export_bundle(mapped_dir, missing, tmp_path / "none", COMMAND)
    assert not (tmp_path / "none").exists()


def test_damaged_bundles_are_one_line(bundle, tmp_path):
    with pytest.raises(ChipFileError, match="No such file"):
        verify_bundle(tmp_path / "nothing", CHECKPOINT)
    with pytest.raises(FileExistsError):
        export_bundle(tmp_path, ExportRequest(), bundle, COMMAND)


@pytest.mark.parametrize("text", ["0", "0,1,2", "a,b", "-1,0", ""])
def test_tiles_are_row_and_column(text):
    assert parse_tile("3, 4") == (3, 4)
    with pytest.raises(ValueError, match="row,column"):
        parse_tile(text)


def test_modules_are_of_the_kind_that_option_and_channel_map_state():
    assert [kind.value for kind in Kind] == list(get_args(ModuleKind))
    place = np.zeros(1, np.int64)
    stated = ChannelMap(place, place, "Q8b")
    request = ExportRequest(format="qontrol")
    assert request.format_options(None).module_kind is None
    assert request.format_options(stated).module_kind == "Q8b"
    asked = dataclasses.replace(request, module_kind="Q8a", channels=Path("map.yaml"))
    assert asked.format_options(None).module_kind == "Q8a"
    with pytest.raises(ValueError, match=r"map\.yaml is for modules Q8b, --module-kind says Q8a"):
        asked.format_options(stated)
    # The other formats do not care.
    assert ExportRequest().format_options(stated).module_kind is None
