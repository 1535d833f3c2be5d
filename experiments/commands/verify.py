"""``lightframe verify``: a chip bundle checked from its files alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.commands.options import DEFAULT_CHECKPOINT, Checkpoint, Limit


def verify(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder written by export.")],
    checkpoint: Checkpoint = DEFAULT_CHECKPOINT,
    crystals: Limit = None,
    predict: Annotated[
        bool, typer.Option("--predict/--no-predict", help="Predict the test error.")
    ] = True,
) -> None:
    """Check hashes, schema and physics of a bundle, and compare its weights with a checkpoint."""
    from experiments.chip_bundle import require_same_weights, verify_bundle
    from experiments.commands.bundle_text import print_report
    from experiments.console import console

    with console.status("Rebuilding weights from the files"):
        report = verify_bundle(bundle, checkpoint, limit=crystals, has_prediction=predict)
    print_report(report)
    require_same_weights(report)
