"""Which layers and interferometers of a mapped model suffer most from phase noise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import save

from experiments.mapped import MappedModel
from experiments.mesh_drawing import draw_tile
from experiments.number_text import csv_text, json_text
from experiments.record import RunRecord
from photonic import Sensitivity, layer_sensitivity
from photonic.files import write_atomic

LAYER_FILE = "layers.csv"
MZI_FILE = "mzi_slopes.safetensors"
RECORD_FILE = "record.json"


@dataclass(frozen=True)
class LayerSensitivity:
    """Growth of the error of one layer's weights with the noise s common to all its phases.

    Attributes:
        name: of the layer.
        slope: dE/ds [1/rad], E the relative error of the weights.
        relative_error: E at the noise that was asked for.
        largest_mzi: largest share of one interferometer in the slope [1/rad].
        sensitivity: derivatives of all shifters.
    """

    name: str
    slope: float
    relative_error: float
    largest_mzi: float
    sensitivity: Sensitivity


def mapped_sensitivity(
    mapped: MappedModel, phase_std: float, on_layer: Callable[[], None] = lambda: None
) -> list[LayerSensitivity]:
    """Sensitivity of every layer, the most sensitive first.

    Args:
        mapped: model and programs.
        phase_std: [rad] noise of every phase at which derivatives are taken.
        on_layer: called after each layer.

    Raises:
        ValueError: if the noise is not valid or a layer's weights are all zero.
    """
    layers = []
    for name, program in mapped.programs.items():
        found = layer_sensitivity(program, phase_std)
        largest = max(
            (part.max().item() for part in found.mzi_slopes().values() if part.numel()), default=0.0
        )
        layers.append(LayerSensitivity(name, found.slope, found.relative_error, largest, found))
        on_layer()
    return sorted(layers, key=lambda layer: -layer.slope)


def draw_most_sensitive(layers: Sequence[LayerSensitivity], directory: Path) -> None:
    """Draw the tile with the largest slope of the most sensitive layer as ``mesh.png``, ``.svg``.

    Args:
        layers: the most sensitive first.
        directory: existing target.
    """
    worst = layers[0]
    slopes = worst.sensitivity.shifter_slopes()
    total = sum(part.sum(-1) for part in slopes.values())
    row, column = divmod(int(total.argmax()), total.shape[1])
    program = worst.sensitivity.program
    draw_tile(
        {mesh: part[row, column].numpy() for mesh, part in slopes.items()},
        (program.v_layout, program.u_layout),
        f"Sensitivity of {worst.name}, tile ({row}, {column})",
        "slope of the relative error of the layer [1/rad]",
        tuple(directory / f"mesh.{suffix}" for suffix in ("png", "svg")),
    )


def write_sensitivity(
    layers: Sequence[LayerSensitivity], record: RunRecord, directory: Path
) -> None:
    """Write the table of layers, the slopes of all interferometers and the record.

    The slopes are tensors "layer/mesh" (tile rows, tile columns, interferometers) [1/rad], mesh
    being V, sigma or U.
    """
    rows: list[list[object]] = [
        ["layer", "slope_per_rad", "relative_error", "largest_mzi_slope_per_rad"],
        *([x.name, x.slope, x.relative_error, x.largest_mzi] for x in layers),
    ]
    slopes = {
        f"{layer.name}/{mesh}": part.contiguous()
        for layer in layers
        for mesh, part in layer.sensitivity.mzi_slopes().items()
    }
    write_atomic(directory / LAYER_FILE, csv_text(rows).encode())
    write_atomic(directory / MZI_FILE, save(slopes))
    write_atomic(directory / RECORD_FILE, json_text(record.model_dump(mode="json")).encode())
