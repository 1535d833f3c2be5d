"""``lightframe bench training``: training steps with a drawn chip, without, and their products."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.commands.options import DEFAULT_CHECKPOINT, Checkpoint, Mesh


def bench_training(
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Directory to create; default: runs/bench-training, -2, ..."),
    ] = None,
    checkpoint: Checkpoint = DEFAULT_CHECKPOINT,
    hardware: Annotated[str, typer.Option(help="Chip name or YAML file.")] = "soi_typical",
    mesh: Annotated[Mesh, typer.Option(help="Wiring of the meshes.")] = Mesh.clements,
    tile: Annotated[int, typer.Option(min=1, max=1024, help="Modes per tile.")] = 16,
    batch_size: Annotated[int, typer.Option(min=2, help="Crystals per step.")] = 64,
    threads: Annotated[int, typer.Option(min=1, help="Threads that a step may use.")] = 2,
    turns: Annotated[int, typer.Option(min=1, help="Timed steps of each kind.")] = 15,
) -> None:
    """Time training steps by turns: with a drawn chip, digital, and its matrix products alone."""
    from experiments.bench.training import measure_training, print_step_times, write_step_times
    from experiments.console import console
    from experiments.jobs import command_line
    from experiments.mapped import MappingSettings
    from experiments.output import free_directory
    from experiments.record import RunRecord
    from photonic import load_hardware
    from photonic.files import new_folder

    chip = load_hardware(hardware)
    mapping = MappingSettings(mesh=mesh.value, tile=tile, is_time_multiplexed=True)
    config = {
        "checkpoint": checkpoint,
        "hardware": chip.model_dump(mode="json"),
        **mapping.model_dump(mode="json"),
        "batch_size": batch_size,
        "threads": threads,
        "turns": turns,
    }
    record = RunRecord.capture(command_line(), config, 0, {})
    out = free_directory("bench-training") if out is None else out
    with new_folder(out) as folder:
        with console.status("Training steps"):
            times = measure_training(
                checkpoint, chip, mapping, batch_size=batch_size, threads=threads, turns=turns
            )
        print_step_times(times)
        write_step_times(times, record, folder)
    console.print(f"times: {out}")
