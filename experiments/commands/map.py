"""``lightframe map``: the dense layers of a checkpoint as meshes of a chip, and what they cost."""

from __future__ import annotations

from typing import Annotated

import typer

from experiments.commands.options import DEFAULT_CHECKPOINT, Checkpoint, Mesh, Out

SAMPLE = 32
"""Crystals whose sites and edges are counted for the cost."""


def map_command(
    out: Out,
    checkpoint: Checkpoint = DEFAULT_CHECKPOINT,
    hardware: Annotated[str, typer.Option(help="Chip name or YAML file.")] = "soi_lab_good",
    mesh: Annotated[Mesh, typer.Option(help="Wiring of the meshes.")] = Mesh.clements,
    tile: Annotated[str, typer.Option(help="Modes per tile, or full for whole matrices.")] = "16",
    order: Annotated[
        str,
        typer.Option(help="Of the singular values: descending, ascending, centred, random."),
    ] = "descending",
    time_multiplexed: Annotated[
        bool,
        typer.Option("--time-multiplexed", help="Load more tiles than the chip holds in turns."),
    ] = False,
    clip: Annotated[
        bool,
        typer.Option(
            "--clip",
            help="Take the nearest phase where the drive ends, here and in all that is made of it.",
        ),
    ] = False,
) -> None:
    """Map every dense layer of a checkpoint onto MZI meshes, and print what a crystal costs."""
    from pydantic import ValidationError

    from experiments import jobs
    from experiments.console import console, print_programs, print_shortfall
    from experiments.cost_table import mapped_cost, print_cost
    from experiments.mapped import MappedModel, MappingSettings
    from photonic import load_hardware
    from photonic.hardware import first_problem

    if tile != "full" and not (tile.isdecimal() and 1 <= int(tile) <= 1024):
        raise ValueError(f"--tile takes a number of modes, 1 to 1024, or full, got {tile!r}")
    try:
        settings = MappingSettings(
            mesh=mesh.value,
            tile="full" if tile == "full" else int(tile),
            order=order,
            is_time_multiplexed=time_multiplexed,
        )
    except ValidationError as error:
        raise ValueError(first_problem(error)) from None
    chip = load_hardware(hardware)
    if clip:
        chip = chip.replace(is_drive_clipped=True)

    def print_mapped(mapped: MappedModel) -> None:
        print_programs(mapped)
        if chip.is_drive_clipped:
            print_shortfall(mapped.check_drive(chip))
        print_cost(mapped_cost(mapped, jobs.held_out_crystals(mapped.model, SAMPLE).batches))

    jobs.map_checkpoint(checkpoint, chip, settings, out, print_mapped)
    console.print(f"mapped model: {out}")
