"""``lightframe verify``: a chip bundle checked from its files alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.commands.options import BundleCheckpoint, Limit, ManifestHash


def verify(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder written by export.")],
    checkpoint: BundleCheckpoint = None,
    manifest_sha256: ManifestHash = None,
    crystals: Limit = None,
    predict: Annotated[
        bool, typer.Option("--predict/--no-predict", help="Predict the test error.")
    ] = True,
) -> None:
    """Check every number of a bundle, and compare its weights with those of its checkpoint."""
    from experiments.bundle_verification import verify_bundle
    from experiments.commands.bundle_text import print_report
    from experiments.console import console

    with console.status("Rebuilding weights from the files"):
        report = verify_bundle(
            bundle,
            checkpoint,
            manifest_sha256=manifest_sha256,
            limit=crystals,
            has_prediction=predict,
        )
    print_report(report)
