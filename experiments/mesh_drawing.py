"""Drawing of a tile: waveguides, interferometers and shifters, coloured by a value per shifter."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from experiments.figures import save_figure
from photonic import MeshLayout

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.patches import Rectangle

Floats = NDArray[np.float64]
CELL = 0.42
"""Length of the cell of a shifter, in columns."""
SPAN = 0.62
"""Half height of an interferometer beyond the middle of its two modes, in modes."""
GAP = 1.2
"""Distance between meshes and attenuators, in columns."""
WAVEGUIDE = "#8a8a8a"


def draw_tile(
    values: Mapping[str, Floats],
    layouts: tuple[MeshLayout, MeshLayout],
    title: str,
    quantity: str,
    paths: tuple[Path, ...],
) -> None:
    """Draw the meshes V, sigma and U of one tile, each shifter in the colour of its value.

    Interferometers are boxes over their two modes, phi on the left and theta on the right, in the
    order of the light; the output screens are single cells behind the last column.

    Args:
        values: by mesh, (S,) in flat order (theta, phi, output screen).
        layouts: wiring of V and of U.
        title: of the figure.
        quantity: label of the colour bar, with unit.
        paths: files to write; the suffix decides on the format.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.collections import PatchCollection
    from matplotlib.figure import Figure

    v_layout, u_layout = layouts
    rank = min(v_layout.num_modes, u_layout.num_modes)
    starts = np.cumsum([0.0, v_layout.num_columns + GAP, 1 + GAP])
    end = starts[2] + u_layout.num_columns + 1
    height = max(v_layout.num_modes, u_layout.num_modes)
    figure = Figure(figsize=(1.6 + 0.28 * end, 1.3 + 0.28 * height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    cells: list[Rectangle] = []
    colours: list[float] = []
    for mesh, layout, start in (("V", v_layout, starts[0]), ("U", u_layout, starts[2])):
        _draw_waveguides(axes, layout.num_modes, start, layout.num_columns + 1)
        _add_mesh(cells, colours, layout, start, values[mesh])
        axes.text(start + layout.num_columns / 2, -1.0, mesh, ha="center", style="italic")
    _draw_waveguides(axes, rank, starts[1] - GAP, 1 + 2 * GAP)
    _add_attenuators(cells, colours, rank, starts[1], values["sigma"])
    axes.text(starts[1] + 0.5, -1.0, "sigma", ha="center", style="italic")

    collection = PatchCollection(cells, cmap="magma_r", edgecolor="#404040", linewidth=0.4)
    collection.set_array(np.array(colours))
    collection.set_clim(0, max(max(colours), np.finfo(float).tiny))
    axes.add_collection(collection)
    figure.colorbar(collection, ax=axes, label=quantity, shrink=0.8)
    axes.set(xlim=(-0.8, end + 0.6), ylim=(height - 0.2, -1.6), yticks=range(height), xticks=[])
    axes.set_ylabel("mode")
    axes.spines[:].set_visible(False)
    axes.set_title(title, fontsize="medium")
    save_figure(figure, paths)


def _draw_waveguides(axes: Axes, num_modes: int, start: float, length: float) -> None:
    axes.hlines(np.arange(num_modes), start - 0.5, start + length, color=WAVEGUIDE, linewidth=0.7)


def _add_mesh(
    cells: list[Rectangle], colours: list[float], layout: MeshLayout, start: float, values: Floats
) -> None:
    m = layout.num_mzis
    middle, x = (layout.mode + layout.partner) / 2, start + layout.column
    for part, shift in ((values[m : 2 * m], 0.0), (values[:m], CELL)):
        for left, centre, value in zip(x + shift, middle, part, strict=True):
            _add_cell(cells, colours, left, centre, SPAN, value)
    for mode, value in enumerate(values[2 * m :]):
        _add_cell(cells, colours, start + layout.num_columns, mode, 0.25, value)


def _add_attenuators(
    cells: list[Rectangle], colours: list[float], rank: int, start: float, values: Floats
) -> None:
    for part, shift in ((values[rank:], 0.0), (values[:rank], CELL)):
        for mode, value in enumerate(part):
            _add_cell(cells, colours, start + shift, mode, 0.3, value)


def _add_cell(
    cells: list[Rectangle],
    colours: list[float],
    left: float,
    centre: float,
    half_height: float,
    value: float,
) -> None:
    from matplotlib.patches import Rectangle

    cells.append(Rectangle((left, centre - half_height), CELL, 2 * half_height))
    colours.append(float(value))
