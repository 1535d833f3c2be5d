"""The table of symmetry as text, JSON and CSV."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.console import console, print_table
from experiments.number_text import csv_text, json_text
from experiments.record import RunRecord
from experiments.symmetry.columns import WHERES, Where
from experiments.symmetry.row import EXACT, Row
from experiments.symmetry.run import SymmetryReport
from photonic.files import write_atomic

JSON_FILE = "symmetry.json"
CSV_FILE = "symmetry.csv"
COMPARISONS_FILE = "comparisons.csv"


def print_report(report: SymmetryReport, wheres: tuple[Where, ...]) -> None:
    """The table, rows with failures, and what failing stored crystals sit on."""
    header = ("test", "crystals", "number", *wheres, "tolerance", "verdict")
    print_table(
        "Largest relative spread of standardised outputs; of controls, which must be seen, the\n"
        f"smallest. Tolerance of float64 and chips; float32: {EXACT['float32']:.0e}",
        header,
        [_cells(row, wheres) for row in report.rows],
    )
    for row in report.rows:
        if row.skipped:
            console.print(f"skipped {row.name}: {row.skipped}", markup=False)
    if report.edges:
        rows = [(e.structure, e.row, f"{e.spread:.0e}", e.difference, e.text) for e in report.edges]
        print_table(
            "Stored crystals whose prediction depends on the description, and the tolerance\n"
            "that decides: changed by this factor, both descriptions agree",
            ("crystal", "test", "spread", "given | described", "sits on"),
            rows,
        )


def failure_text(report: SymmetryReport) -> str:
    """One line that names the rows that are not as expected."""
    parts = []
    for row in report.wrong:
        if row.is_control:
            parts.append(f"control {row.name!r} does not show")
        else:
            worst = row.failures[0]
            values = ", ".join(f"{w} {value:.0e}" for w, value in worst.spreads.items())
            parts.append(f"{row.name} of {row.structures} ({worst.structure}: {values})")
    return "not as expected: " + "; ".join(parts)


def _cells(row: Row, wheres: tuple[Where, ...]) -> list[str]:
    value = row.value
    numbers = [f"{value[w]:.0e}" if w in value else "-" for w in wheres]
    return [
        row.name,
        row.structures,
        str(len(row.comparisons)),
        *numbers,
        _tolerance(row),
        row.verdict,
    ]


def _tolerance(row: Row) -> str:
    """The bound in float64; the one in float32 is in the title."""
    if not row.bound or row.skipped:
        return "-"
    return f"{'>' if row.is_control else '<='} {row.bound['float64']:.0e}"


def write_report(
    report: SymmetryReport, wheres: tuple[Where, ...], record: RunRecord, directory: Path
) -> None:
    """Write ``symmetry.json``, ``symmetry.csv`` (rows) and ``comparisons.csv`` (all spreads)."""
    contents = {
        "record": record.model_dump(mode="json"),
        "is_expected": not report.wrong,
        "rows": [_row_dict(row) for row in report.rows],
        "tolerance_edges": [
            {
                "test": edge.row,
                "structure": edge.structure,
                "spread": _finite(edge.spread),
                "given": edge.given and edge.given._asdict(),
                "described": edge.described and edge.described._asdict(),
                "tolerance": edge.tolerance or None,
                "factor": edge.factor,
                "agreed": edge.agreed and edge.agreed._asdict(),
            }
            for edge in report.edges
        ],
    }
    text = json_text(contents, allow_nan=False)
    write_atomic(directory / JSON_FILE, text.encode())
    header = ["test", "crystals", "number", *WHERES, "tolerance", "verdict"]
    _write_csv(directory / CSV_FILE, header, [_csv_row(row) for row in report.rows])
    header = ["test", "crystals", "structure", *WHERES, "note"]
    rows = [
        [row.name, row.structures, c.structure, *(c.spreads.get(w, "") for w in WHERES), c.note]
        for row in report.rows
        for c in row.comparisons
    ]
    _write_csv(directory / COMPARISONS_FILE, header, rows)


def _row_dict(row: Row) -> dict[str, Any]:
    return {
        "test": row.name,
        "crystals": row.structures,
        "number": len(row.comparisons),
        "is_control": row.is_control,
        "value": _finite_values(row.value),
        "bound": dict(row.bound),
        "share_required": row.share,
        "share_within": {} if row.skipped else {w: row.within(w) for w in row.bound},
        "unbroken": _finite_values(row.passing),
        "min_ratio": row.min_ratio,
        "verdict": row.verdict,
        "is_expected": row.is_expected,
        "skipped": row.skipped or None,
        "failures": [
            {"structure": c.structure, "spreads": _finite_values(c.spreads), "note": c.note}
            for c in row.failures
        ],
    }


def _csv_row(row: Row) -> list[object]:
    values = [row.value.get(where, "") for where in WHERES]
    bound = row.bound.get("float64", "")
    return [row.name, row.structures, len(row.comparisons), *values, bound, row.verdict]


def _write_csv(path: Path, header: list[str], rows: list[list[object]]) -> None:
    write_atomic(path, csv_text([header, *rows]).encode())


def _finite(value: float) -> float | None:
    """JSON has no infinity."""
    return value if math.isfinite(value) else None


def _finite_values(values: Mapping[Where, float]) -> dict[str, float | None]:
    return {where: _finite(value) for where, value in values.items()}
