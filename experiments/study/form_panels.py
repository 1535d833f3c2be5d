"""Panels of a study's figure: sampled weight errors beside their closed form, and their ratio."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from experiments.study.form_check import FormCheck, missing_notes
from experiments.study.summary import Mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WEIGHTS, RATIO = "weights", "ratio"
TITLES = {
    WEIGHTS: "Relative error of all weights, rms over chips",
    RATIO: "Mean square, sampled over expected",
}
"""Panels and what their axes say."""
_WIDTH = 66
"""Characters of a line of notes."""


def panel_means(results: xr.Dataset, panel: str, points: Sequence[int]) -> list[Mean]:
    """What a panel shows at some points, with its bars.

    Args:
        results: of a study that keeps weight errors.
        panel: ``WEIGHTS`` with bootstrap intervals, or ``RATIO`` with a standard error on each
            side; NaN where there is no ratio.
        points: with evaluated chips.
    """
    checks = [FormCheck.of(results, point) for point in points]
    if panel == WEIGHTS:
        return [check.sampled for check in checks]
    return [
        Mean(check.ratio, check.ratio - check.ratio_error, check.ratio + check.ratio_error)
        for check in checks
    ]


def draw_expected(
    panel: Axes,
    results: xr.Dataset,
    points: Sequence[int],
    places: Sequence[float],
    *,
    is_row: bool,
) -> None:
    """Mark the expected weight error of some points, over their chips.

    Args:
        panel: of the weight errors.
        results: of a study that keeps weight errors.
        points: in the order of their places.
        places: of the points along the axis of the study, or number of their rows.
        is_row: whether errors lie to the right.
    """
    expected = [FormCheck.of(results, point).expected for point in points]
    x, y = (expected, places) if is_row else (places, expected)
    label = None if all(map(math.isnan, expected)) else "closed form"
    panel.plot(x, y, "x", color="black", markersize=7, zorder=3, label=label)


def finish_ratio(panel: Axes, results: xr.Dataset, points: Sequence[int], *, is_row: bool) -> None:
    """A line at 1, and in words where no closed form holds and why.

    Args:
        panel: of the ratios.
        results: of a study that keeps weight errors.
        points: that are drawn.
        is_row: whether ratios lie to the right.
    """
    notes = [textwrap.fill(note, _WIDTH) for note in missing_notes(results, points)]
    if all(math.isnan(FormCheck.of(results, point).ratio) for point in points):
        panel.set_axis_off()
        reason = "\n".join(notes or ["all expected errors are too small for a ratio"])
        panel.text(0.5, 0.5, reason, transform=panel.transAxes, ha="center", va="center")
        return
    (panel.axvline if is_row else panel.axhline)(1.0, color="black", linewidth=1, linestyle="--")
    panel.set_title("\n".join(["bars: standard errors over chips", *notes]), fontsize="small")
    ends = np.array([[m.low, m.high] for m in panel_means(results, RATIO, points)])
    reach = 1.3 * np.nanmax(np.abs(ends - 1), initial=0.0)
    if math.isfinite(reach) and reach > 0:
        (panel.set_xlim if is_row else panel.set_ylim)(1 - reach, 1 + reach)
