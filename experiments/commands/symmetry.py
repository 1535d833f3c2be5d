"""``lightframe symmetry``: does a prediction depend on how the crystal is described?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.commands.options import DEFAULT_CHECKPOINT, On, OtherCheckpoint, Out, Seed

if TYPE_CHECKING:
    from experiments.symmetry.columns import Evaluator

DEFAULT_CHIPS = 2


def symmetry(
    out: Out,
    checkpoint: OtherCheckpoint = None,
    on: On = None,
    chips: Annotated[
        int | None,
        typer.Option(
            "--chips",
            min=1,
            max=1000,
            help=f"Independently drawn chips, with --on; default: {DEFAULT_CHIPS}.",
        ),
    ] = None,
    per_group: Annotated[
        int, typer.Option("--per-group", min=0, help="Stored crystals of every space group.")
    ] = 1,
    stored: Annotated[
        str,
        typer.Option("--stored", help="Crystals of dielectric and elastic each, or 'all'."),
    ] = "100",
    draws: Annotated[
        int, typer.Option("--draws", min=1, max=1000, help="Descriptions of each exact crystal.")
    ] = 4,
    seed: Seed = 0,
) -> None:
    """Compare predictions over rotations, cells, supercells, mirror images; broken controls too.

    Exit status 1 if a row is not as expected: a prediction changes, or a broken control passes.
    """
    from experiments.console import console, progress
    from experiments.jobs import command_line
    from experiments.output import refuse_existing
    from experiments.record import RunRecord
    from experiments.symmetry.report import failure_text, print_report, write_report
    from experiments.symmetry.run import SymmetryRun, SymmetrySettings
    from models.datasets import dataset_names, load_dataset
    from photonic.files import new_folder

    refuse_existing(out)
    if on is None and chips is not None:
        raise ValueError("--chips needs --on MAPPED, the mapped model whose chips are drawn")
    settings = SymmetrySettings(
        draws=draws, per_group=per_group, stored=_parse_stored(stored), seed=seed
    )
    num_chips = DEFAULT_CHIPS if chips is None else chips
    evaluator, origin = _evaluator(on, checkpoint, num_chips, seed)
    datasets = {name: load_dataset(name) for name in dataset_names()}
    config = {**origin, **settings.model_dump(mode="json")}
    hashes = {name: dataset.sha256 for name, dataset in datasets.items()}
    record = RunRecord.capture(command_line(), config, seed, hashes)
    with new_folder(out) as folder:
        report = SymmetryRun(evaluator, settings, datasets, progress).report()
        print_report(report, evaluator.wheres)
        write_report(report, evaluator.wheres, record, folder)
    console.print(f"table and all comparisons: {out}")
    if report.wrong:
        print(f"lightframe: symmetry {failure_text(report)}", file=sys.stderr)
        raise typer.Exit(1)


def _parse_stored(text: str) -> int | None:
    """Number of crystals; None for all."""
    if text == "all":
        return None
    if not text.isdecimal():
        raise ValueError(f"--stored takes a number or 'all', got {text!r}")
    return int(text)


def _evaluator(
    on: Path | None, checkpoint: str | None, num_chips: int, seed: int
) -> tuple[Evaluator, dict[str, Any]]:
    """What is measured, and an account of it."""
    import torch

    from experiments.commands.model_account import account_of_checkpoint, account_of_mapped
    from experiments.mapped import load_mapped
    from experiments.prediction import require_own_checkpoint
    from experiments.symmetry.columns import chip_columns, digital_columns
    from models.checkpoint import load_checkpoint

    if on is None:
        name = checkpoint or DEFAULT_CHECKPOINT
        model = load_checkpoint(name, dtype=torch.float64)
        return digital_columns(model), account_of_checkpoint(name)
    if checkpoint is not None:
        require_own_checkpoint(on, checkpoint)
    mapped = load_mapped(on, dtype=torch.float64)
    return chip_columns(mapped, num_chips, seed), account_of_mapped(on, mapped, num_chips)
