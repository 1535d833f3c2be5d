"""The main job in one go: a trained network, real crystals, a chip, and what becomes of them."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from pathlib import Path

from experiments import jobs
from experiments.console import (
    console,
    print_largest_errors,
    print_program_totals,
    print_results,
)
from experiments.mapped import MappingSettings
from experiments.output import refuse_existing
from models.checkpoint import load_checkpoint
from photonic import load_hardware

CHECKPOINT = "refractive_index"
HARDWARE = "soi_lab_good"
RUNS = Path("runs")


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

    Args:
        out: directory to create; None takes the first free one of runs/demo, runs/demo-2, ...
        is_quick: fewer chips, values and crystals.

    Raises:
        FileExistsError: if ``out`` exists.
    """
    start = time.perf_counter()
    size = QUICK if is_quick else FULL
    out = _free_directory() if out is None else out
    refuse_existing(out)
    out.mkdir(parents=True)
    model = load_checkpoint(CHECKPOINT)

    console.rule("1  The network on crystals it has not seen")
    jobs.evaluate(CHECKPOINT, (model.labels[0].name,), out / "accuracy.json")

    console.rule(f"2  Its dense layers as MZI meshes of {HARDWARE}")
    mapped_dir = out / "mapped"
    mapped = jobs.map_checkpoint(CHECKPOINT, load_hardware(HARDWARE), MappingSettings(), mapped_dir)
    print_program_totals(mapped)
    difference = jobs.ideal_difference(mapped, jobs.held_out_crystals(model, 32))
    console.print(f"largest relative difference on an ideal chip: {difference:.1e} (float32)")

    common = {"num_chips": size.num_chips, "seed": 0, "limit": size.num_crystals}
    ideal = load_hardware("ideal")
    console.rule("3  Phase noise alone")
    noise_dir = out / "phase_noise"
    print_results(jobs.sweep(mapped_dir, size.noise, hardware=ideal, out=noise_dir, **common))

    console.rule("4  Drift alone: a random walk of 0.003 rad per root hour (assumed scenario)")
    drift_dir = out / "drift"
    print_results(jobs.drift(mapped_dir, size.hours, hardware=ideal, out=drift_dir, **common))

    console.rule(f"5  {HARDWARE} as built: couplers, loss, crosstalk, converters and noise")
    print_results(jobs.drift(mapped_dir, "0", out=out / "as_built", **common))

    console.rule("6  Phase settings for the chip")
    jobs.export(mapped_dir, out / "export")
    print_largest_errors(jobs.verify(out / "export", CHECKPOINT))

    console.rule(f"Done in {time.perf_counter() - start:.0f} s")
    console.print(f"figures:        {out / 'phase_noise' / 'errors.png'}")
    console.print(f"                {out / 'drift' / 'errors.png'}")
    console.print(f"labelled data:  {out / 'phase_noise' / 'results.nc'}")
    console.print(f"phase settings: {out / 'export' / 'manifest.json'}")
    return out


def _free_directory() -> Path:
    names = itertools.chain(["demo"], (f"demo-{number}" for number in itertools.count(2)))
    return next(RUNS / name for name in names if not (RUNS / name).exists())
