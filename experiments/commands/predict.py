"""``lightframe predict``: labels of structure files, from the digital model or on drawn chips."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.commands.options import DEFAULT_CHECKPOINT, Disorder, On, OtherCheckpoint, Seed

if TYPE_CHECKING:
    from experiments.prediction import Predictor
    from experiments.prediction_table import PredictionTable

DEFAULT_CHIPS = 16


def predict(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help="CIF, POSCAR, JSON, other formats through ASE, or directories."
        ),
    ],
    checkpoint: OtherCheckpoint = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write a .csv or .json file; must not exist.")
    ] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Stop at the first structure that cannot be used or would need a repair.",
        ),
    ] = False,
    labels: Annotated[
        str | None, typer.Option("--labels", help="Labels to show, by commas; default: all.")
    ] = None,
    disorder: Annotated[
        Disorder,
        typer.Option(
            "--disorder",
            help="Partly occupied sites: refuse them, take one ordering, or average over several.",
        ),
    ] = Disorder.refuse,
    on: On = None,
    chips: Annotated[
        int | None,
        typer.Option(
            "--chips",
            min=1,
            max=100_000,
            help=f"Independently drawn chips, with --on; default: {DEFAULT_CHIPS}.",
        ),
    ] = None,
    seed: Seed = 0,
) -> None:
    """Predict the labels of structures; what cannot be used is skipped and listed with a reason."""
    from experiments.output import prepare_file, refuse_existing
    from experiments.prediction_table import (
        print_predictions,
        require_format,
        write_predictions,
    )
    from experiments.structures import expand

    if on is None and chips is not None:
        raise ValueError("--chips needs --on MAPPED, the mapped model whose chips are drawn")
    if out is not None:
        require_format(out)
        refuse_existing(out)
    names = None if labels is None else [name.strip() for name in labels.split(",")]
    num_chips = DEFAULT_CHIPS if chips is None else chips
    predictor, origin = _predictor(on, checkpoint, num_chips, seed, names)
    predictor.model.labels_named(names)
    paths = expand(files)
    table = _predict(paths, predictor, strict, disorder)
    _require_rows(table)
    if out is not None:
        prepare_file(out)
        write_predictions(table, out, origin)
    print_predictions(table)


def _predictor(
    on: Path | None,
    checkpoint: str | None,
    num_chips: int,
    seed: int,
    labels: Sequence[str] | None,
) -> tuple[Predictor, dict[str, Any]]:
    """What predicts, and an account of it."""
    from experiments.commands.model_account import account_of_checkpoint, account_of_mapped
    from experiments.prediction import ChipPredictor, DigitalPredictor, require_own_checkpoint
    from models.checkpoint import load_checkpoint

    if on is None:
        name = checkpoint or DEFAULT_CHECKPOINT
        return DigitalPredictor(load_checkpoint(name), labels), account_of_checkpoint(name)
    from experiments.mapped import load_mapped

    mapped = load_mapped(on)
    if checkpoint is not None:
        require_own_checkpoint(on, checkpoint)
    account = account_of_mapped(on, mapped, num_chips)
    return ChipPredictor(mapped, num_chips, seed, labels), {**account, "seed": seed}


def _predict(
    paths: list[Path], predictor: Predictor, is_strict: bool, disorder: Disorder
) -> PredictionTable:
    from experiments.console import progress
    from experiments.prediction import max_atomic_number, predict_structures
    from experiments.structures import iter_structures
    from models.crystal.sites import ReadOptions

    options = ReadOptions(
        max_atomic_number=max_atomic_number(predictor.model),
        is_strict=is_strict,
        disorder=disorder.value,
    )
    structures = iter_structures(paths, options)
    seen = itertools.count(1)
    with progress("structures", len(paths)) as advance:
        return predict_structures(
            structures,
            predictor,
            is_strict=is_strict,
            # A file may hold many structures: the total grows when they turn up.
            on_structure=lambda: advance(max(len(paths), next(seen))),
        )


def _require_rows(table: PredictionTable) -> None:
    """Refuse a table without predictions; a single mistake is told in the error itself."""
    from experiments.prediction_table import print_reasons
    from models.crystal import CrystalError

    if table.rows:
        return
    first, *rest = table.skipped
    if not rest:
        raise CrystalError(str(first))
    print_reasons("Skipped", [(skip.source, skip.reason) for skip in table.skipped])
    raise CrystalError(f"none of {len(table.skipped):,} structures can be used; first: {first}")
