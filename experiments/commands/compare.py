"""``lightframe compare``: paired differences, of two studies or along an axis of one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def compare(
    first: Annotated[Path, typer.Argument(metavar="DIR1", help="Directory of a study.")],
    second: Annotated[
        Path | None, typer.Argument(metavar="[DIR2]", help="Another on the same chips.")
    ] = None,
    along: Annotated[
        str | None,
        typer.Option(help="Axis of DIR1 whose values are compared on the same chips: remedy."),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(help="Value to compare with; default: none of remedies, else the first."),
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="With --along: write a row for each pair as CSV.")
    ] = None,
) -> None:
    """What DIR2, or a value of an axis, changes on the same chips; intervals are over chips."""
    from experiments.study import open_study
    from experiments.study.compare import check_paired
    from experiments.study.pairs import pairs_along, write_pairs
    from experiments.study.tables import print_comparison, print_pairs

    if (second is None) == (along is None):
        raise ValueError("give either a second study or --along AXIS")
    results = open_study(first)
    if second is not None:
        if to is not None or csv is not None:
            raise ValueError("--to and --csv go with --along AXIS")
        other = open_study(second)
        check_paired(results, other)
        print_comparison(results, other)
        return
    assert along is not None
    reference, pairs = pairs_along(results, along, to)
    if csv is not None:
        write_pairs(results, pairs, csv)
    print_pairs(results, along, reference, pairs)
