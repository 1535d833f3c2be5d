"""The job behind ``lightframe finetune``: configuration, progress, checkpoint directory."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from experiments.console import console, print_table, progress
from experiments.jobs import command_line
from experiments.mapped import MappingSettings
from experiments.noise_aware import TEST_CHIPS, FineTuneConfig, FineTuningRun
from experiments.output import OutputDirectory, refuse_existing
from experiments.record import RunRecord
from experiments.threads import on_threads
from experiments.training_config import MachineConfig, TrainConfig
from experiments.training_data import load_training_data
from experiments.training_info import TrainingInfo
from models.checkpoint import WEIGHTS_FILE, checkpoint_bytes, load_checkpoint, save_checkpoint
from models.elements import element_table
from models.model import CrystalModel
from photonic import HardwareConfig
from photonic.hardware import first_problem


def fine_tune_config(
    checkpoint: str, hardware: HardwareConfig, mapping: MappingSettings, **changes: Any
) -> FineTuneConfig:
    """The configuration that a checkpoint was trained with, turned into one of its fine-tuning.

    Args:
        checkpoint: name or directory of the checkpoint.
        hardware: description that chips are drawn from.
        mapping: layout of the tiles.
        changes: further fields, such as ``epochs`` and ``seed``.

    Raises:
        CheckpointError: if the checkpoint cannot be read.
        ValueError: if it does not tell how it was trained, holds no crystals out, or a value is
            refused.
    """
    info = TrainingInfo.of(load_checkpoint(checkpoint))
    stored = {**info.record.get("config", {}), "test_fold": info.held_out_fold}
    known = {name: value for name, value in stored.items() if name in TrainConfig.model_fields}
    weights = checkpoint_bytes(checkpoint)[WEIGHTS_FILE]
    own = {
        "checkpoint": checkpoint,
        "checkpoint_sha256": hashlib.sha256(weights).hexdigest(),
        "hardware": hardware,
        "mapping": mapping,
        "machine": MachineConfig(),
        "optical": None,
    }
    try:
        return FineTuneConfig(**{**known, **own, **changes})
    except ValidationError as error:
        raise ValueError(first_problem(error)) from None


def fine_tune(config: FineTuneConfig, out: Path) -> CrystalModel:
    """Fine-tune and write a checkpoint directory; a killed run is continued.

    Raises:
        FileExistsError: if ``out`` exists.
        FloatingPointError: if the loss is not finite.
        ValueError: if the chip cannot carry the network or the data are not the checkpoint's.
    """
    refuse_existing(out)
    config = config.model_copy(update={"machine": config.machine.resolved()})
    with progress("Graphs") as advance:
        data = load_training_data(
            config.label_specs, config.graph, config.test_fold, advance, network=config.network
        )
    record = RunRecord.capture(
        command_line(), config.model_dump(mode="json"), config.seed, data.sha256
    )
    with on_threads(config.machine.threads), OutputDirectory(out, record.key) as output:
        model = _fit(FineTuningRun(config, data, record), output)
        output.finish()
    return model


def _fit(run: FineTuningRun, output: OutputDirectory) -> CrystalModel:
    config, data, record = run.config, run.data, run.record
    unit = "" if data.labels[0].unit == "1" else f" {data.labels[0].unit}"
    with progress("Epochs", config.epochs) as advance:
        for _ in range(run.restore(output.partial)):
            advance()

        def on_epoch(row: dict[str, float]) -> None:
            advance()
            console.log(
                f"epoch {row['epoch']:3d}  loss {row['train_loss']:.4f}  validation MAE of "
                f"{config.target.label} on chips {row['validation_mae']:.4f}{unit}, "
                f"digital {row['digital_mae']:.4f}{unit}"
            )

        best = run.fit(output.partial, on_epoch)
    with console.status("Test chips"):
        info = run.info(record.model_dump(mode="json"))
    # What the weights were trained on before counts as well, and holds all that is trained on now.
    known = load_checkpoint(config.checkpoint).training_set
    model = dataclasses.replace(best, info=info, training_set=known)
    _print_errors(model)
    save_checkpoint(model, element_table().names, output.partial)
    return model


def _print_errors(model: CrystalModel) -> None:
    """Errors on the held-out fold before and after."""
    errors = model.info["test_mae"]
    rows = [
        (
            time,
            f"{row['digital']:.4f}",
            f"{row['on_chips']:.4f}",
            f"{row['std_over_chips']:.4f}",
        )
        for time, row in errors.items()
    ]
    label = model.labels[0]
    unit = "" if label.unit == "1" else f" [{label.unit}]"
    title = f"Fine-tuning: MAE of {label.name}{unit} on the test fold, {TEST_CHIPS} new chips"
    print_table(title, ("", "digital", "on chips", "std over chips"), rows)
