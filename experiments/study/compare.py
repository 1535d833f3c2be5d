"""The same chips twice: paired differences, with bootstrap intervals over chips."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from experiments.study.description import StudyError
from experiments.study.store import DEVIATION, MAE, record_of
from experiments.study.summary import Mean, axis_names, bootstrap_mean


def check_paired(first: xr.Dataset, second: xr.Dataset) -> None:
    """Refuse studies whose chips, crystals or points do not correspond.

    Raises:
        StudyError: with what differs.
    """
    seeds = [record_of(results).seed for results in (first, second)]
    if seeds[0] != seeds[1]:
        raise StudyError(f"seeds differ ({seeds[0]} and {seeds[1]}): these are other chips")
    chips = [results.sizes["chip"] for results in (first, second)]
    if chips[0] != chips[1]:
        raise StudyError(f"numbers of chips differ ({chips[0]} and {chips[1]})")
    for name in ("crystal", "label"):
        if not first[name].equals(second[name]):
            raise StudyError(f"the two studies were evaluated on other crystals (`{name}` differs)")
    axes = [axis_names(results) for results in (first, second)]
    if axes[0] != axes[1]:
        raise StudyError(f"axes differ ({', '.join(axes[0])} and {', '.join(axes[1])})")
    for name in axes[0]:
        if not first[name].equals(second[name]):
            raise StudyError(f"values of axis {name!r} differ")


def paired_difference(first: xr.Dataset, second: xr.Dataset, name: str, point: int) -> Mean:
    """Mean over chips of second minus first, on the chips of a point that both evaluated.

    Args:
        first: study.
        second: study with the same chips, crystals and points.
        name: ``mae`` or ``deviation_rms``.
        point: number of the point.
    """
    assert name in (MAE, DEVIATION)
    return Paired.of(first[name][point], second[name][point]).difference


@dataclass(frozen=True)
class Paired:
    """A quantity of chips that were evaluated twice.

    Attributes:
        num_chips: chips that were evaluated both times.
        before: mean over these chips, the first time.
        after: the second time.
        difference: mean of second minus first.
        improved: share of chips whose second value is smaller.
    """

    num_chips: int
    before: float
    after: float
    difference: Mean
    improved: float

    @classmethod
    def of(cls, first: xr.DataArray, second: xr.DataArray) -> Paired:
        """The pairs among (C,) values, NaN where a chip was not evaluated."""
        one, two = np.asarray(first), np.asarray(second)
        is_known = ~(np.isnan(one) | np.isnan(two))
        one, two = one[is_known], two[is_known]
        if not len(one):
            return cls(0, np.nan, np.nan, bootstrap_mean(one), np.nan)
        with np.errstate(invalid="ignore"):  # infinitely wrong on both sides has no difference
            difference = bootstrap_mean(two - one)
        improved = float((two < one).mean())
        return cls(len(one), float(one.mean()), float(two.mean()), difference, improved)
