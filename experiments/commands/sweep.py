"""``lightframe sweep``: one figure of the chip description over many chips."""

from __future__ import annotations

from typing import Annotated

import typer

from experiments.commands.options import (
    Chips,
    Limit,
    Mapped,
    Only,
    OtherHardware,
    Out,
    Seed,
    Without,
)


def sweep(
    mapped: Mapped,
    out: Out,
    noise: Annotated[
        str,
        typer.Option(
            help="kind=values; kinds: phase, bias, coupler [rad], gamma, crosstalk [1], loss [dB "
            "per MZI], bits. Chip number c keeps its draws at every value."
        ),
    ] = "phase=0,0.005,0.01,0.02,0.05,0.1,0.2",
    chips: Chips = 32,
    seed: Seed = 0,
    hardware: OtherHardware = None,
    without: Without = None,
    only: Only = None,
    crystals: Limit = None,
) -> None:
    """Sweep one noise figure over independently drawn chips."""
    from experiments import jobs
    from experiments.console import console, print_results
    from photonic import load_hardware

    results = jobs.sweep(
        mapped,
        noise,
        num_chips=chips,
        seed=seed,
        out=out,
        hardware=None if hardware is None else load_hardware(hardware),
        limit=crystals,
        without=without or (),
        only=only or (),
    )
    print_results(results)
    console.print(f"results and figures: {out}")
