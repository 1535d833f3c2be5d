"""The table of predictions: shown, and written as CSV or JSON with units and what was skipped."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

from experiments.console import console, print_table
from experiments.number_text import csv_text, json_text
from experiments.training_domain import Neighbour
from models.datasets.user import Skipped
from models.files import write_new

FORMATS = (".csv", ".json")
"""Endings of files that predictions are written to."""
_FILE_WIDTH = 20
"""Characters of the screen left for the names of files, which are folded."""
_NUMBER_WIDTH = 10  # of "-1.234e-05"
_LAST = ("formula", "formula_in_training", "nearest_training", "notes")
MAX_REASONS = 1000
"""Lines on the screen of structures that were skipped."""
MAX_SHOWN = 50
"""Rows on the screen; files hold all."""


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
    """Prediction of one structure.

    Attributes:
        source: file, or ``file#name``.
        values: in the order of the columns.
        formula: reduced.
        in_training: whether a crystal of this formula was trained on: ``yes``, ``no``, labels for
            which it is true, or empty if that is not known.
        nearest: training crystals, the nearest first.
        notes: what the user should know, one line each.
    """

    source: str
    values: Sequence[float]
    formula: str = ""
    in_training: str = ""
    nearest: Sequence[Neighbour] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class PredictionTable:
    """Predictions in the order of the input.

    Attributes:
        columns: of the values.
        group: columns that belong together on the screen.
        rows: one per structure that was predicted.
        skipped: structures that were not, with the reason.
        notes: what the user should know about all of them.
    """

    columns: Sequence[Column]
    group: int
    rows: Sequence[PredictionRow]
    skipped: Sequence[Skipped]
    notes: Sequence[str]

    @property
    def header(self) -> list[str]:
        """Headers of all columns of a file, ``file`` first."""
        return ["file", *(column.header for column in self.columns), *_LAST]


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
    rows = (
        [row.source, *row.values, row.formula, row.in_training, _nearest(row), "; ".join(row.notes)]
        for row in table.rows
    )
    return csv_text([table.header, *rows])


def _nearest(row: PredictionRow) -> str:
    """The nearest training crystal as ``mp-390 TiO2 0.01``."""
    if not row.nearest:
        return ""
    first = row.nearest[0]
    return f"{first.id} {first.formula} {first.distance:.3g}"


def _json(table: PredictionTable, origin: Mapping[str, object]) -> str:
    """Values beyond range are null: JSON knows no infinity."""
    names = [column.name for column in table.columns]
    content = {
        "origin": dict(origin),
        "units": {column.name: column.unit for column in table.columns},
        "predictions": [
            {
                "file": row.source,
                "formula": row.formula,
                "formula_in_training": row.in_training,
                "nearest_training": [asdict(found) for found in row.nearest],
                "notes": list(row.notes),
                **{
                    n: v if math.isfinite(v) else None
                    for n, v in zip(names, row.values, strict=True)
                },
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
    labels = [column.header for column in table.columns]
    about = max([len("formula"), *(len(row.formula) for row in shown)]) + len("trained") + 2
    parts = _parts(labels, table.group)
    # Formulas and what is known of them are shown where they cost no further lines.
    widest = max(_NUMBER_WIDTH, *map(len, labels))
    has_about = _room() > about + widest and _parts(labels, table.group, about) == parts
    for number, part in enumerate(parts):
        rows = [
            [
                row.source,
                *([row.formula, row.in_training] if has_about else []),
                *(f"{x:.4g}" for x in row.values[part]),
            ]
            for row in shown
        ]
        title = "Predictions" if number == 0 else "Predictions, continued"
        headers = ["\n".join(textwrap.wrap(h, _room())) for h in labels[part]]
        first = ["file", *(["formula", "trained"] if has_about else [])]
        print_table(title, [*first, *headers], rows, name_width)
    if len(table.rows) > len(shown):
        console.print(f"and {len(table.rows) - len(shown):,} more; --out FILE keeps all")
    notes = [*table.notes, *_notes_of_rows(table.rows)]
    for note in notes[:MAX_SHOWN]:
        console.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True)
    if len(notes) > MAX_SHOWN:
        console.print(f"and {len(notes) - MAX_SHOWN:,} more notes; --out FILE keeps all")
    if table.skipped:
        rows = [(skip.source, skip.reason) for skip in table.skipped]
        print_reasons(f"Skipped ({len(rows):,})", rows)


def _notes_of_rows(rows: Sequence[PredictionRow]) -> list[str]:
    """One line for each note, with the first structure that it is about and how many there are."""
    sources: dict[str, list[str]] = {}
    for row in rows:
        for note in row.notes:
            sources.setdefault(note, []).append(row.source)
    return [
        f"{first}{f' and {len(others):,} more' if others else ''}: {note}"
        for note, (first, *others) in sources.items()
    ]


def _parts(headers: Sequence[str], group: int, taken: int = 0) -> list[slice]:
    """Runs of columns that fit side by side on the screen beside the names of files.

    Whole groups where they fit; at least one column each.
    """
    room = _room() - taken
    widths = [max(len(header), _NUMBER_WIDTH) + 1 for header in headers]
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
