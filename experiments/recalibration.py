"""How often a drifting chip must be calibrated: the longest time at which enough chips are right.

Two criteria, both against the error of the digital model: is the model still as right (its error
against the labels), and are these still its predictions (their deviation from the digital ones)?
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
import xarray as xr

from experiments.results import BAND, Floats
from photonic.randomness import keyed_generator

NUM_RESAMPLES = 1000
CRITERIA = ("error", "deviation")
_MAX_ENTRIES = 4_000_000
"""Numbers held at once while resampling, 32 MB."""
PREFIX = "recalibration_"
"""Of the names of variables and attributes in a data set."""


@dataclass(frozen=True)
class RecalibrationCriteria:
    """What a chip must satisfy not to need a calibration, and how many chips must.

    The default of ``deviation_tolerance`` is where the deviation can hardly be seen in the error:
    independent of the model's own error it adds to it in quadrature, about 2 % for 0.25. It is
    the stricter of the two criteria; 10 % more error stand for deviations of about 0.6.
    """

    quantile: float = 0.95
    """Share of chips that must be within the tolerance."""
    tolerance: float = 0.10
    """Largest excess of a chip's error over the digital error, relative to the digital error."""
    deviation_tolerance: float = 0.25
    """Largest root-mean-square deviation of a chip's predictions, relative to the digital error."""

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ValueError: naming the criterion.
        """
        if not 0 < self.quantile <= 1:
            raise ValueError(f"`quantile` must lie in (0, 1], got {self.quantile}")
        for name in ("tolerance", "deviation_tolerance"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise ValueError(f"`{name}` must be finite and not negative, got {value}")

    def limits(self, digital_mae: float) -> dict[str, float]:
        """Largest admitted statistic of a chip, by criterion [label unit].

        Args:
            digital_mae: [label unit] error of the digital model.
        """
        return {
            "error": (1 + self.tolerance) * digital_mae,
            "deviation": self.deviation_tolerance * digital_mae,
        }


@dataclass(frozen=True)
class Interval:
    """A recalibration interval with its bootstrap interval over chips."""

    hours: float
    """[h] longest time within tolerance; infinite = longer than the times asked for."""
    low: float
    """[h] 5 % quantile over resampled chips."""
    high: float
    """[h] 95 % quantile over resampled chips; may be infinite."""
    is_never: bool
    """Out of tolerance at the first time asked for already; then ``hours`` is 0."""

    @property
    def is_open(self) -> bool:
        """True if the tolerance is kept at all times asked for."""
        return math.isinf(self.hours)


def recalibration_interval(
    hours: Floats, values: Floats, limit: float, quantile: float
) -> Interval:
    """The longest time up to which a quantile over chips stays within a limit.

    The quantile over chips is the smallest value that at least this share of chips does not exceed,
    so with less than 1/(1 - quantile) chips the worst one decides. Between the last time within the
    limit and the first beyond it the quantile is interpolated linearly. The bootstrap draws chips
    with replacement, the same chips at all times.

    Args:
        hours: (T,) [h] times, ascending.
        values: (T, C) statistic of each chip; may be infinite.
        limit: largest admitted value, in the unit of ``values``.
        quantile: share of chips.

    Raises:
        ValueError: if the limit is not finite, as the error of a broken digital model.
    """
    if not math.isfinite(limit):
        raise ValueError(f"the recalibration limit must be finite, got {limit}")
    curve = _quantile_over_chips(values, quantile)
    resampled = crossing_hours(hours, _resampled_quantiles(values, quantile), limit)
    low, high = np.quantile(resampled, BAND, method="inverted_cdf")
    return Interval(
        hours=float(crossing_hours(hours, curve, limit)),
        low=float(low),
        high=float(high),
        is_never=bool(curve[0] > limit),
    )


def crossing_hours(hours: Floats, curves: Floats, limit: float) -> Floats:
    """First times at which curves cross a limit from below, linear between the given times.

    Args:
        hours: (T,) [h] times, ascending.
        curves: (..., T) values; may be infinite, which is crossed at the last finite time.
        limit: finite; a curve that only touches it has not crossed.

    Returns:
        (...) [h]; infinite for curves that never cross, 0 for those that start beyond the limit.
    """
    is_beyond = curves > limit
    after = is_beyond.argmax(axis=-1)[..., None]
    before = np.maximum(after - 1, 0)
    low, high = (np.take_along_axis(curves, index, -1) for index in (before, after))
    with np.errstate(divide="ignore", invalid="ignore"):  # without a time before: not used
        fraction = (limit - low) / (high - low)
        crossing = hours[before] + fraction * (hours[after] - hours[before])
    crossing = np.where(after == 0, 0.0, crossing)[..., 0]
    return np.where(is_beyond.any(axis=-1), crossing, np.inf)


def _quantile_over_chips(values: Floats, quantile: float) -> Floats:
    """(...) smallest of the (..., C) values that a share ``quantile`` of chips does not exceed."""
    rank = num_within(values.shape[-1], quantile) - 1
    return np.partition(values, rank, axis=-1)[..., rank]


def num_within(num_chips: int, quantile: float) -> int:
    """Smallest number of chips that is at least the share ``quantile`` of them."""
    # 55 % of 20 chips are 11, though the product rounds to more.
    return max(1, math.ceil(quantile * num_chips * (1 - 4 * np.finfo(float).eps)))


def _resampled_quantiles(values: Floats, quantile: float) -> Floats:
    """(NUM_RESAMPLES, T) quantiles over chips drawn with replacement from (T, C) values."""
    num_chips = values.shape[-1]
    generator = keyed_generator(0, "recalibration", "bootstrap")
    step = max(1, _MAX_ENTRIES // values.size)
    parts = []
    for start in range(0, NUM_RESAMPLES, step):
        size = min(step, NUM_RESAMPLES - start), num_chips
        chips = generator.integers(num_chips, size=size)
        parts.append(_quantile_over_chips(values[:, chips], quantile).T)
    return np.concatenate(parts)


def with_recalibration(results: xr.Dataset, criteria: RecalibrationCriteria) -> xr.Dataset:
    """The results of a drift study with its recalibration intervals.

    Args:
        results: from ``chip_results`` over ``hours``.
        criteria: tolerances, stored as attributes.

    Returns:
        A copy with, by ``criterion`` (error, deviation): ``recalibration_hours`` and its bootstrap
        bounds ``recalibration_low`` and ``recalibration_high`` [h], ``recalibration_limit`` [label
        unit] and ``recalibration_is_never``; see ``Interval``.

    Raises:
        ValueError: if the results are not over hours.
    """
    if results.attrs["axis"] != "hours":
        raise ValueError(f"recalibration needs results over hours, got {results.attrs['axis']}")
    limits = criteria.limits(float(results["digital_mae"]))
    hours = results["hours"].values.astype(float)
    intervals = []
    for criterion, statistic in zip(CRITERIA, ("mae", "deviation_rms"), strict=True):
        values = results[statistic].transpose("hours", "chip").values
        limit = limits[criterion]
        intervals.append(recalibration_interval(hours, values, limit, criteria.quantile))
    unit = results["label"].attrs["units"]
    columns = {
        "hours": ([i.hours for i in intervals], "h", "longest time within tolerance"),
        "low": ([i.low for i in intervals], "h", "5 % bootstrap quantile over chips"),
        "high": ([i.high for i in intervals], "h", "95 % bootstrap quantile over chips"),
        "limit": ([limits[c] for c in CRITERIA], unit, "largest admitted statistic of a chip"),
        "is_never": ([int(i.is_never) for i in intervals], "1", "1 = violated at the first time"),
    }
    variables = {
        f"{PREFIX}{name}": ("criterion", values, {"units": units, "long_name": meaning})
        for name, (values, units, meaning) in columns.items()
    }
    attrs = {f"{PREFIX}{name}": value for name, value in asdict(criteria).items()}
    named = results.assign_coords(criterion=list(CRITERIA))
    return named.assign(variables).assign_attrs(attrs)


def stored_interval(results: xr.Dataset, criterion: str) -> Interval:
    """The recalibration interval of a criterion that ``with_recalibration`` stored."""
    chosen = results.sel(criterion=criterion)
    names = ("hours", "low", "high")
    bounds = {name: float(chosen[f"{PREFIX}{name}"]) for name in names}
    return Interval(**bounds, is_never=bool(chosen[f"{PREFIX}is_never"]))
