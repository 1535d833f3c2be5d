"""A mesh of a mapped model as a drawing: what its shifters are set to, or how much they matter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from experiments.figures import save_figure
from experiments.mapped import MappedModel
from experiments.mesh_schematic import PHASE, Colouring, Floats, draw_mesh
from experiments.output import prepare_file
from photonic import Program, layer_sensitivity
from photonic.mesh_state import MESHES, target_phases

Colour = Literal["phase", "sensitivity"]
SUFFIXES = (".svg", ".png")


def draw_mapped(
    mapped: MappedModel,
    layer: str,
    tile: tuple[int, int],
    mesh: Literal["U", "V"],
    colour: Colour,
    out: Path,
    labels: Sequence[str] | None = None,
) -> None:
    """Draw one mesh of a tile.

    Args:
        mapped: model and programs.
        layer: name of the layer.
        tile: row and column of the tile.
        mesh: which of its meshes; light meets V first.
        colour: what the colours mean, the phases or the slopes of the error of the layer.
        out: file to write, .svg or .png.
        labels: text of each shifter of the mesh; None for its channel within the tile, counted as
            in chip files: V, sigma, U, each theta, phi, output screen.

    Raises:
        ValueError: if there is no such layer or tile, or the suffix is another.
        FileExistsError: if ``out`` exists.
    """
    if out.suffix not in SUFFIXES:
        raise ValueError(f"--out must end with {' or '.join(SUFFIXES)}, got {out.name!r}")
    prepare_file(out)
    program = _program(mapped, layer)
    rows, columns = program.grid_shape
    if not (0 <= tile[0] < rows and 0 <= tile[1] < columns):
        raise ValueError(
            f"{layer} has tiles (0, 0) to ({rows - 1}, {columns - 1}), there is no {tile}"
        )
    values, colouring = _values(program, tile, mesh, colour)
    layout = program.u_layout if mesh == "U" else program.v_layout
    figure = draw_mesh(
        layout,
        values,
        channel_labels(program, mesh) if labels is None else labels,
        f"{layer}, tile ({tile[0]}, {tile[1]}), mesh {mesh}\n{layout.kind}, "
        f"{layout.num_modes} modes; numbers are channels",
        colouring,
    )
    save_figure(figure, [out], is_new=True)


def channel_labels(program: Program, mesh: Literal["U", "V"]) -> list[str]:
    """Channels within a tile of the shifters of a mesh, as texts in flat order."""
    phases = target_phases(program)
    first = sum(phases[name].shape[-1] for name in MESHES[: MESHES.index(mesh)])
    return [str(first + k) for k in range(phases[mesh].shape[-1])]


def _program(mapped: MappedModel, layer: str) -> Program:
    if layer not in mapped.programs:
        known = ", ".join(mapped.programs)
        raise ValueError(f"there is no layer {layer!r}; layers are {known}")
    return mapped.programs[layer]


def _values(
    program: Program, tile: tuple[int, int], mesh: str, colour: Colour
) -> tuple[Floats, Colouring]:
    if colour == "phase":
        return target_phases(program)[mesh][tile].numpy(), PHASE
    slopes = layer_sensitivity(program).shifter_slopes()[mesh][tile].numpy()
    top = max(slopes.max(), np.finfo(float).tiny)
    return slopes, Colouring("slope of the error [1/rad]", "magma_r", (0.0, top))
