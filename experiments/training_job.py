"""The job behind ``lightframe train``: data, progress, logs, checkpoint directory."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from experiments.console import console, progress
from experiments.distributed import Ranks, joined_ranks, launched_processes
from experiments.jobs import command_line
from experiments.output import OutputDirectory, refuse_existing
from experiments.record import RunRecord
from experiments.threads import on_threads
from experiments.training import TrainingRun
from experiments.training_config import TrainConfig
from experiments.training_data import TrainingData, load_training_data
from experiments.training_log import TensorBoardLog, summary_writer_class, write_metrics
from models.checkpoint import save_checkpoint
from models.elements import element_table
from models.labels import Label
from models.model import CrystalModel


def train(
    config: TrainConfig,
    out: Path,
    *,
    data: TrainingData | None = None,
    has_tensorboard: bool = False,
    is_quiet: bool = False,
) -> CrystalModel:
    """Train and write a checkpoint directory; a killed run is continued.

    Under ``torchrun`` all processes call this; each computes its part of every batch, and the
    first one writes.

    Args:
        config: complete configuration.
        out: directory to create.
        data: crystals of the configuration, if they are loaded already.
        has_tensorboard: write event files as well.
        is_quiet: show no progress.

    Raises:
        FileExistsError: if ``out`` exists.
        FloatingPointError: if the loss or its gradient is not finite, or the loss grows.
        ValueError: if the processes are not as many as configured, or TensorBoard is missing.
    """
    refuse_existing(out)
    _check_processes(config)
    config = config.model_copy(update={"machine": config.machine.resolved()})
    if has_tensorboard:
        summary_writer_class()
    with on_threads(config.machine.threads), joined_ranks(config.machine.device) as ranks:
        shows = ranks.is_first and not is_quiet
        data = load_data(config, shows=shows) if data is None else data
        if shows and data.num_frame_fallbacks:
            console.print(
                f"{data.num_frame_fallbacks:,} of {len(data.graphs):,} crystals have no principal "
                "axes of their own: QR frames instead"
            )
        return _train(config, out, data, ranks, has_tensorboard=has_tensorboard, shows=shows)


def load_data(config: TrainConfig, *, shows: bool = True) -> TrainingData:
    """Crystals of a configuration, with a progress bar over their graphs if asked for."""
    with _progress("Graphs", None, shows=shows) as advance:
        return load_training_data(
            config.label_specs,
            config.graph,
            config.test_fold,
            advance,
            network=config.network,
            has_validation=config.validation != "none",
        )


def _train(
    config: TrainConfig,
    out: Path,
    data: TrainingData,
    ranks: Ranks,
    *,
    has_tensorboard: bool,
    shows: bool,
) -> CrystalModel:
    record = RunRecord.capture(
        command_line(), config.model_dump(mode="json"), config.seed, data.sha256
    )
    if ranks.is_first:
        with OutputDirectory(out, record.key) as output:
            ranks.wait()
            run = TrainingRun(config, data, ranks=ranks)
            model = _fit_first(run, output, record, has_tensorboard=has_tensorboard, shows=shows)
            output.finish()
            return model
    ranks.wait()
    run = TrainingRun(config, data, ranks=ranks)
    run.restore(out.with_name(out.name + ".partial"))
    run.fit(out, lambda row: None)
    run.info({})
    return run.model(run.state.best)


def _fit_first(
    run: TrainingRun,
    output: OutputDirectory,
    record: RunRecord,
    *,
    has_tensorboard: bool,
    shows: bool,
) -> CrystalModel:
    """Fit on the process that writes, and write the checkpoint."""
    config, data = run.config, run.data
    finished = run.restore(output.partial)
    if finished:
        write_metrics(run.state.history, output.partial)
    events = TensorBoardLog(output.partial, finished) if has_tensorboard else None
    with _progress("Epochs", config.epochs, shows=shows) as advance:
        for _ in range(finished):
            advance()

        def on_epoch(row: dict[str, float]) -> None:
            write_metrics(run.state.history, output.partial)
            if events is not None:
                events.add(row)
            advance()
            if shows:
                console.log(epoch_text(row, data.labels[0]))

        best = run.fit(output.partial, on_epoch)
    if events is not None:
        events.close()
    info = run.info(record.model_dump(mode="json"))
    model = dataclasses.replace(best, info=info)
    save_checkpoint(model, element_table().names, output.partial)
    return model


def _check_processes(config: TrainConfig) -> None:
    launched = launched_processes()
    if launched != config.machine.processes:
        raise ValueError(
            f"the configuration is for {config.machine.processes} processes, "
            f"{launched} were started"
        )


@contextmanager
def _progress(title: str, total: int | None, *, shows: bool) -> Iterator[Callable[..., None]]:
    """A progress bar, or nothing."""
    if shows:
        with progress(title, total) as advance:
            yield advance
    else:
        yield lambda new_total=None: None


def epoch_text(row: dict[str, float], label: Label) -> str:
    """One line about a finished epoch."""
    text = f"epoch {row['epoch']:3d}  loss {row['train_loss']:.4f}"
    if "validation_mae" not in row:
        return text
    return f"{text}  validation MAE of {label.name} {row['validation_mae']:.4f} {label.unit}"
