"""``lightframe robustness``: the table of all remedies on many chips."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.commands.options import Limit, Mapped, OtherHardware, Out, Seed


def robustness(
    mapped: Mapped,
    out: Out,
    trained: Annotated[
        Path | None,
        typer.Option(help="Mapped model of a checkpoint written by finetune, for its rows."),
    ] = None,
    chips: Annotated[int, typer.Option(min=1, help="Independently drawn chips.")] = 64,
    seed: Seed = 0,
    hardware: OtherHardware = None,
    rows: Annotated[
        list[str] | None, typer.Option("--row", help="Row of the table; repeat; default: all.")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of the descent on a chip.")] = 1,
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave out what measures every chip.")
    ] = False,
    crystals: Limit = None,
) -> None:
    """Test error and deviation for every remedy, alone and together, as a table and a figure."""
    from experiments.console import console, print_results
    from experiments.robustness_run import run_robustness
    from photonic import load_hardware

    results = run_robustness(
        mapped,
        trained,
        num_chips=chips,
        seed=seed,
        out=out,
        hardware=None if hardware is None else load_hardware(hardware),
        mapping_epochs=epochs,
        is_quick=quick,
        names=rows or (),
        limit=crystals,
    )
    print_results(results)
    console.print(f"table, results and figures: {out}")
