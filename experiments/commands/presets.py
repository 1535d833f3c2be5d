"""``lightframe presets``: one model on many chips."""

from __future__ import annotations

from typing import Annotated

import typer

from experiments.commands.options import Chips, Limit, Mapped, Out, Seed


def presets(
    mapped: Mapped,
    out: Out,
    names: Annotated[
        list[str] | None,
        typer.Option("--hardware", help="Chip name or YAML file; repeat; default: all shipped."),
    ] = None,
    chips: Chips = 16,
    seed: Seed = 0,
    crystals: Limit = None,
) -> None:
    """Predict with the same model on several chips, mapped for each of them."""
    from experiments import jobs
    from experiments.console import console, print_results

    results = jobs.presets(mapped, names or (), num_chips=chips, seed=seed, out=out, limit=crystals)
    print_results(results)
    console.print(f"results and figures: {out}")
