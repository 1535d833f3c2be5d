"""The job behind ``lightframe calibrate``: every chip on its bench, then what it predicts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import xarray as xr

from experiments.calibration import (
    CONFIG_FILE,
    Calibration,
    CalibrationConfig,
    chip_file,
    programs_sha256,
    store_commands,
)
from experiments.calibrator import Calibrator
from experiments.chips_run import ChipSetting, ChipStudy
from experiments.console import progress
from experiments.jobs import command_line, held_out_crystals
from experiments.mapped import MappedModel, load_mapped
from experiments.output import OutputDirectory, refuse_existing
from experiments.record import RunRecord
from experiments.results import Axis
from photonic import Chip, HardwareConfig
from photonic.calibration.recipe import Effort, Method, Recipe
from photonic.files import write_atomic

STAGE = Axis("calibration", "1", "Calibration")
_Efforts = list[dict[Method, Effort]]


def run_calibration(
    directory: Path,
    recipe: Recipe,
    *,
    num_chips: int,
    seed: int,
    out: Path,
    hardware: HardwareConfig | None = None,
    limit: int | None = None,
) -> tuple[xr.Dataset, _Efforts]:
    """Calibrate chips, write their commands, and compare predictions before and after.

    Every finished chip is kept at once; the same call continues a killed run.

    Args:
        directory: mapped model.
        recipe: remedies.
        num_chips: chips to draw.
        seed: of the draws.
        out: directory to create.
        hardware: chip description instead of the one that was mapped for.
        limit: use only the first crystals of the test fold.

    Returns:
        Results over the settings "before" and "after", and the effort of each chip.

    Raises:
        FileExistsError: if ``out`` exists.
        ValueError: if a chip cannot give what the recipe asks for.
    """
    refuse_existing(out)
    mapped = load_mapped(directory)
    base = mapped.hardware if hardware is None else hardware
    held_out = held_out_crystals(mapped.model, limit)
    config = {
        "recipe": recipe.model_dump(mode="json"),
        "num_chips": num_chips,
        "num_crystals": held_out.num_crystals,
        "hardware": base.model_dump(mode="json"),
        "mapped": mapped.record.model_dump(mode="json"),
    }
    record = RunRecord.capture(command_line(), config, seed, held_out.data_sha256)
    with OutputDirectory(out, record.key) as output:
        stored, efforts = _calibrate_all(output, mapped, base, recipe, num_chips, record)
        controller = Calibration(output.partial, stored, mapped.programs)
        settings = [
            ChipSetting("before", base),
            ChipSetting("after", stored.hardware, controller=controller),
        ]
        study = ChipStudy(mapped, held_out, STAGE, settings, num_chips, seed)
        with progress("Predictions", study.num_evaluations) as advance:
            results = study.fill(output, record, advance)
        output.finish()
    return results, efforts


def _calibrate_all(
    output: OutputDirectory,
    mapped: MappedModel,
    base: HardwareConfig,
    recipe: Recipe,
    num_chips: int,
    record: RunRecord,
) -> tuple[CalibrationConfig, _Efforts]:
    """Calibrate every chip unless it is stored already, and store what belongs to all of them."""
    with progress("Targets from the data sheet") as advance:
        calibrator = Calibrator(mapped, base, recipe, on_batch=advance)
    hashes, efforts = [], []
    with progress("Chips x batches of tiles", num_chips * calibrator.num_batches) as advance:
        for index in range(num_chips):
            chip = Chip(calibrator.hardware, record.seed, index)
            sha256, effort = _calibrated(output.partial, calibrator, chip, advance)
            hashes.append(sha256)
            efforts.append(effort)
    stored = CalibrationConfig(
        recipe=recipe,
        hardware=calibrator.hardware,
        seed=record.seed,
        chip_sha256=tuple(hashes),
        programs_sha256=programs_sha256(mapped),
        record=record,
    )
    text = json.dumps(stored.model_dump(mode="json"), indent=1)
    write_atomic(output.partial / CONFIG_FILE, text.encode())
    return stored, efforts


def _calibrated(
    directory: Path, calibrator: Calibrator, chip: Chip, on_batch: Callable[[], None]
) -> tuple[str, dict[Method, Effort]]:
    """Hash of the commands of a chip and its effort; computed unless they are stored already."""
    path, effort_path = directory / chip_file(chip.index), directory / f"chip-{chip.index:04d}.json"
    if path.is_file() and effort_path.is_file():
        for _ in range(calibrator.num_batches):
            on_batch()
        stored = json.loads(effort_path.read_text(encoding="utf-8"))
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        return sha256, {method: Effort(**numbers) for method, numbers in stored.items()}
    found = calibrator.calibrate(chip, on_batch)
    sha256 = store_commands(found.commands, directory, chip.index)
    effort = {method: asdict(numbers) for method, numbers in found.effort.items()}
    write_atomic(effort_path, json.dumps(effort).encode())
    return sha256, found.effort
