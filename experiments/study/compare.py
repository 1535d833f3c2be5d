"""Two studies on the same chips: paired differences, with bootstrap intervals over chips."""

from __future__ import annotations

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
    one, two = (np.asarray(results[name][point]) for results in (first, second))
    is_known = ~(np.isnan(one) | np.isnan(two))
    with np.errstate(invalid="ignore"):  # infinitely wrong on both sides has no difference
        return bootstrap_mean(two[is_known] - one[is_known])
