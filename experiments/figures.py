"""Figures of finished runs; they read results and compute nothing new.

The two panels answer two questions: is the model still right (error against the labels), and are
these still the model's predictions (deviation from the digital ones)? The second moves long before
the first, because the model's own error hides it.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr

from experiments.results import Floats
from photonic.files import write_atomic, write_new

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {"mae": "#1f5fa8", "deviation_rms": "#b5402a", "deviation_q95": "#d99a2b"}
LABELS = {
    "mae": "on chips",
    "deviation_rms": "root mean square over crystals",
    "deviation_q95": "95 % quantile over crystals",
}


def draw_results(results: xr.Dataset, directory: Path) -> list[Path]:
    """Write ``errors.png`` and ``errors.svg`` for a run over chips.

    Settings that are numbers give curves, settings that have names give one row each.

    Args:
        results: from ``chip_results``.
        directory: existing target.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = setting_names(results)
    figure = Figure(
        figsize=(9.0, 3.8 if names is None else 1.6 + 0.3 * len(names)), layout="constrained"
    )
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, sharey=names is not None)
    if names is None:
        _draw_error(left, results)
        _draw_deviation(right, results)
    else:
        _draw_rows(left, results, ("mae",))
        _draw_rows(right, results, ("deviation_q95", "deviation_rms"))
    num_chips, num_crystals = results.sizes["chip"], results.sizes["crystal"]
    figure.suptitle(
        f"{results.attrs['title']} ({num_crystals} held-out crystals, {num_chips} chips, "
        "bands: 5-95 % of chips)",
        fontsize="medium",
    )
    paths = [directory / f"errors.{suffix}" for suffix in ("png", "svg")]
    save_figure(figure, paths)
    return paths


def save_figure(figure: Figure, paths: Sequence[Path], *, is_new: bool = False) -> None:
    """Write a figure to files; the same figure gives the same bytes.

    Args:
        figure: with its own canvas.
        paths: targets; the suffix decides on the format.
        is_new: refuse files that exist; otherwise they are our own and are replaced.

    Raises:
        FileExistsError: as ``is_new`` says.
    """
    from matplotlib import rc_context

    # Text stays text and ids do not depend on the clock.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "lightframe"}):
        for path in paths:
            metadata = {"Date": None} if path.suffix == ".svg" else None
            data = io.BytesIO()
            figure.savefig(data, format=path.suffix[1:], dpi=160, metadata=metadata)
            (write_new if is_new else write_atomic)(path, data.getvalue())


def setting_names(results: xr.Dataset) -> list[str] | None:
    """Names of the settings of a run; None if they are numbers."""
    values = results[results.attrs["axis"]].values
    return list(map(str, values)) if values.dtype.kind in "US" else None


def _draw_rows(axes: Axes, results: xr.Dataset, statistics: tuple[str, ...]) -> None:
    """Mean and band of each setting, one below the other."""
    names = setting_names(results) or []
    for shift, name in zip((-0.12, 0.12), statistics, strict=False):
        rows = [row + (shift if len(statistics) > 1 else 0.0) for row in range(len(names))]
        low, high = results[f"{name}_q05"].values, results[f"{name}_q95"].values
        axes.hlines(rows, low, high, color=COLOURS[name], alpha=0.35, linewidth=5)
        axes.plot(
            results[f"{name}_mean"].values,
            rows,
            color=COLOURS[name],
            marker="o",
            markersize=4,
            linestyle="",
            label=LABELS[name],
        )
    if "mae" in statistics:
        axes.axvline(
            float(results["digital_mae"]),
            color="black",
            linewidth=1,
            linestyle="--",
            label="digital",
        )
        axes.set_xlabel(f"Mean absolute error of {_with_unit(results)}")
    else:
        axes.set_xlabel(f"Deviation from the digital {_with_unit(results)}")
    axes.set_yticks(range(len(names)), names, fontsize="small")
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize="small")


def _draw_error(axes: Axes, results: xr.Dataset) -> None:
    _draw_band(axes, results, "mae")
    _draw_recalibration(axes, results, "error")
    axes.axhline(
        float(results["digital_mae"]), color="black", linewidth=1, linestyle="--", label="digital"
    )
    axes.set_ylabel(f"Mean absolute error of {_with_unit(results)}")
    _finish(axes, results)


def _draw_deviation(axes: Axes, results: xr.Dataset) -> None:
    _draw_band(axes, results, "deviation_q95")
    _draw_band(axes, results, "deviation_rms")
    _draw_recalibration(axes, results, "deviation")
    axes.set_ylabel(f"Deviation from the digital {_with_unit(results)}")
    _finish(axes, results)


def _draw_band(axes: Axes, results: xr.Dataset, name: str) -> None:
    x = results[results.attrs["axis"]].values
    low, high = results[f"{name}_q05"].values, results[f"{name}_q95"].values
    axes.fill_between(x, low, high, color=COLOURS[name], alpha=0.25, linewidth=0)
    axes.plot(
        x,
        results[f"{name}_mean"].values,
        color=COLOURS[name],
        marker="o",
        markersize=4,
        label=LABELS[name],
    )


def _draw_recalibration(axes: Axes, results: xr.Dataset, criterion: str) -> None:
    """The admitted limit of a drift study, and its recalibration interval with bootstrap band."""
    if "recalibration_hours" not in results:
        return
    hours, low, high = (
        float(results[f"recalibration_{part}"].sel(criterion=criterion))
        for part in ("hours", "low", "high")
    )
    limit = float(results["recalibration_limit"].sel(criterion=criterion))
    axes.axhline(limit, color="#3a7d44", linewidth=1, linestyle=":", label="admitted")
    last = float(results["hours"][-1])
    axes.axvspan(min(low, last), min(high, last), color="#3a7d44", alpha=0.15, linewidth=0)
    if 0 < hours <= last:
        axes.axvline(hours, color="#3a7d44", linewidth=1, label=f"recalibrate: {hours:.3g} h")


def _with_unit(results: xr.Dataset) -> str:
    name, unit = results.attrs["label_name"], results["label"].attrs["units"]
    return name if unit == "1" else f"{name} [{unit}]"


def _finish(axes: Axes, results: xr.Dataset) -> None:
    axis = results[results.attrs["axis"]]
    unit = axis.attrs["units"]
    axes.set_xlabel(axis.attrs["long_name"] + ("" if unit == "1" else f" [{unit}]"))
    axes.set_ylim(bottom=0)
    scale_axis(axes, axis.values)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize="small")


def scale_axis(axes: Axes, values: Floats) -> None:
    """Logarithmic beyond the smallest positive value, linear down to zero, if that helps."""
    positive = values[values > 0]
    if positive.size < 2 or positive.max() < 10 * positive.min():
        return
    axes.set_xscale("symlog", linthresh=float(positive.min()), linscale=0.4)
    axes.set_xlim(-0.1 * positive.min(), 1.08 * positive.max())
    axes.set_xticks(values, [f"{value:.3g}" for value in values], fontsize="small")
    axes.minorticks_off()
