"""``lightframe sweep``: one figure of the chip description by options, or a study from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.commands.option_groups import with_option_groups
from experiments.commands.options import (
    Chips,
    Limit,
    Only,
    OtherHardware,
    Out,
    Seed,
    Without,
)
from experiments.commands.study import StudyOptions, run_study

_OF_BOTH = {"source", "out"}
_OF_STUDIES = {"workers", "scheduler", "until", "block", "memory", "resume", "dry_run"}


@with_option_groups
def sweep(
    context: typer.Context,
    source: Annotated[
        Path,
        typer.Argument(
            metavar="MAPPED|STUDY.yaml",
            help="Directory written by map, or a study file (docs/studies.md).",
        ),
    ],
    out: Out,
    options: StudyOptions,
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
    """Sweep figures of the chip over independently drawn chips.

    For MAPPED one figure by --noise, with figures drawn; for STUDY.yaml whatever the file says.
    """
    is_study = source.suffix in (".yaml", ".yml")
    _refuse_options_of_the_other_form(context, is_study=is_study)
    if is_study:
        run_study(source, out, options)
        return

    from experiments import jobs
    from experiments.console import console, print_results
    from photonic import load_hardware

    results = jobs.sweep(
        source,
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


def _refuse_options_of_the_other_form(context: typer.Context, *, is_study: bool) -> None:
    """Refuse options that would have no effect.

    Raises:
        ValueError: if one was given.
    """
    for name in context.params:
        is_given = getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"
        if is_given and name not in _OF_BOTH and (name in _OF_STUDIES) != is_study:
            option = f"--{name.replace('_', '-')}"
            if is_study:
                raise ValueError(f"{option} has no effect on a study: its file says what is varied")
            raise ValueError(f"{option} is for studies: lightframe sweep STUDY.yaml")
