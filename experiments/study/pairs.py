"""Values of one axis of a study against a reference value, chip by chip: the same chips twice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from experiments.number_text import frame_text
from experiments.output import prepare_file
from experiments.study.compare import Paired
from experiments.study.description import StudyError
from experiments.study.fields import REMEDY
from experiments.study.remedies import NO_REMEDY
from experiments.study.store import DEVIATION, MAE
from experiments.study.summary import axis_names
from photonic.files import write_new

_SHOWN = 8
"""Values of an axis that a message names."""


@dataclass(frozen=True)
class PairOfPoints:
    """Two points of a study that differ in one axis alone."""

    reference: int
    """Number of the point with the reference value."""
    point: int
    """Number of the other."""

    def paired(self, results: xr.Dataset, name: str) -> Paired:
        """``mae`` or ``deviation_rms`` of the chips of both points."""
        return Paired.of(results[name][self.reference], results[name][self.point])


def pairs_along(
    results: xr.Dataset, axis: str, reference: str | None = None
) -> tuple[str, list[PairOfPoints]]:
    """Points that differ in one axis alone, each with that of the reference value.

    Args:
        results: study.
        axis: whose values are compared.
        reference: text of its value to compare with; None for "none" of remedies, else the first.

    Returns:
        The reference value, and the pairs in the order of the points.

    Raises:
        StudyError: if there is no such axis, no such value, or no two such points.
    """
    names = axis_names(results)
    if axis not in names:
        raise StudyError(f"the study has no axis {axis!r}; it has {', '.join(names)}")
    texts = {name: [value_text(value) for value in results[name].values] for name in names}
    values = texts.pop(axis)
    chosen = _reference(axis, list(dict.fromkeys(values)), reference)
    rest = [tuple(column[point] for column in texts.values()) for point in range(len(values))]
    known = {key: p for p, key in reversed(list(enumerate(rest))) if values[p] == chosen}
    pairs = [
        PairOfPoints(known[key], point)
        for point, key in enumerate(rest)
        if values[point] != chosen and key in known
    ]
    if not pairs:
        raise StudyError(
            f"no two points differ in {axis!r} alone: a grid has such points, if the axis has "
            "several values"
        )
    return chosen, pairs


def _reference(axis: str, values: list[str], asked: str | None) -> str:
    if asked is None:
        return NO_REMEDY if axis == REMEDY and NO_REMEDY in values else values[0]
    if asked in values:
        return asked
    for value in values:
        if _is_number(value) and _is_number(asked) and float(value) == float(asked):
            return value
    shown = ", ".join(values[:_SHOWN]) + (", ..." if len(values) > _SHOWN else "")
    raise StudyError(f"axis {axis!r} has no value {asked!r}; it has {shown}")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def value_text(value: str | float) -> str:
    """A value of an axis with all its digits, "absent" for none."""
    if isinstance(value, str):
        return value
    return "absent" if np.isnan(value) else repr(float(value)).removesuffix(".0")


def pair_table(results: xr.Dataset, pairs: list[PairOfPoints]) -> pd.DataFrame:
    """One row for each pair: points, axes, and of both quantities all fields of ``Paired``."""
    rows = []
    for pair in pairs:
        row: dict[str, Any] = {"reference_point": pair.reference, "point": pair.point}
        row |= {name: results[name].values[pair.point] for name in axis_names(results)}
        for name in (MAE, DEVIATION):
            found = pair.paired(results, name)
            row |= {
                "num_chips": found.num_chips,
                f"{name}_reference": found.before,
                name: found.after,
                f"{name}_difference": found.difference.value,
                f"{name}_difference_low": found.difference.low,
                f"{name}_difference_high": found.difference.high,
                f"{name}_improved": found.improved,
            }
        rows.append(row)
    return pd.DataFrame(rows)


def write_pairs(results: xr.Dataset, pairs: list[PairOfPoints], path: Path) -> None:
    """Write the table of pairs as CSV.

    Raises:
        FileExistsError: if ``path`` exists.
    """
    prepare_file(path)
    write_new(path, frame_text(pair_table(results, pairs)).encode())
