"""What the command line says about recalibration intervals."""

from __future__ import annotations

import math

import xarray as xr

from experiments.console import console
from experiments.recalibration import PREFIX, Interval, num_within, stored_interval


def recalibration_lines(results: xr.Dataset) -> list[str]:
    """One plain sentence per criterion.

    Args:
        results: from ``with_recalibration``.
    """
    share, tolerance, deviation_tolerance = (
        results.attrs[f"{PREFIX}{name}"]
        for name in ("quantile", "tolerance", "deviation_tolerance")
    )
    num_chips = results.sizes["chip"]
    is_all = num_within(num_chips, share) == num_chips
    chips = f"all {num_chips} chips" if is_all else f"{100 * share:g} % of chips"
    goals = {
        "error": f"{chips} within {100 * tolerance:g} % of the digital error",
        "deviation": f"the predictions of {chips} within {deviation_tolerance:g} of the digital "
        "error (rms) from the digital ones",
    }
    last = float(results["hours"][-1])
    return [_sentence(stored_interval(results, name), goal, last) for name, goal in goals.items()]


def _sentence(interval: Interval, goal: str, last: float) -> str:
    low, high = (
        f"{bound:.3g} h" if math.isfinite(bound) else f"beyond {last:g} h"
        for bound in (interval.low, interval.high)
    )
    bounds = f" ({low} to {high})" if low != high else ""
    if interval.is_never:
        return f"no recalibration interval keeps {goal}: fresh chips are not{bounds}"
    if interval.is_open:
        return f"no recalibration needed within {last:g} h{bounds} to keep {goal}"
    return f"recalibrate every {interval.hours:.3g} h{bounds} to keep {goal}"


def print_recalibration(results: xr.Dataset) -> None:
    """Show ``recalibration_lines``."""
    for line in recalibration_lines(results):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
