"""``lightframe draw``: one mesh of a mapped model as a drawing."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from experiments.commands.options import Mapped


class TileMesh(StrEnum):
    """Mesh of a tile; light meets V first."""

    U = "U"
    V = "V"


class Colour(StrEnum):
    """What the colours mean."""

    phase = "phase"
    sensitivity = "sensitivity"


def draw(
    mapped: Mapped,
    layer: Annotated[str, typer.Option(help="Name of the layer.")],
    out: Annotated[Path, typer.Option("--out", help="File to create, .svg or .png.")],
    tile: Annotated[str, typer.Option(help="Row and column of the tile.")] = "0,0",
    mesh: Annotated[TileMesh, typer.Option(help="Mesh of the tile.")] = TileMesh.U,
    color: Annotated[
        Colour, typer.Option(help="Phases, or slopes of the error of the layer.")
    ] = Colour.phase,
) -> None:
    """Draw a mesh: waveguides, couplers and shifters, coloured and numbered by channel."""
    from experiments.console import console
    from experiments.draw import draw_mapped
    from experiments.mapped import load_mapped

    place = re.fullmatch(r"\s*(\d{1,6})\s*,\s*(\d{1,6})\s*", tile)
    if place is None:
        raise ValueError(f"--tile takes a row and a column as in 0,1, got {tile!r}")
    where = int(place[1]), int(place[2])
    draw_mapped(load_mapped(mapped), layer, where, mesh.value, color.value, out)
    console.print(f"drawing: {out}")
