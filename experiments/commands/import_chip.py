"""``lightframe import``: a bundle, or measured settings, as a mapped model again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.commands.options import BundleCheckpoint, ManifestHash, Out


def import_chip(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="Bundle, or CSV file with the columns id and phase_rad, drive_v or drive_ma.",
        ),
    ],
    out: Out,
    checkpoint: BundleCheckpoint = None,
    like: Annotated[
        Path | None, typer.Option(help="Bundle that the settings of a CSV file belong to.")
    ] = None,
    manifest_sha256: ManifestHash = None,
) -> None:
    """Turn a bundle or measured settings into a mapped model, to simulate and sweep."""
    from experiments.chip_bundle import import_bundle
    from experiments.console import console
    from experiments.jobs import command_line

    with console.status("Reading settings"):
        mapped, count = import_bundle(
            source, out, checkpoint, command_line(), like, manifest_sha256
        )
    total = sum(program.num_phase_shifters for program in mapped.programs.values())
    chip = mapped.record.config["chip"]
    if chip is not None:
        console.print(
            f"settings of chip {chip['index']} of seed {chip['seed']}: they become targets, and "
            "the chip that they make up for is not kept"
        )
    console.print(f"mapped model: {out} ({count:,} of {total:,} shifters from {source})")
