"""``lightframe drift``: chips in the hours after their calibration."""

from __future__ import annotations

from pathlib import Path
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


def drift(
    mapped: Mapped,
    out: Out,
    hours: Annotated[str, typer.Option(help="Times since calibration [h].")] = "0,1,4,12,24,72",
    chips: Chips = 32,
    seed: Seed = 0,
    hardware: OtherHardware = None,
    rate: Annotated[
        float | None,
        typer.Option(min=0.0, help="Random walk [rad/sqrt(h)] in place of the chip's own drift."),
    ] = None,
    trace: Annotated[
        Path | None,
        typer.Option(
            help="Measured chip temperature in place of the chip's own: CSV with the header "
            "time_s,temperature_k, times from the calibration on."
        ),
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(help="Follow the chips of a directory written by calibrate."),
    ] = None,
    without: Without = None,
    only: Only = None,
    crystals: Limit = None,
    quantile: Annotated[
        float, typer.Option(help="Share of chips that the recalibration interval holds for.")
    ] = 0.95,
    tolerance: Annotated[
        float, typer.Option(help="Admitted excess over the digital error, as a share of it.")
    ] = 0.10,
    deviation_tolerance: Annotated[
        float,
        typer.Option(
            help="Admitted rms deviation from the digital predictions, as a share of the digital "
            "error."
        ),
    ] = 0.25,
) -> None:
    """Follow chips for hours after their calibration, and say when to calibrate them again."""
    from experiments import jobs
    from experiments.console import console, print_results
    from experiments.recalibration import RecalibrationCriteria
    from experiments.recalibration_text import print_recalibration
    from photonic import load_hardware
    from photonic.hardware.tables import read_trace

    criteria = RecalibrationCriteria(quantile, tolerance, deviation_tolerance)
    results = jobs.drift(
        mapped,
        hours,
        num_chips=chips,
        seed=seed,
        out=out,
        hardware=None if hardware is None else load_hardware(hardware),
        rate=rate,
        trace=None if trace is None else read_trace(trace),
        limit=crystals,
        without=without or (),
        only=only or (),
        calibration=calibration,
        recalibration=criteria,
    )
    print_results(results)
    print_recalibration(results)
    console.print(f"results and figures: {out}")
