"""The meshes of programs one by one, and the index that says how they make up the weights."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from photonic.export_formats.folder import NamedFile
from photonic.layout import MeshLayout
from photonic.phases import MeshPhases
from photonic.program import Program, check_names

INDEX_FILE = "meshes.json"
WEIGHT = (
    "tile (i, j) of m x n: W[i m : (i + 1) m, j n : (j + 1) n] = "
    "scale Re(U[:, :r] diag(attenuation) V[:r, :]), r = min(m, n), padded with zeros; "
    "out = U in, U[out_mode, in_mode]; light meets V first"
)
"""What the meshes of an index are for, in words."""


@dataclass(frozen=True, eq=False)
class TileMesh:
    """One mesh of one tile."""

    layer: str
    """Name of the layer."""
    tile: tuple[int, int]
    """Row and column of the tile."""
    mesh: Literal["V", "U"]
    """Which mesh; light meets V first."""
    layout: MeshLayout
    """Wiring of N modes and M interferometers."""
    phases: MeshPhases
    """Settings of this single mesh."""


def tile_meshes(program: Program, tile: tuple[int, int] | None = None) -> Iterator[TileMesh]:
    """Meshes of a program, tile by tile, V before U.

    Args:
        program: ideal settings of a layer.
        tile: row and column of the only tile wanted; None for all.

    Raises:
        ValueError: if there is no such tile.
    """
    rows, columns = program.grid_shape
    tiles = [(row, column) for row in range(rows) for column in range(columns)]
    if tile is not None:
        if tile not in tiles:
            raise ValueError(f"{program.name!r} has {rows} x {columns} tiles, there is no {tile}")
        tiles = [tile]
    for place in tiles:
        yield TileMesh(program.name, place, "V", program.v_layout, program.v[place])
        yield TileMesh(program.name, place, "U", program.u_layout, program.u[place])


def mesh_files(
    programs: Sequence[Program],
    suffix: str,
    content: Callable[[TileMesh], str],
    tile: tuple[int, int] | None = None,
) -> Iterator[NamedFile]:
    """One text file per mesh, and the index ``meshes.json`` behind them.

    The index holds layouts, tiles and files by layer with the scale and the attenuation of each
    tile: all that the meshes need to make up the weights.

    Args:
        programs: one per layer, with different names.
        suffix: of the files of meshes.
        content: gives the text of a mesh.
        tile: row and column of the only tile wanted of each layer; None for all.

    Raises:
        ValueError: if names repeat or there is no such tile.
    """
    check_names(programs)
    layers = []
    for number, program in enumerate(programs):
        stem = f"{number:03d}_" + re.sub(r"[^A-Za-z0-9_-]+", "_", program.name)
        entries: dict[tuple[int, int], dict[str, Any]] = {}
        for mesh in tile_meshes(program, tile):
            row, column = mesh.tile
            name = f"{stem}_r{row}_c{column}_{mesh.mesh}{suffix}"
            yield name, content(mesh).encode()
            entry = entries.setdefault(mesh.tile, _tile_entry(program, mesh.tile))
            entry[f"{mesh.mesh.lower()}_file"] = name
        layers.append(program.metadata() | {"tiles": list(entries.values())})
    index = {"weight": WEIGHT, "unit_of_phases": "rad", "layers": layers}
    yield INDEX_FILE, (json.dumps(index, indent=1, allow_nan=False) + "\n").encode()


def _tile_entry(program: Program, tile: tuple[int, int]) -> dict[str, Any]:
    return {
        "tile_row": tile[0],
        "tile_col": tile[1],
        # -0.0 becomes 0.0.
        "scale": program.scale[tile].item() + 0.0,
        "attenuation": (program.attenuation[tile] + 0.0).tolist(),
    }
