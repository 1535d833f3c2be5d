"""``lightframe finetune``: noise-aware fine-tuning of a checkpoint."""

from __future__ import annotations

from typing import Annotated

import typer

from experiments.commands.options import DEFAULT_CHECKPOINT, Checkpoint, Mesh, Out, Seed


def finetune(
    out: Out,
    checkpoint: Checkpoint = DEFAULT_CHECKPOINT,
    hardware: Annotated[
        str, typer.Option(help="Chip name or YAML file that the chips in the loop are drawn from.")
    ] = "soi_lab_good",
    mesh: Annotated[Mesh, typer.Option(help="Wiring of the meshes.")] = Mesh.clements,
    tile: Annotated[int, typer.Option(min=1, max=1024, help="Modes per tile.")] = 16,
    epochs: Annotated[int, typer.Option(min=1)] = 10,
    max_lr: Annotated[float, typer.Option(help="Peak of the one-cycle learning rate.")] = 5e-4,
    batch_size: Annotated[int, typer.Option(min=2, help="Crystals per step.")] = 64,
    chips_per_step: Annotated[
        int, typer.Option(min=1, help="Chips that see each batch; the loss is their mean.")
    ] = 1,
    validation_chips: Annotated[
        int, typer.Option(min=1, help="Fixed chips that decide on the best epoch.")
    ] = 4,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=4096,
            help="Threads of each process; default: as many as torch takes here. Another number "
            "gives other last digits, and a killed run is resumed with the same one.",
        ),
    ] = None,
    seed: Seed = 0,
) -> None:
    """Train a checkpoint on with drawn chips in the loop (resumes a killed run)."""
    from experiments.console import console
    from experiments.mapped import MappingSettings
    from experiments.noise_aware_job import fine_tune, fine_tune_config
    from experiments.output import refuse_existing
    from experiments.training_config import MachineConfig
    from photonic import load_hardware

    refuse_existing(out)
    config = fine_tune_config(
        checkpoint,
        load_hardware(hardware),
        # How many tiles a chip holds at a time does not matter here; ``map`` asks for it.
        MappingSettings(mesh=mesh.value, tile=tile, is_time_multiplexed=True),
        epochs=epochs,
        max_lr=max_lr,
        batch_size=batch_size,
        chips_per_step=chips_per_step,
        validation_chips=validation_chips,
        seed=seed,
        machine=MachineConfig(threads=threads),
    )
    fine_tune(config, out)
    console.print(f"checkpoint: {out}; map it as any other")
