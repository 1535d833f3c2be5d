"""Figure of a search over designs: error against each cost; it computes nothing new."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.design_space import DesignResult
from experiments.figures import save_figure
from models.labels import Label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLES = {
    "deviation_rms": "Deviation from digital",
    "power_mw": "Power [W]",
    "heater_mw": "Power of heaters [W]",
    "area_mm2": "Area [mm2]",
    "latency_us": "Latency per crystal [us]",
}
COLOURS = {"clements": "#1f5fa8", "reck": "#b5402a"}
_DECADE = 10.0  # values that span less are shown on a linear axis
MARKERS = {"descending": "o", "ascending": "s", "centred": "^", "random": "x"}


def draw_designs(
    results: Sequence[DesignResult],
    best: Sequence[DesignResult],
    objectives: Sequence[str],
    label: Label,
    directory: Path,
) -> list[Path]:
    """Write ``designs.png`` and ``designs.svg``: the error against every cost.

    Args:
        results: of all designs.
        best: the Pareto set, drawn strong and named by its tile.
        objectives: the error, then the costs.
        label: that is predicted.
        directory: existing target.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    error, *costs = objectives
    costs = costs or ["num_tiles"]
    figure = Figure(figsize=(3.8 * len(costs) + 2.2, 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(costs), squeeze=False, sharey=True)[0]
    for axes, cost in zip(panels, costs, strict=True):
        _draw_panel(axes, results, best, cost, error)
    unit = "" if label.unit == "1" else f" [{label.unit}]"
    panels[0].set_ylabel(f"{TITLES[error]} {label.name}{unit}")
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside right center", frameon=False, fontsize="small")
    figure.suptitle(
        f"{len(results)} designs, as far as they lie near the Pareto set (strong, with tile size)",
        fontsize="medium",
    )
    paths = [directory / f"designs.{suffix}" for suffix in ("png", "svg")]
    save_figure(figure, paths)
    return paths


def _draw_panel(
    axes: Axes,
    results: Sequence[DesignResult],
    best: Sequence[DesignResult],
    cost: str,
    error: str,
) -> None:
    working = [result for result in results if result.problem is None]
    for mesh, colour in COLOURS.items():
        for order, marker in MARKERS.items():
            kind = [r for r in working if (r.design.mesh, r.design.order) == (mesh, order)]
            for is_best, alpha in ((False, 0.3), (True, 1.0)):
                members = [r for r in kind if (r in best) == is_best]
                axes.scatter(
                    [_shown(r, cost) for r in members],
                    [_shown(r, error) for r in members],
                    s=24,
                    color=colour,
                    marker=marker,
                    alpha=alpha,
                    label=f"{mesh}, {order}" if is_best and kind else None,
                )
    for r in best:
        place = _shown(r, cost), _shown(r, error)
        axes.annotate(
            str(r.design.tile), place, (3, 3), textcoords="offset points", fontsize="x-small"
        )
    _limit(axes.set_xscale, axes.set_xlim, [_shown(r, cost) for r in best])
    _limit(axes.set_yscale, axes.set_ylim, [_shown(r, error) for r in best])
    if axes.get_xscale() == "linear":
        axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel(TITLES.get(cost, "Tiles"))
    axes.spines[["top", "right"]].set_visible(False)


def _limit(
    set_scale: Callable[[str], None],
    set_limits: Callable[[float, float], object],
    values: Sequence[float],
) -> None:
    """Show the range of the Pareto set and a little more; poor designs would hide it."""
    low, high = min(values), max(values)
    if low > 0 and high > _DECADE * low:
        set_scale("log")
        set_limits(low / 2, high * 2)
    else:
        margin = 0.2 * (high - low) or 0.1 * abs(high) or 1.0
        set_limits(low - margin, high + margin)


def _shown(result: DesignResult, name: str) -> float:
    """A figure in the unit of its title."""
    value = getattr(result, name)
    return value * 1e-3 if name.endswith("_mw") else value
