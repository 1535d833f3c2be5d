"""Sampled weight errors of a study beside what a closed form expects, where one holds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from experiments.study.store import EXPECTED, NOTE, WEIGHT_ERROR
from experiments.study.summary import Mean, bootstrap_mean, evaluated

SMALLEST = 1e-5
"""Expected error below which the rounding of weights in single precision is seen in the ratio."""


@dataclass(frozen=True)
class FormCheck:
    """The weight errors of the chips of a point against their closed form.

    The form gives the mean square over all chips there could be, so that the ratio of mean squares
    is 1 on average, for any number of chips.

    Attributes:
        sampled: root of the mean square over chips of the relative weight error, with the roots of
            its 95 % bootstrap interval.
        expected: the closed form of it; NaN where none holds or it is not known yet.
        ratio: sampled over expected mean square; NaN without the form, or where it is so small that
            rounding is seen.
        ratio_error: standard error of the ratio over chips; NaN for fewer than two.
    """

    sampled: Mean
    expected: float
    ratio: float
    ratio_error: float

    @classmethod
    def of(cls, results: xr.Dataset, point: int) -> FormCheck:
        """The check of a point.

        Args:
            results: of a study that keeps weight errors.
            point: number of the point.
        """
        squares = evaluated(results[WEIGHT_ERROR], point) ** 2
        mean, expected = bootstrap_mean(squares), float(results[EXPECTED][point])
        sampled = Mean(*(math.sqrt(bound) for bound in (mean.value, mean.low, mean.high)))
        if math.isnan(expected) or expected < SMALLEST:
            return cls(sampled, expected, math.nan, math.nan)
        error = math.nan
        if len(squares) > 1:
            error = float(squares.std(ddof=1)) / math.sqrt(len(squares)) / expected**2
        return cls(sampled, expected, mean.value / expected**2, error)

    def ratio_text(self) -> str:
        """The ratio with its standard error, or a dash."""
        if math.isnan(self.ratio):
            return "-"
        error = "" if math.isnan(self.ratio_error) else f" +- {self.ratio_error:.1g}"
        return f"{self.ratio:.4g}{error}"


def has_weight_errors(results: xr.Dataset) -> bool:
    """Whether a study keeps weight errors; those of earlier versions do not."""
    return WEIGHT_ERROR in results and EXPECTED in results


def missing_notes(results: xr.Dataset, points: Sequence[int]) -> list[str]:
    """One sentence for each reason why points have no expected weight error, with their number.

    Args:
        results: of a study.
        points: that are shown.
    """
    if not has_weight_errors(results):
        return ["this study was made before weight errors were kept: no closed form is checked"]
    counts = Counter(str(results[NOTE].values[point]) for point in points)
    sentences = [
        f"no closed form at {number} of {len(points)} points: {note}"
        for note, number in counts.items()
        if note
    ]
    covered = [point for point in points if not str(results[NOTE].values[point])]
    unknown = int(np.isnan(results[EXPECTED].values[covered]).sum())
    if unknown:
        sentences.append(f"closed form not evaluated yet at {unknown} of {len(points)} points")
    return sentences
