"""``lightframe diff``: what changes on the chip from one bundle to another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def diff(
    a: Annotated[Path, typer.Argument(metavar="A", help="Bundle with the settings before.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Bundle with the settings after.")],
    largest: Annotated[int, typer.Option(min=0, help="Shifters to list.")] = 10,
    time_constant: Annotated[
        float | None, typer.Option(min=0.0, help="Thermal time constant of the heaters [us].")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the changes as JSON; must not exist.")
    ] = None,
) -> None:
    """Show which shifters change between two bundles, by how much, and how long they settle."""
    import orjson

    from experiments.commands.bundle_text import print_diff
    from experiments.number_text import positive_zeros
    from experiments.output import prepare_file
    from photonic.chipfile import checked_export, diff_exports
    from photonic.files import write_new

    if json_file is not None:
        prepare_file(json_file)
    changes = diff_exports(
        checked_export(a), checked_export(b), num_largest=largest, time_constant_us=time_constant
    )
    print_diff(changes)
    if json_file is not None:
        content = positive_zeros(changes.to_dict())
        write_new(json_file, orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
