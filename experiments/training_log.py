"""Metrics of a training run for people and their tools: ``metrics.csv`` and TensorBoard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.number_text import csv_text
from photonic.files import write_atomic

METRICS_FILE = "metrics.csv"
EVENTS_DIRECTORY = "tensorboard"
REPEATED_COLUMN = "validation_mae"
"""The error that decides; the table has it in the column of its label, with the unit."""

Row = dict[str, float]


def write_metrics(history: Sequence[Row], directory: Path) -> None:
    """Write all finished epochs to ``metrics.csv``, one line each, units in the column names."""
    columns = [name for name in history[0] if name != REPEATED_COLUMN] if history else []
    rows = [columns, *([row.get(name, "") for name in columns] for row in history)]
    write_atomic(directory / METRICS_FILE, csv_text(rows, line_end="\n").encode())


def count_epochs(directory: Path) -> int:
    """Number of epochs in the ``metrics.csv`` of a directory; 0 if there is none."""
    try:
        lines = (directory / METRICS_FILE).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return 0
    return max(len(lines) - 1, 0)


class TensorBoardLog:
    """Event files beside the checkpoint, for ``tensorboard --logdir``.

    Args:
        directory: of the checkpoint; the files go to ``tensorboard`` in it.
        first_epoch: the first one that is still to come; a killed run may have logged it already.

    Raises:
        ValueError: if TensorBoard is not installed; the message says how to get it.
    """

    def __init__(self, directory: Path, first_epoch: int) -> None:
        self._writer = summary_writer_class()(
            str(directory / EVENTS_DIRECTORY), purge_step=first_epoch
        )

    def add(self, row: Row) -> None:
        """Log an epoch; what is logged is on disk when this returns."""
        epoch = int(row["epoch"])
        for name, value in row.items():
            if name not in ("epoch", REPEATED_COLUMN):
                self._writer.add_scalar(name, value, epoch)
        self._writer.flush()

    def close(self) -> None:
        """Finish the event file."""
        self._writer.close()


def summary_writer_class() -> Any:
    """The writer of event files that comes with torch.

    Raises:
        ValueError: if the package ``tensorboard`` is missing.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ValueError(
            "TensorBoard is not installed: pip install tensorboard, or leave out --tensorboard "
            f"({METRICS_FILE} holds the same numbers)"
        ) from None
    return SummaryWriter
