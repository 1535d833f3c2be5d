"""The table of predictions: shown, and written as CSV or JSON with units and what was skipped."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from experiments.console import console, print_table
from experiments.number_text import csv_text, json_text
from models.crystal.found import Skipped
from models.domain import DomainReport
from models.files import write_new

FORMATS = (".csv", ".json")
"""Endings of files that predictions are written to."""
_FILE_WIDTH = 20
"""Characters of the screen left for the names of files, which are folded."""
_NUMBER_WIDTH = 10  # of "-1.234e-05"
_DISTANCE_DIGITS = 4  # decimals of a distance in files
MAX_REASONS = 1000
"""Lines on the screen of structures that were skipped."""
MAX_SHOWN = 50
"""Rows and notes on the screen; files hold all."""
_FORMULA_WIDTH = 12
"""Characters of a formula on the screen; longer ones are cut."""
EXTRA_COLUMNS = ("formula", "formula_in_training", "nearest_training", "nearest_distance", "notes")
"""Columns of a file after those of the labels."""


@dataclass(frozen=True)
class Column:
    """One column of numbers."""

    name: str
    unit: str
    """"1" if there is none."""

    @property
    def header(self) -> str:
        """Name and, if there is one, unit in brackets."""
        return self.name if self.unit == "1" else f"{self.name} [{self.unit}]"


@dataclass(frozen=True)
class PredictionRow:
    """What is predicted for one structure, and what the user should know about it.

    Attributes:
        source: where the structure comes from.
        values: in the order of the columns.
        report: how the structure compares with those that were trained on, if that was looked at.
        notes: one line each.
    """

    source: str
    values: Sequence[float]
    report: DomainReport | None = None
    notes: Sequence[str] = ()

    @property
    def formula(self) -> str:
        """Reduced formula; empty if the structure was not compared."""
        return "" if self.report is None else self.report.formula

    @property
    def in_training(self) -> str:
        """Formula in the training data, as ``DomainReport.in_training``."""
        return "" if self.report is None else self.report.in_training

    @property
    def extras(self) -> list[object]:
        """Cells of ``EXTRA_COLUMNS``."""
        nearest = None if self.report is None else self.report.nearest_of_all
        return [
            self.formula,
            self.in_training,
            "" if nearest is None else nearest.id,
            "" if nearest is None else round(nearest.distance, _DISTANCE_DIGITS),
            "; ".join(self.notes),
        ]

    @property
    def account(self) -> dict[str, object]:
        """What JSON holds beside the values."""
        nearest = {} if self.report is None else self.report.nearest
        return {
            "formula": self.formula or None,
            "formula_in_training": self.in_training or None,
            "nearest_training": {
                dataset: [
                    {**c._asdict(), "distance": round(c.distance, _DISTANCE_DIGITS)}
                    for c in crystals
                ]
                for dataset, crystals in nearest.items()
            },
            "notes": list(self.notes),
        }


@dataclass(frozen=True)
class PredictionTable:
    """Predictions in the order of the input.

    Attributes:
        columns: of the values.
        group: columns that belong together on the screen.
        rows: one per structure that was predicted.
        skipped: structures that were not, with the reason.
        notes: what the user should know about all predictions.
    """

    columns: Sequence[Column]
    group: int
    rows: Sequence[PredictionRow]
    skipped: Sequence[Skipped]
    notes: Sequence[str]

    @property
    def header(self) -> list[str]:
        """Headers of the columns, ``file`` first, without ``EXTRA_COLUMNS``."""
        return ["file", *(column.header for column in self.columns)]

    @property
    def all_notes(self) -> list[str]:
        """Notes on all predictions, then those on single structures.

        A note that is true of several is told once, with the first of them and how many there are.
        """
        sources: dict[str, list[str]] = {}
        for row in self.rows:
            for note in row.notes:
                sources.setdefault(note, []).append(row.source)
        single = (
            f"{first}{f' and {len(others):,} more' if others else ''}: {note}"
            for note, (first, *others) in sources.items()
        )
        return [*self.notes, *single]


def require_format(path: Path) -> None:
    """Refuse an output file whose ending is none of ``FORMATS``.

    Raises:
        ValueError: naming the endings that are known.
    """
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"--out must end in {' or '.join(FORMATS)}, got {path}")


def write_predictions(table: PredictionTable, path: Path, origin: Mapping[str, object]) -> None:
    """Write a table in the format that the ending names.

    Args:
        table: all predictions.
        path: ``.csv`` or ``.json``.
        origin: JSON-able account of model and chips, kept in JSON files.
    """
    is_json = path.suffix.lower() == ".json"
    text = _json(table, origin) if is_json else _csv(table)
    write_new(path, text.encode())


def _csv(table: PredictionTable) -> str:
    rows = ([row.source, *row.values, *row.extras] for row in table.rows)
    return csv_text([[*table.header, *EXTRA_COLUMNS], *rows])


def _json(table: PredictionTable, origin: Mapping[str, object]) -> str:
    """Values beyond range are null: JSON knows no infinity."""
    names = [column.name for column in table.columns]
    content = {
        "origin": dict(origin),
        "units": {column.name: column.unit for column in table.columns},
        "predictions": [
            {
                "file": row.source,
                **{
                    n: v if math.isfinite(v) else None
                    for n, v in zip(names, row.values, strict=True)
                },
                **row.account,
            }
            for row in table.rows
        ],
        "skipped": [{"file": skip.source, "reason": skip.reason} for skip in table.skipped],
        "notes": list(table.notes),
    }
    return json_text(content, allow_nan=False) + "\n"


def print_predictions(table: PredictionTable) -> None:
    """Show the first rows, then notes, then what was skipped and why."""
    shown = table.rows[:MAX_SHOWN]
    name_width = min(_FILE_WIDTH, max((len(row.source) for row in shown), default=0))
    extras = _extra_columns(shown)
    taken = sum(width + 1 for _, width, _ in extras[:1])
    parts = _parts(table.header[1:], table.group, _room() - taken)
    # Whether a formula was trained on stands beside it where one block of columns holds all.
    needed = sum(_widths(table.header[1:])) + sum(width + 1 for _, width, _ in extras)
    columns = extras if len(parts) == 1 and needed <= _room() else extras[:1]
    for number, part in enumerate(parts):
        rows = [
            [row.source, *(cells[k] for *_, cells in columns), *_digits(row.values[part])]
            for k, row in enumerate(shown)
        ]
        title = "Predictions" if number == 0 else "Predictions, continued"
        names = ["\n".join(textwrap.wrap(h, _room())) for h in table.header[1:][part]]
        print_table(title, ["file", *(name for name, *_ in columns), *names], rows, name_width)
    if len(table.rows) > len(shown):
        console.print(f"and {len(table.rows) - len(shown):,} more; --out FILE keeps all")
    notes = table.all_notes
    for note in notes[:MAX_SHOWN]:
        console.print(f"note: {note}", markup=False, highlight=False)
    if len(notes) > MAX_SHOWN:
        console.print(f"and {len(notes) - MAX_SHOWN:,} more notes; --out FILE keeps all")
    if table.skipped:
        reasons = [(skip.source, skip.reason) for skip in table.skipped]
        print_reasons(f"Skipped ({len(reasons):,})", reasons)


def _extra_columns(rows: Sequence[PredictionRow]) -> list[tuple[str, int, list[str]]]:
    """Header, width and cells of the columns beside the values: formula, and if it is known."""
    if not any(row.formula for row in rows):
        return []
    formulas = [_shortened(row.formula, _FORMULA_WIDTH) for row in rows]
    columns = [("formula", max(7, *map(len, formulas)), formulas)]
    known = [_shortened(row.in_training, _FORMULA_WIDTH) for row in rows]
    if any(known):
        columns.append(("in training", max(11, *map(len, known)), known))
    return columns


def _shortened(text: str, width: int) -> str:
    """A text of at most so many characters, with three dots in place of its end."""
    return text if len(text) <= width else f"{text[: width - 3]}..."


def _digits(values: Sequence[float]) -> list[str]:
    return [f"{value:.4g}" for value in values]


def _widths(headers: Sequence[str]) -> list[int]:
    """Characters of columns on the screen, with the blank after them."""
    return [max(len(header), _NUMBER_WIDTH) + 1 for header in headers]


def _parts(headers: Sequence[str], group: int, room: int) -> list[slice]:
    """Runs of columns that fit side by side on the screen in so many characters.

    Whole groups where they fit; at least one column each.
    """
    widths = _widths(headers)
    ends = [*range(0, len(headers), group), len(headers)]
    if any(sum(widths[a:b]) > room for a, b in pairwise(ends)):
        ends = list(range(len(headers) + 1))
    parts, start = [], 0
    for first, last in pairwise(ends):
        if first > start and sum(widths[start:last]) > room:
            parts.append(slice(start, first))
            start = first
    return [*parts, slice(start, len(headers))]


def _room() -> int:
    """Characters of the screen beside the names of files."""
    return max(console.width - _FILE_WIDTH - 1, _NUMBER_WIDTH + 1)


def print_reasons(title: str, rows: Sequence[tuple[str, str]]) -> None:
    """Sources and reasons, one a line, the first ``MAX_REASONS`` of them."""
    console.print(title, style="italic", markup=False)
    for source, reason in rows[:MAX_REASONS]:
        console.print(f"{source}: {reason}", markup=False, highlight=False, soft_wrap=True)
    if len(rows) > MAX_REASONS:
        console.print(f"and {len(rows) - MAX_REASONS:,} more; --out FILE.json keeps all")
