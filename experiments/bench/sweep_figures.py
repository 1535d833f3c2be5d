"""Figures of the benchmark of studies, how much it measures, and its table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from experiments.console import console, print_table
from experiments.number_text import json_text
from experiments.record import RunRecord
from photonic.files import write_atomic

RESULT_FILE = "sweep.json"


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes:
        block: chips that are evaluated together.
        turns: timed turns.
        chips: of the studies that the engine and the workers are measured with.
        base: points, chips and crystals of the study that ten times as many are compared with.
        memory_blocks: numbers of chips whose peak memory is taken.
    """

    block: int
    turns: int
    chips: int
    base: tuple[int, int, int]
    memory_blocks: tuple[int, ...]


FULL = Effort(8, 5, 96, (1, 16, 20), (1, 16, 64))
QUICK = Effort(2, 1, 8, (1, 1, 2), (1, 2))


@dataclass(frozen=True)
class Figure:
    """One ratio.

    Attributes:
        quantity: what is compared with what.
        value: the ratio.
        required: what it must reach.
        is_upper: it must not be larger, else not smaller.
        note: what was measured.
    """

    quantity: str
    value: float
    required: float
    is_upper: bool
    note: str

    @property
    def is_reached(self) -> bool:
        """True if the ratio is as required."""
        return self.value <= self.required if self.is_upper else self.value >= self.required


def print_figures(figures: Sequence[Figure], load_average: float | None, busy: float) -> None:
    """Table of all ratios, and a warning if other work was running."""
    rows = [
        (
            f"{figure.quantity}\n  {figure.note}",
            f"{figure.value:.3g}",
            f"{'<=' if figure.is_upper else '>='} {figure.required:g}"
            + ("" if figure.is_reached else " MISSED"),
        )
        for figure in figures
    ]
    print_table("Studies: ratios of one run", ("quantity", "ratio", "required"), rows)
    if load_average is not None and load_average > busy:
        console.print(
            f"load average {load_average:.1f} at the start: other work was running; run again"
        )


def write_figures(figures: Sequence[Figure], record: RunRecord, directory: Path) -> None:
    """Write ``sweep.json`` into an existing directory."""
    data = {
        "record": record.model_dump(mode="json"),
        "figures": [asdict(figure) | {"is_reached": figure.is_reached} for figure in figures],
    }
    write_atomic(directory / RESULT_FILE, (json_text(data) + "\n").encode())
