"""``lightframe export``: the settings of all phase shifters, as a bundle that a chip can load."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from experiments.commands.options import Mapped, Out


class Kind(StrEnum):
    """Kinds of driver modules of Qontrol."""

    Q8iv = "Q8iv"
    Q8b = "Q8b"
    Q8a = "Q8a"
    Q8bi = "Q8bi"


class Target(StrEnum):
    """Files to write."""

    bundle = "bundle"
    csv = "csv"
    qontrol = "qontrol"
    nidaqmx = "nidaqmx"
    perceval = "perceval"
    sax = "sax"
    torchonn = "torchonn"
    npz = "npz"


def export(
    mapped: Mapped,
    out: Out,
    target: Annotated[Target, typer.Option("--format", help="Files to write.")] = Target.bundle,
    tile: Annotated[
        str | None,
        typer.Option(help="Row,column of the only tile of each layer, for perceval and sax."),
    ] = None,
    laws: Annotated[
        Path | None,
        typer.Option(help="Measured calibration laws, YAML or JSON; default: the data sheet."),
    ] = None,
    channels: Annotated[
        Path | None, typer.Option(help="Channel map, YAML or CSV; default: one module per tile.")
    ] = None,
    module_kind: Annotated[
        Kind | None,
        typer.Option(
            help="Driver modules, for qontrol; default: as the channel map says, or Q8iv."
        ),
    ] = None,
    current_to_volts: Annotated[
        bool,
        typer.Option(
            "--current-to-volts",
            help="For nidaqmx: drive heaters that are calibrated in mA by the voltage over their "
            "resistance_ohm.",
        ),
    ] = False,
    present: Annotated[
        Path | None,
        typer.Option(
            help="Bundle with the present settings: take the branch nearest to them instead of "
            "the one of lowest power."
        ),
    ] = None,
    clip: Annotated[
        bool, typer.Option("--clip", help="Take the nearest phase where one is out of reach.")
    ] = False,
    calibration: Annotated[
        Path | None, typer.Option(help="Commands of a directory written by calibrate.")
    ] = None,
    chip: Annotated[int, typer.Option(min=0, help="Chip of that calibration.")] = 0,
    hdf5: Annotated[
        bool | None,
        typer.Option("--hdf5/--no-hdf5", help="Write chip.h5; default: if h5py is installed."),
    ] = None,
) -> None:
    """Write phases, volts, powers and DAC codes of every shifter, by default as a chip bundle."""
    from experiments.chip_bundle import ExportRequest, export_bundle
    from experiments.commands.bundle_text import parse_tile, print_clipping
    from experiments.console import console, progress_of_steps
    from experiments.jobs import command_line
    from photonic.chipfile import manifest_sha256

    request = ExportRequest(
        laws=laws,
        channels=channels,
        present=present,
        is_clipped=clip,
        calibration=calibration,
        chip=chip,
        has_table=hdf5,
        format=target.value,
        tile=None if tile is None else parse_tile(tile),
        module_kind=None if module_kind is None else module_kind.value,
        is_current_converted=current_to_volts,
    )
    with progress_of_steps(f"Files for {target.value}") as on_step:
        settings, clipped = export_bundle(mapped, request, out, command_line(), on_step)
    print_clipping(clipped)
    what = "chip bundle" if target is Target.bundle else target.value
    total, num_layers = settings.header.num_shifters, len(settings.layers)
    console.print(f"{what}: {out} ({total:,} shifters, {num_layers} layers)")
    if target is Target.bundle:
        console.print(f"manifest SHA-256: {manifest_sha256(out)}", soft_wrap=True)
        console.print("keep it elsewhere: verify --manifest-sha256 compares")
