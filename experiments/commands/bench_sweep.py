"""``lightframe bench sweep``: ratios of studies, in one run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.commands.options import DEFAULT_CHECKPOINT, Checkpoint


def bench_sweep(
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Directory to create; default: runs/bench-sweep, -2, ..."),
    ] = None,
    checkpoint: Checkpoint = DEFAULT_CHECKPOINT,
    hardware: Annotated[str, typer.Option(help="Chip that the checkpoint is mapped for.")] = (
        "soi_typical"
    ),
    quick: Annotated[bool, typer.Option("--quick", help="Fewer chips and turns.")] = False,
) -> None:
    """Time chips against the digital network, workers against one, and the engine itself."""
    import tempfile
    from dataclasses import asdict

    from experiments.bench.graphs import BUSY, load_average
    from experiments.bench.sweep import measure_sweep
    from experiments.bench.sweep_figures import FULL, QUICK, print_figures, write_figures
    from experiments.console import console
    from experiments.jobs import command_line
    from experiments.mapped import MappingSettings, map_model, save_mapped
    from experiments.output import free_directory
    from experiments.record import RunRecord
    from experiments.training_info import TrainingInfo
    from models import load_checkpoint
    from photonic import load_hardware
    from photonic.files import new_folder

    effort, load = QUICK if quick else FULL, load_average()
    model, settings = load_checkpoint(checkpoint), MappingSettings()
    config = {"checkpoint": checkpoint, "hardware": hardware, **asdict(effort), "load": load}
    data = TrainingInfo.of(model).data_sha256
    record = RunRecord.capture(command_line(), config, 0, data)
    out = free_directory("bench-sweep") if out is None else out
    with new_folder(out) as folder:
        with tempfile.TemporaryDirectory() as place:
            mapped = map_model(model, load_hardware(hardware), settings, record)
            save_mapped(mapped, checkpoint, Path(place))
            figures = measure_sweep(
                Path(place),
                effort,
                lambda figure: console.print(f"{figure.quantity}: {figure.note}"),
            )
        print_figures(figures, load, BUSY)
        write_figures(figures, record, folder)
    console.print(f"ratios: {out}")
