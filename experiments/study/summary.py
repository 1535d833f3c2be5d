"""Statistics over the chips of a study: means and bootstrap intervals, over chips not crystals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from experiments.study.store import record_of
from photonic.randomness import keyed_generator

NUM_RESAMPLES = 2000
INTERVAL = (0.025, 0.975)
_MAX_ENTRIES = 10_000_000
"""Largest array of resampled chips."""


@dataclass(frozen=True)
class Mean:
    """A mean over chips.

    Attributes:
        value: mean.
        low: lower bound of its 95 % bootstrap interval.
        high: upper bound.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4g} ({self.low:.4g} to {self.high:.4g})"


def bootstrap_mean(values: NDArray[np.float64]) -> Mean:
    """The mean over chips with its 95 % percentile interval; same values, same interval.

    Args:
        values: (C,) of independent chips; an infinite one makes the mean infinite. The interval of
            fewer than two chips is NaN.
    """
    if len(values) < 2:
        return Mean(float(values.mean()) if len(values) else np.nan, np.nan, np.nan)
    generator = keyed_generator(0, "study", "bootstrap")
    step = max(1, _MAX_ENTRIES // len(values))
    means = np.concatenate(
        [
            values[
                generator.integers(
                    len(values), size=(min(step, NUM_RESAMPLES - start), len(values))
                )
            ].mean(1)
            for start in range(0, NUM_RESAMPLES, step)
        ]
    )
    low, high = np.quantile(means, INTERVAL, method="inverted_cdf")
    return Mean(float(values.mean()), float(low), float(high))


def evaluated(values: xr.DataArray, point: int) -> NDArray[np.float64]:
    """The chips of a point that have been evaluated, in order."""
    row: NDArray[np.float64] = values[point].to_numpy()
    return row[~np.isnan(row)]


def axis_names(results: xr.Dataset) -> list[str]:
    """Axes of a study, in their order."""
    return list(record_of(results).config["study"]["axes"])
