"""``lightframe import``: a bundle, or measured settings, as a mapped model again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.commands.options import DEFAULT_CHECKPOINT, Checkpoint, Out


def import_chip(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="Bundle, or CSV file with the columns id and phase_rad, drive_v or drive_ma.",
        ),
    ],
    out: Out,
    checkpoint: Checkpoint = DEFAULT_CHECKPOINT,
    like: Annotated[
        Path | None, typer.Option(help="Bundle that the settings of a CSV file belong to.")
    ] = None,
) -> None:
    """Turn a bundle or measured settings into a mapped model, to simulate and sweep."""
    from experiments.chip_bundle import import_bundle
    from experiments.console import console
    from experiments.jobs import command_line

    with console.status("Reading settings"):
        mapped, count = import_bundle(source, out, checkpoint, command_line(), like)
    total = sum(program.num_phase_shifters for program in mapped.programs.values())
    console.print(f"mapped model: {out} ({count:,} of {total:,} shifters from {source})")
