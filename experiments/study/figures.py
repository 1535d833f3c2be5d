"""Figures of a study: error and deviation over its most varied axis, with intervals over chips."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from experiments.figures import save_figure, scale_axis
from experiments.output import refuse_existing
from experiments.study.form_check import has_weight_errors
from experiments.study.form_panels import (
    RATIO,
    TITLES,
    WEIGHTS,
    draw_expected,
    finish_ratio,
    panel_means,
)
from experiments.study.store import DEVIATION, MAE
from experiments.study.summary import Mean, axis_names, bootstrap_mean, evaluated

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_LINES = 8
"""Combinations of the other axes that get a line of their own; more are drawn as points."""
_ROWS = ((MAE, DEVIATION), (WEIGHTS, RATIO))
"""Panels of the figure."""
FEWEST_VALUES = 3
"""Numbers on an axis from which curves say more than rows."""


def draw_study(results: xr.Dataset, directory: Path) -> list[Path]:
    """Write ``study.png`` and ``study.svg``.

    Above, left the error against the labels, right the deviation from the digital predictions:
    means over chips with 95 % bootstrap intervals. Below, left the relative error of all weights in
    the same way, with what a closed form expects, right the ratio of their squares with standard
    errors, and why points have none; not for studies that were made before weight errors were kept.
    The axis with most numbers lies below, every combination of the others is a line; without such
    an axis every point is a row.

    Args:
        results: of an opened study, finished or not.
        directory: existing target.

    Raises:
        ValueError: if no chip has been evaluated yet.
        FileExistsError: if a figure exists.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    paths = [directory / f"study.{suffix}" for suffix in ("png", "svg")]
    for path in paths:
        refuse_existing(path)
    points = [p for p in range(results.sizes["point"]) if evaluated(results[MAE], p).size]
    if not points:
        raise ValueError("no chip of this study has been evaluated yet: nothing to draw")
    axis = drawn_axis(results)
    height = 4.0 if axis is not None else 1.6 + 0.3 * len(points)
    rows = _ROWS if has_weight_errors(results) else _ROWS[:1]
    figure = Figure(figsize=(10.0, height * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(rows), 2, squeeze=False, sharey="row" if axis is None else "none")
    for panel, name in zip(panels.flat, (name for row in rows for name in row), strict=True):
        if axis is None:
            _draw_rows(panel, results, name, points)
        else:
            _draw_lines(panel, results, name, points, axis)
    crystals, chips = results.sizes["crystal"], results.sizes["chip"]
    figure.suptitle(
        f"{crystals} crystals, up to {chips} chips, bars: 95 % bootstrap intervals over chips",
        fontsize="medium",
    )
    save_figure(figure, paths, is_new=True)
    return paths


def drawn_axis(results: xr.Dataset) -> str | None:
    """The axis with most numbers, the first of several; None if all have fewer than three."""
    counts = {
        name: np.unique(values[~np.isnan(values)]).size
        for name in axis_names(results)
        if (values := results[name].values).dtype.kind == "f"
    }
    best = max(counts, key=lambda name: counts[name], default=None)
    return best if best is not None and counts[best] >= FEWEST_VALUES else None


def lines(results: xr.Dataset, points: Sequence[int], axis: str) -> dict[str, list[int]]:
    """Points by what the other axes say, each in ascending order of an axis."""
    names = [name for name in axis_names(results) if name != axis]
    found: dict[str, list[int]] = {}
    for point in sorted(points, key=lambda p: float(results[axis].values[p])):
        if not np.isnan(results[axis].values[point]):
            found.setdefault(_label(results, names, point), []).append(point)
    return found


def _label(results: xr.Dataset, names: Sequence[str], point: int) -> str:
    """Values of some axes at a point, with their units."""
    parts = []
    for name in names:
        value, unit = results[name].values[point], results[name].attrs["units"]
        text = str(value) if isinstance(value, str) else f"{value:.4g}"
        text = "absent" if text == "nan" else text
        parts.append(f"{name} {text}" + ("" if unit == "1" else f" {unit}"))
    return ", ".join(parts)


def _draw_lines(
    panel: Axes, results: xr.Dataset, name: str, points: Sequence[int], axis: str
) -> None:
    groups = lines(results, points, axis)
    if len(groups) > MOST_LINES:
        groups = {"": [point for group in groups.values() for point in group]}
    for number, (label, members) in enumerate(groups.items()):
        x = results[axis].values[members]
        means = _means(results, name, members)
        style = "-" if label or (len(groups) == 1 and len(set(x)) == len(x)) else ""
        if all(np.isnan(m.value) for m in means):
            continue
        panel.errorbar(
            x, [m.value for m in means], _bars(means), fmt="o", linestyle=style, markersize=4,
            color=f"C{number}", capsize=2, label=label or None,
        )  # fmt: skip
    unit = results[axis].attrs["units"]
    words = axis.removesuffix(f"_{unit}").replace("_", " ")
    panel.set_xlabel(words + ("" if unit == "1" else f" [{unit}]"))
    scale_axis(panel, np.unique(results[axis].values[points]))
    if name == WEIGHTS:
        places = [float(results[axis].values[point]) for point in points]
        draw_expected(panel, results, points, places, is_row=False)
    panel.set_ylim(bottom=0)
    panel.set_ylabel(_quantity(results, name))
    _finish(panel, results, name, points)


def _draw_rows(panel: Axes, results: xr.Dataset, name: str, points: Sequence[int]) -> None:
    means, rows = _means(results, name, points), range(len(points))
    panel.errorbar(
        [m.value for m in means], rows, xerr=_bars(means), fmt="o", markersize=4, capsize=2
    )
    if name == WEIGHTS:
        draw_expected(panel, results, points, rows, is_row=True)
    labels = [_label(results, axis_names(results), point) for point in points]
    panel.set_yticks(rows, labels, fontsize="small")
    panel.set_ylim(len(points) - 0.5, -0.5)
    panel.set_xlim(left=0)
    panel.set_xlabel(_quantity(results, name))
    _finish(panel, results, name, points)


def _means(results: xr.Dataset, name: str, points: Sequence[int]) -> list[Mean]:
    if name in TITLES:
        return panel_means(results, name, points)
    return [bootstrap_mean(evaluated(results[name], point)) for point in points]


def _bars(means: Sequence[Mean]) -> np.ndarray:
    """(2, P) lengths of the bars below and above; 0 where an interval is not known."""
    bars = [(m.value - m.low, m.high - m.value) for m in means]
    return np.nan_to_num(np.array(bars).T, nan=0.0, posinf=0.0)


def _quantity(results: xr.Dataset, name: str) -> str:
    label, unit = results.attrs["label_name"], results["label"].attrs["units"]
    of = label if unit == "1" else f"{label} [{unit}]"
    return {
        MAE: f"Mean absolute error of {of}",
        DEVIATION: f"Deviation from the digital {of}, rms",
        **TITLES,
    }[name]


def _finish(panel: Axes, results: xr.Dataset, name: str, points: Sequence[int]) -> None:
    is_row = panel.get_ylim()[0] > panel.get_ylim()[1]
    if name == RATIO:
        finish_ratio(panel, results, points, is_row=is_row)
    if name == MAE:
        digital = float(np.abs(results["digital"] - results["label"]).mean())
        draw = panel.axvline if is_row else panel.axhline
        draw(digital, color="black", linewidth=1, linestyle="--", label="digital")
    panel.spines[["top", "right"]].set_visible(False)
    if panel.get_legend_handles_labels()[1]:
        panel.legend(frameon=False, fontsize="small")
