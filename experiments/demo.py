"""The main job in one go: a trained network, real crystals, a chip, and what becomes of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import xarray as xr

from experiments import jobs
from experiments.bundle_verification import verify_bundle
from experiments.chip_bundle import ExportRequest, export_bundle
from experiments.console import (
    console,
    print_largest_errors,
    print_program_totals,
    print_results,
)
from experiments.mapped import MappedModel, MappingSettings, load_mapped
from experiments.output import OutputDirectory, free_directory, is_finished
from experiments.recalibration_text import print_recalibration
from experiments.record import RunRecord
from experiments.results import read_results
from experiments.training_info import TrainingInfo
from models.checkpoint import load_checkpoint
from models.model import CrystalModel
from photonic import load_hardware

CHECKPOINT = "refractive_index"
HARDWARE = "soi_lab_good"
SEED = 0


@dataclass(frozen=True)
class DemoSize:
    """How much the demo computes."""

    noise: str
    hours: str
    num_chips: int
    num_crystals: int | None


FULL = DemoSize("phase=0,0.005,0.01,0.02,0.05,0.1,0.2", "0,1,4,12,24,72", 4, None)
QUICK = DemoSize("phase=0,0.02,0.1", "0,24", 2, 48)


def run_demo(out: Path | None, *, is_quick: bool) -> Path:
    """Run everything on the shipped checkpoint and write it below one directory.

    A killed demo is continued: finished parts are shown again and not computed again.

    Args:
        out: directory to create; None takes the first free one of runs/demo, runs/demo-2, ...
        is_quick: fewer chips, values and crystals.

    Raises:
        FileExistsError: if ``out`` exists.
    """
    start = time.perf_counter()
    size = QUICK if is_quick else FULL
    model = load_checkpoint(CHECKPOINT)
    info = TrainingInfo.of(model)
    record = RunRecord.capture("lightframe demo", asdict(size), SEED, info.data_sha256)
    with OutputDirectory(free_directory("demo") if out is None else out, record.key) as output:
        _run_parts(output.partial, model, size)
        path = output.finish()
    console.rule(f"Done in {time.perf_counter() - start:.0f} s")
    console.print(f"figures:        {path / 'phase_noise' / 'errors.png'}", soft_wrap=True)
    console.print(f"                {path / 'drift' / 'errors.png'}", soft_wrap=True)
    console.print(f"labelled data:  {path / 'phase_noise' / 'results.nc'}", soft_wrap=True)
    console.print(f"phase settings: {path / 'export' / 'manifest.json'}", soft_wrap=True)
    return path


def _run_parts(place: Path, model: CrystalModel, size: DemoSize) -> None:
    console.rule("1  The network on crystals it has not seen")
    accuracy = place / "accuracy.json"
    accuracy.unlink(missing_ok=True)
    jobs.evaluate(CHECKPOINT, (model.labels[0].name,), accuracy)

    console.rule(f"2  Its dense layers as MZI meshes of {HARDWARE}")
    mapped = _map(place / "mapped")
    print_program_totals(mapped)
    difference = jobs.ideal_difference(mapped, jobs.held_out_crystals(model, 32))
    console.print(f"largest relative difference on an ideal chip: {difference:.1e} (float32)")

    _studies(place, size)

    console.rule("6  Phase settings for the chip")
    if not is_finished(place / "export"):
        export_bundle(place / "mapped", ExportRequest(), place / "export", jobs.command_line())
    report = verify_bundle(place / "export", CHECKPOINT, has_prediction=False)
    print_largest_errors(report.errors)


def _map(directory: Path) -> MappedModel:
    if is_finished(directory):
        return load_mapped(directory)
    return jobs.map_checkpoint(CHECKPOINT, load_hardware(HARDWARE), MappingSettings(), directory)


def _studies(place: Path, size: DemoSize) -> None:
    """Phase noise alone, drift alone, and the chip with all its errors."""
    mapped, ideal = place / "mapped", load_hardware("ideal")
    common = {"num_chips": size.num_chips, "seed": SEED, "limit": size.num_crystals}

    console.rule("3  Phase noise alone")
    _show(
        place / "phase_noise",
        lambda out: jobs.sweep(mapped, size.noise, hardware=ideal, out=out, **common),
    )
    console.rule("4  Drift alone")
    _show(
        place / "drift",
        lambda out: jobs.drift(mapped, size.hours, hardware=ideal, out=out, **common),
    )
    console.rule(f"5  {HARDWARE} as built: couplers, loss, crosstalk, converters and noise")
    _show(place / "as_built", lambda out: jobs.drift(mapped, "0", out=out, **common))


def _show(directory: Path, study: Callable[[Path], xr.Dataset]) -> None:
    """Print the results in ``directory``; the study makes them if they are not there yet."""
    results = read_results(directory) if is_finished(directory) else study(directory)
    print_results(results)
    if results.sizes.get("hours", 1) > 1:
        print_recalibration(results)
