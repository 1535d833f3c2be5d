"""``lightframe ablation``: every variant of the network at one budget, in one table."""

from __future__ import annotations

from typing import Annotated

import typer

from experiments.ablation_variants import VARIANTS, chosen_variants
from experiments.commands.option_groups import with_option_groups
from experiments.commands.options import Out
from experiments.commands.training_options import TrainingOptions, whole_numbers

_SLOW = ", ".join(name for name, variant in VARIANTS.items() if variant.is_slow)


@with_option_groups
def ablation(
    out: Out,
    training: TrainingOptions,
    variants: Annotated[
        str | None,
        typer.Option(
            help=f"By commas, of: {', '.join(VARIANTS)}. Default: all but the slow ones ({_SLOW})."
        ),
    ] = None,
    folds: Annotated[str, typer.Option(help="Held-out folds, by commas.")] = "0",
    seeds: Annotated[str, typer.Option(help="Seeds of the trainings, by commas.")] = "0,1,2",
    workers: Annotated[int, typer.Option(min=1, help="Trainings at a time, one thread each.")] = 1,
) -> None:
    """Train every frame variant alike and compare it with none; finished trainings are kept.

    --network holds for all variants, and cannot set what they differ in.
    """
    from experiments.ablation import ablation as run_ablation
    from experiments.ablation_config import ablation_config
    from experiments.console import console

    config = ablation_config(
        training.config(),
        chosen_variants(variants),
        whole_numbers("--folds", folds),
        whole_numbers("--seeds", seeds),
    )
    run_ablation(config, out, workers=workers)
    console.print(f"results and tables: {out}")
