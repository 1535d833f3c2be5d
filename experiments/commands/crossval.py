"""``lightframe crossval``: train and evaluate on every fold, beside the median and the trees."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.commands.option_groups import with_option_groups
from experiments.commands.options import Out
from experiments.commands.training_options import TrainingOptions, whole_numbers


@with_option_groups
def crossval(
    out: Out,
    training: TrainingOptions,
    folds: Annotated[str, typer.Option(help="Held-out folds, by commas.")] = "0,1,2,3,4",
    seeds: Annotated[str, typer.Option(help="Seeds of the trainings, by commas.")] = "0",
    workers: Annotated[int, typer.Option(min=1, help="Trainings at a time, one thread each.")] = 1,
    wbm: Annotated[
        Path | None,
        typer.Option(help="File of out-of-distribution crystals, wbm_test_972.json.gz."),
    ] = None,
) -> None:
    """Train and evaluate on every fold; finished folds of a killed run are not repeated."""
    from experiments.console import console
    from experiments.crossval import crossval as run_crossval
    from experiments.crossval import crossval_config

    config = crossval_config(
        training.config(),
        whole_numbers("--folds", folds),
        whole_numbers("--seeds", seeds),
        wbm,
    )
    run_crossval(config, out, workers=workers, wbm=wbm)
    console.print(f"results and table: {out}")
