"""``lightframe elsewhere``: formation energies of crystals that no one had made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.commands.options import Out


def elsewhere(
    crystals: Annotated[Path, typer.Argument(help="File such as wbm_test_972.json.gz.")],
    checkpoints: Annotated[
        list[str], typer.Argument(help="Directories, or names of shipped checkpoints.")
    ],
    out: Out,
) -> None:
    """Errors of formation energies out of distribution, of each checkpoint and of their mean.

    Beside the labels as they are, predictions are compared after a shift to the energy corrections
    that those labels follow, which differ from those of the training data.
    """
    from experiments.console import console
    from experiments.elsewhere_job import elsewhere as run_elsewhere

    run_elsewhere(crystals, checkpoints, out)
    console.print(f"errors and predictions: {out}")
