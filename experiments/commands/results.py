"""``lightframe results``: the table of a study, and its export to other formats."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def results(
    study: Annotated[Path, typer.Argument(metavar="DIR", help="Directory of a study.")],
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Write a row for each chip as CSV.")
    ] = None,
    parquet: Annotated[
        Path | None, typer.Option("--parquet", help="The same as Parquet (extra parquet).")
    ] = None,
    netcdf: Annotated[
        Path | None, typer.Option("--netcdf", help="Write all arrays as NetCDF.")
    ] = None,
    figures: Annotated[
        Path | None,
        typer.Option("--figures", help="Draw study.png and study.svg into this directory."),
    ] = None,
) -> None:
    """Error and deviation of every point of a study: mean over chips, bootstrap interval."""
    from experiments.study import export, open_study
    from experiments.study.tables import print_study

    found = open_study(study)
    if csv is not None:
        export.write_csv(found, csv)
    if parquet is not None:
        export.write_parquet(found, parquet)
    if netcdf is not None:
        export.write_netcdf(found, netcdf)
    if figures is not None:
        from experiments.study.figures import draw_study

        figures.mkdir(parents=True, exist_ok=True)
        draw_study(export.of_chips(found).load(), figures)
    print_study(found)
