"""Drawing of one mesh as it lies on the chip: waveguides, couplers and numbered shifters.

Light runs from left to right. Both modes of an interferometer come close in its two couplers; phi
is in front of the first one, theta between them, both on the upper arm, and the output screen ends
the mesh. Sizes are inches, so that the numbers stay legible however large the mesh is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from photonic import MeshLayout

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, Normalize
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
PHI, FIRST, THETA, SECOND = 0.03, 0.28, 0.53, 0.78
"""Where the parts of an interferometer begin, in columns."""
BOX = 0.23
"""Length of a shifter, in columns."""
BOX_HEIGHT = 0.46
"""Height of a shifter, in modes."""
BEND, STRAIGHT = 0.08, 0.06
"""Lengths of one bend of a coupler and of the piece between two bends, in columns."""
GAP = 0.16
"""Distance of the waveguides in a coupler, in modes."""
LEAD = 0.25
"""Waveguide before the first and behind the last component, in columns."""
ROW_INCHES = 0.42
MARGINS = (0.55, 1.4, 0.4, 0.8)
"""Inches on the left, on the right (with the colour bar), below and above."""
NARROWEST = 5.0
"""Inches of the width of a figure, for its words."""
LONGEST_BAR = 3.0
"""Inches of the colour bar; shorter in small meshes."""
WAVEGUIDE, COUPLER = "#4a4a4a", "#c9c9c9"
SMALLEST_FONT, LARGEST_FONT = 5.0, 9.0
WIDEST_LETTER = 0.64
"""Mean width of digits and letters in words, in font sizes."""


@dataclass(frozen=True)
class Colouring:
    """Meaning of the colours.

    Attributes:
        quantity: label of the colour bar, with unit.
        colours: name of a colour map.
        limits: values at its ends.
        ticks: values that are marked and what is written there; None leaves both to the range.
    """

    quantity: str
    colours: str
    limits: tuple[float, float]
    ticks: tuple[tuple[float, ...], tuple[str, ...]] | None = None


PHASE = Colouring(
    "phase [rad]",
    "twilight",  # cyclic, and told apart with any colour vision
    (0.0, 2 * math.pi),
    (tuple(math.pi / 2 * k for k in range(5)), ("0", "π/2", "π", "3π/2", "2π")),
)


def draw_mesh(
    layout: MeshLayout, values: Floats, labels: Sequence[str], title: str, colouring: Colouring
) -> Figure:
    """Draw one mesh.

    Args:
        layout: wiring of N modes and M interferometers between neighbours.
        values: (2 M + N,) value of each shifter in flat order: theta, phi, output screen.
        labels: as many texts, written on the shifters.
        title: of the figure, one line or two.
        colouring: meaning of the values.

    Returns:
        A figure with its own canvas, for ``save_figure``.

    Raises:
        ValueError: if the layout couples distant modes, or values and labels are not one each.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

    if (layout.partner != layout.mode + 1).any():
        raise ValueError(f"a {layout.kind} mesh has crossings and cannot be drawn")
    count = 2 * layout.num_mzis + layout.num_modes
    if len(values) != count or len(labels) != count:
        raise ValueError(f"{count} values and labels are needed, got {len(values)}, {len(labels)}")
    column_inches = 1.15 if layout.num_modes <= 8 else 1.0
    length = layout.num_columns + BOX + 2 * LEAD
    left, right, bottom, top = MARGINS
    width, height = length * column_inches, layout.num_modes * ROW_INCHES
    size = (max(width + left + right, NARROWEST), height + bottom + top)
    figure = Figure(figsize=size)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((left / size[0], bottom / size[1], width / size[0], height / size[1]))
    axes.set(xlim=(-LEAD, length - LEAD), ylim=(layout.num_modes - 0.5, -0.5))
    _draw_waveguides(axes, layout)
    low, high = colouring.limits
    _draw_shifters(axes, layout, values, labels, colouring.colours, Normalize(low, high))
    _label_axes(axes, layout)
    bar_height = min(height, LONGEST_BAR)
    bar = figure.add_axes(
        (
            (left + width + 0.45) / size[0],
            (bottom + (height - bar_height) / 2) / size[1],
            0.14 / size[0],
            bar_height / size[1],
        )
    )
    scale = figure.colorbar(axes.collections[-1], cax=bar)
    scale.set_label(colouring.quantity, fontsize=9)
    if colouring.ticks is not None:
        places, texts = colouring.ticks
        scale.set_ticks(list(places), labels=list(texts))
    longest = max(map(len, title.splitlines()), default=1)
    font = min(10.0, 72 * (size[0] - left) / (WIDEST_LETTER * longest))
    figure.text(left / size[0], 1 - 0.1 / size[1], title, va="top", fontsize=font)
    note = "each interferometer: phi, coupler, theta, coupler; last the output screen"
    figure.text(left / size[0], 0.06 / size[1], note, fontsize=8)
    return figure


def box_corners(layout: MeshLayout) -> Floats:
    """(2 M + N, 2) left end [columns] and mode of each shifter, in flat order."""
    theta, phi = (np.stack((layout.column + start, layout.mode), axis=-1) for start in (THETA, PHI))
    modes = np.arange(layout.num_modes)
    screen = np.stack((np.full(layout.num_modes, float(layout.num_columns)), modes), axis=-1)
    return np.concatenate((theta, phi, screen)).astype(np.float64)


def _draw_waveguides(axes: Axes, layout: MeshLayout) -> None:
    """One line per mode, over a pale bar in each coupler."""
    from matplotlib.collections import LineCollection

    end = layout.num_columns + BOX + LEAD
    points: list[list[tuple[float, float]]] = [[(-LEAD, y)] for y in range(layout.num_modes)]
    middles = []
    for column, mode in zip(layout.column.tolist(), layout.mode.tolist(), strict=True):
        for start in (column + FIRST, column + SECOND):
            points[mode] += _detour(start, mode, (1 - GAP) / 2)
            points[mode + 1] += _detour(start, mode + 1, (GAP - 1) / 2)
            y = mode + 0.5
            middles.append([(start + BEND, y), (start + BEND + STRAIGHT, y)])
    for y, line in enumerate(points):
        line.append((end, y))
    thickness = GAP * ROW_INCHES * 72 + 3
    axes.add_collection(
        LineCollection(
            middles, colors=COUPLER, linewidths=thickness, capstyle="butt", gid="couplers"
        )
    )
    axes.add_collection(LineCollection(points, colors=WAVEGUIDE, linewidths=1.1, gid="waveguides"))


def _detour(start: float, mode: int, shift: float) -> list[tuple[float, float]]:
    """Points of a waveguide through a coupler: in by half a cosine, straight, and out."""
    turn = np.linspace(0, 1, 9)
    rise = (1 - np.cos(math.pi * turn)) / 2
    there = zip(start + BEND * turn, mode + shift * rise, strict=True)
    second = start + BEND + STRAIGHT
    back = zip(second + BEND * turn, mode + shift * (1 - rise), strict=True)
    return [*there, *back]


def _draw_shifters(
    axes: Axes,
    layout: MeshLayout,
    values: Floats,
    labels: Sequence[str],
    colours: str,
    norm: Normalize,
) -> None:
    from matplotlib import colormaps
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    corners = box_corners(layout)
    boxes = [Rectangle((x, y - BOX_HEIGHT / 2), BOX, BOX_HEIGHT) for x, y in corners]
    colour_map = colormaps[colours]
    collection = PatchCollection(
        boxes, cmap=colour_map, norm=norm, edgecolor="#202020", linewidth=0.6, zorder=2
    )
    collection.set_array(values)
    collection.set_gid("shifters")
    axes.add_collection(collection)
    inches = BOX * axes.get_position().width * axes.figure.get_figwidth() / np.ptp(axes.get_xlim())
    longest = max(map(len, labels))
    size = np.clip(0.9 * 72 * inches / (WIDEST_LETTER * longest), SMALLEST_FONT, LARGEST_FONT)
    inks = _inks(colour_map, norm, values)
    for (x, y), label, ink in zip(corners, labels, inks, strict=True):
        axes.text(
            x + BOX / 2,
            y,
            label,
            ha="center",
            va="center_baseline",
            fontsize=float(size),
            color=ink,
            clip_on=False,
        )


def _inks(colour_map: Colormap, norm: Normalize, values: Floats) -> list[str]:
    """Black on light colours and white on dark ones, by their luminance."""
    red, green, blue = colour_map(norm(values))[:, :3].T
    luminance = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2
    return ["black" if light > 0.18 else "white" for light in luminance]


def _label_axes(axes: Axes, layout: MeshLayout) -> None:
    """Modes on both sides, columns on top, and what the positions in a column are."""
    modes = range(layout.num_modes)
    axes.set_yticks(modes, [str(mode) for mode in modes], fontsize=8)
    axes.set_ylabel("mode", fontsize=9)
    axes.tick_params(length=0, right=False, labelright=True)
    columns = range(layout.num_columns)
    axes.set_xticks([c + 0.5 for c in columns], [f"column {c}" for c in columns], fontsize=8)
    axes.xaxis.tick_top()
    axes.tick_params(axis="x", length=0)
    axes.spines[:].set_visible(False)
