"""The jobs behind the commands: map, sweep, drift, train; with progress shown."""

from __future__ import annotations

import platform
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from experiments.accuracy import Accuracy, accuracy_table, write_accuracy
from experiments.bench.core import FULL, NUM_STEPS, QUICK, measure_core
from experiments.bench.report import print_measurements, write_measurements
from experiments.calibration import load_calibration
from experiments.chips_run import ChipSetting, ChipStudy
from experiments.console import (
    console,
    print_accuracy,
    print_sensitivity,
    print_shortfall,
    progress,
)
from experiments.drift import HOURS, SCENARIO_RATE, Trace, drift_settings, drifting_hardware
from experiments.evaluation import HeldOut, chip_predictions, digital_predictions, load_held_out
from experiments.mapped import (
    MappedModel,
    MappingSettings,
    load_mapped,
    map_model,
    save_mapped,
)
from experiments.output import free_directory, prepare_file, refuse_existing
from experiments.presets import HARDWARE, preset_settings
from experiments.recalibration import RecalibrationCriteria, with_recalibration
from experiments.record import RunRecord
from experiments.results import Axis
from experiments.sensitivity import (
    LayerSensitivity,
    draw_most_sensitive,
    mapped_sensitivity,
    write_sensitivity,
)
from experiments.sweep import parse_noise, parse_numbers, sweep_settings
from experiments.training_info import TrainingInfo
from models.checkpoint import load_checkpoint
from models.model import CrystalModel
from photonic import Chip, HardwareConfig, hardware_names, load_hardware
from photonic.files import new_folder


def command_line() -> str:
    """The command that started this process, as it would be typed again."""
    return shlex.join(["lightframe", *sys.argv[1:]])


def evaluate(checkpoint: str, labels: tuple[str, ...] | None, out: Path | None) -> list[Accuracy]:
    """Errors of a checkpoint on its held-out fold; shown, and written as JSON if asked for.

    Raises:
        FileExistsError: if ``out`` exists.
    """
    if out is not None:
        prepare_file(out)
    model = load_checkpoint(checkpoint)
    with progress("Held-out crystals") as advance:
        table = accuracy_table(model, labels, advance)
    print_accuracy(table)
    if out is not None:
        config = {"checkpoint": checkpoint, "labels": [row.label for row in table]}
        record = RunRecord.capture(command_line(), config, 0, _data_sha256(model))
        write_accuracy(table, record, out)
    return table


def map_checkpoint(
    checkpoint: str,
    hardware: HardwareConfig,
    settings: MappingSettings,
    out: Path,
    on_mapped: Callable[[MappedModel], None] = lambda mapped: None,
) -> MappedModel:
    """Map a checkpoint and write the mapped directory.

    Args:
        checkpoint: name or directory.
        hardware: chip to map for.
        settings: layout of the tiles.
        out: directory to create.
        on_mapped: called before ``out`` gets its name; if it fails, nothing is left.

    Raises:
        FileExistsError: if ``out`` exists.
        ValueError: as ``map_model``.
    """
    config = {
        "checkpoint": checkpoint,
        "hardware": hardware.model_dump(mode="json"),
        **settings.model_dump(mode="json"),
    }
    refuse_existing(out)
    model = load_checkpoint(checkpoint)
    record = RunRecord.capture(command_line(), config, 0, _data_sha256(model))
    with new_folder(out) as folder:
        mapped = map_model(model, hardware, settings, record)
        save_mapped(mapped, checkpoint, folder)
        on_mapped(mapped)
    return mapped


def ideal_difference(mapped: MappedModel, held_out: HeldOut) -> float:
    """Largest relative difference of predictions between an ideal chip and the digital model."""
    ideal = Chip(load_hardware("ideal"), 0, 0)
    digital = digital_predictions(mapped.model, held_out)
    return float(np.abs(chip_predictions(mapped, held_out, ideal) / digital - 1).max())


def held_out_crystals(model: CrystalModel, limit: int | None = None) -> HeldOut:
    """Test crystals of a model, with a progress bar over their graphs."""
    with progress("Graphs of held-out crystals") as advance:
        return load_held_out(model, limit=limit, on_graph=advance)


def sweep(
    directory: Path,
    noise: str,
    *,
    num_chips: int,
    seed: int,
    out: Path,
    hardware: HardwareConfig | None = None,
    limit: int | None = None,
    without: Sequence[str] = (),
    only: Sequence[str] = (),
) -> xr.Dataset:
    """Sweep one figure of the chip description.

    Args:
        directory: mapped model.
        noise: ``"phase=0,0.01,0.1"``.
        num_chips: chips drawn at every value.
        seed: of the draws.
        out: result directory.
        hardware: chip description instead of the one that was mapped for.
        limit: use only the first crystals of the test fold.
        without: effects to switch off.
        only: effects to keep, all others off; empty keeps all.

    Raises:
        ValueError: if the mapped model, the noise or a value cannot be used.
        FileExistsError: if ``out`` exists.
    """
    refuse_existing(out)
    kind, values = parse_noise(noise)
    mapped = load_mapped(directory)
    base = _with_effects(hardware or mapped.hardware, without, only)
    print_shortfall(mapped.check_drive(base))
    settings = sweep_settings(base, kind, values)
    return _run_study(mapped, kind.axis, settings, num_chips, seed, out, base, limit)


def drift(
    directory: Path,
    hours: str,
    *,
    num_chips: int,
    seed: int,
    out: Path,
    hardware: HardwareConfig | None = None,
    rate: float | None = None,
    trace: Trace | None = None,
    limit: int | None = None,
    without: Sequence[str] = (),
    only: Sequence[str] = (),
    calibration: Path | None = None,
    recalibration: RecalibrationCriteria = RecalibrationCriteria(),  # noqa: B008  (frozen)
) -> xr.Dataset:
    """Follow chips in time; arguments and errors as for ``sweep``.

    Args:
        hours: ``"0,1,24"`` [h] since the calibration.
        rate: [rad/sqrt(h)] random walk in place of the chip's own drift.
        trace: measured temperatures in place of those of the chip.
        calibration: directory written by calibrate; its chips, their seed and their hardware are
            followed, in place of ``seed`` and ``hardware``.
        recalibration: what decides on the recalibration interval.
    """
    refuse_existing(out)
    mapped = load_mapped(directory)
    stored = None if calibration is None else load_calibration(calibration, mapped)
    chip = _with_effects(hardware or mapped.hardware, without, only)
    if stored is not None:
        chip, seed = stored.config.hardware, stored.config.seed
        num_chips = min(num_chips, stored.num_chips)
    base = drifting_hardware(chip, rate, trace)
    if stored is None:
        print_shortfall(mapped.check_drive(base))
    settings = drift_settings(base, parse_numbers(hours), stored)
    if rate is None and trace is None and not chip.has_drift:
        console.print(
            f"{chip.name} states no drift; assumed scenario: a random walk of {SCENARIO_RATE:g} "
            "rad per square root of an hour"
        )
    return _run_study(
        mapped,
        HOURS,
        settings,
        num_chips,
        seed,
        out,
        base,
        limit,
        recalibration=recalibration,
    )


def presets(
    directory: Path,
    names: Sequence[str],
    *,
    num_chips: int,
    seed: int,
    out: Path,
    limit: int | None = None,
) -> xr.Dataset:
    """The same model on several chips; arguments and errors as for ``sweep``.

    Args:
        names: chips or YAML files; none takes all shipped ones.
    """
    refuse_existing(out)
    mapped = load_mapped(directory)
    chips = [load_hardware(name) for name in (names or hardware_names())]
    with progress("Mappings", len(chips)) as advance:
        settings = preset_settings(mapped, chips, advance)
    return _run_study(mapped, HARDWARE, settings, num_chips, seed, out, mapped.hardware, limit)


def _with_effects(
    hardware: HardwareConfig, without: Sequence[str], only: Sequence[str]
) -> HardwareConfig:
    """A chip with some effects switched off."""
    chosen = hardware.only(*only) if only else hardware
    return chosen.without(*without) if without else chosen


def _run_study(
    mapped: MappedModel,
    axis: Axis,
    settings: list[ChipSetting],
    num_chips: int,
    seed: int,
    out: Path,
    hardware: HardwareConfig,
    limit: int | None,
    recalibration: RecalibrationCriteria | None = None,
) -> xr.Dataset:
    held_out = held_out_crystals(mapped.model, limit)
    config = {
        "axis": axis.name,
        "settings": [
            {"value": s.value, "time_s": s.time_s, "changes": _changes(s.hardware, hardware)}
            for s in settings
        ],
        "num_chips": num_chips,
        "num_crystals": held_out.num_crystals,
        "hardware": hardware.model_dump(mode="json"),
        "mapped": mapped.record.model_dump(mode="json"),
    }
    study = ChipStudy(mapped, held_out, axis, settings, num_chips, seed)
    if recalibration is not None:
        config["recalibration"] = asdict(recalibration)
        study = replace(study, derive=partial(with_recalibration, criteria=recalibration))
    record = RunRecord.capture(command_line(), config, seed, held_out.data_sha256)
    with progress(f"{axis.title} x chips", study.num_evaluations) as advance:
        _, results = study.run(out, record, advance)
    return results


def _changes(hardware: HardwareConfig, base: HardwareConfig) -> dict[str, Any]:
    """Fields in which a chip description differs from another."""
    known = base.model_dump(mode="json")
    fields = hardware.model_dump(mode="json")
    return {name: value for name, value in fields.items() if value != known[name]}


def sensitivity(directory: Path, phase_std: float, out: Path) -> list[LayerSensitivity]:
    """Sensitivity of all layers and interferometers of a mapped model to phase noise.

    Args:
        directory: mapped model.
        phase_std: [rad] noise at which derivatives are taken.
        out: directory to create.

    Raises:
        ValueError: if the mapped model or the noise cannot be used.
        FileExistsError: if ``out`` exists.
    """
    refuse_existing(out)
    mapped = load_mapped(directory)
    config = {"phase_std_rad": phase_std, "mapped": mapped.record.model_dump(mode="json")}
    record = RunRecord.capture(command_line(), config, 0, mapped.record.data_sha256)
    with new_folder(out) as folder:
        with progress("Layers", len(mapped.programs)) as advance:
            layers = mapped_sensitivity(mapped, phase_std, advance)
        print_sensitivity(layers)
        write_sensitivity(layers, record, folder)
        draw_most_sensitive(layers, folder)
    return layers


def bench_core(out: Path | None, threads: tuple[int, ...], *, is_quick: bool) -> Path:
    """Run the benchmark of the mesh engine; shown, and written as JSON and a figure.

    Args:
        out: directory to create; None takes the first free one of runs/bench-core, -2, ...
        threads: numbers of threads, one after the other.
        is_quick: fewer sizes and turns.

    Raises:
        FileExistsError: if ``out`` exists.
    """
    effort = QUICK if is_quick else FULL
    config = {"threads": threads, **asdict(effort), "cpu": platform.processor()}
    record = RunRecord.capture(command_line(), config, 0, {})
    path = free_directory("bench-core") if out is None else out
    with new_folder(path) as folder:
        with progress("Measurements", NUM_STEPS * len(threads)) as advance:
            measurements = list(measure_core(effort, threads, advance))
        print_measurements(measurements)
        write_measurements(measurements, record, folder)
    console.print(f"figures as JSON and plot: {path}")
    return path


def _data_sha256(model: CrystalModel) -> dict[str, str]:
    return TrainingInfo.of(model).data_sha256
