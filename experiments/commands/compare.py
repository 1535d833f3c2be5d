"""``lightframe compare``: two studies on the same chips, as paired differences."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def compare(
    first: Annotated[Path, typer.Argument(metavar="DIR1", help="Directory of a study.")],
    second: Annotated[Path, typer.Argument(metavar="DIR2", help="Another on the same chips.")],
) -> None:
    """What DIR2 changes against DIR1 on the same chips, with bootstrap intervals over chips."""
    from experiments.study import open_study
    from experiments.study.compare import check_paired
    from experiments.study.tables import print_comparison

    studies = open_study(first), open_study(second)
    check_paired(*studies)
    print_comparison(*studies)
