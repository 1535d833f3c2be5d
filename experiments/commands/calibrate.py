"""``lightframe calibrate``: measure chips on their benches and correct what can be corrected."""

from __future__ import annotations

from typing import Annotated

import typer

from experiments.commands.options import Limit, Mapped, OtherHardware, Out, Seed


def calibrate(
    mapped: Mapped,
    out: Out,
    method: Annotated[
        str,
        typer.Option(
            help="Remedies by commas: crosstalk, loss (from the data sheet), couplers (as "
            "measured), identity (drive coefficients and bias from output powers), mapping "
            "(descent on the chip, Sigma projection), subspace (Sigma trained on the chip)."
        ),
    ] = "crosstalk,loss,mapping",
    chips: Annotated[int, typer.Option(min=1, help="Independently drawn chips.")] = 4,
    seed: Seed = 0,
    hardware: OtherHardware = None,
    coupler_error: Annotated[
        float, typer.Option(help="Std of measured coupler angles [rad].")
    ] = 1e-3,
    read_noise: Annotated[
        float, typer.Option(help="Std of a reading relative to full scale.")
    ] = 1e-3,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of the descent on the chip.")] = 2,
    crystals: Limit = None,
) -> None:
    """Calibrate drawn chips, write what to ask of each, compare predictions before and after."""
    from pydantic import ValidationError

    from experiments.calibration_run import run_calibration
    from experiments.console import console, print_effort, print_results
    from photonic import load_hardware
    from photonic.calibration.recipe import Recipe
    from photonic.hardware import first_problem

    try:
        recipe = Recipe(
            methods=tuple(word.strip() for word in method.split(",") if word.strip()),
            coupler_error_rad=coupler_error,
            read_noise=read_noise,
            mapping_epochs=epochs,
        )
    except ValidationError as error:
        raise ValueError(first_problem(error)) from None
    results, efforts = run_calibration(
        mapped,
        recipe,
        num_chips=chips,
        seed=seed,
        out=out,
        hardware=None if hardware is None else load_hardware(hardware),
        limit=crystals,
    )
    print_results(results)
    print_effort(efforts)
    console.print(f"commands of each chip, results and figures: {out}")
