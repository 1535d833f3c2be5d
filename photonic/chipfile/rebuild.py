"""Weights rebuilt from the settings of a chip: column -> phases -> transfer matrices -> weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from photonic.chip import Chip
from photonic.chipfile.converter import Converter
from photonic.chipfile.importing import program_frame
from photonic.chipfile.layer import ChipExport, LayerSettings
from photonic.chipfile.settings import optical_phase
from photonic.drive_laws.families import Floats
from photonic.hardware import HardwareConfig
from photonic.mesh_optics import MeshState, attenuator_field, mesh_matrix
from photonic.mesh_state import MESHES, Commands
from photonic.program import tile_matrices
from photonic.realisation import realise_commands

Source = Literal["phase", "voltage", "code"]
SOURCES: tuple[Source, ...] = ("phase", "voltage", "code")
"""Columns that weights can be rebuilt from; "voltage" is the drive, volts or milliamperes."""


@dataclass(frozen=True, eq=False)
class RebuiltLayer:
    """What the tiles of a layer do."""

    weight: Tensor
    """(out_features, in_features) float64."""
    u: Tensor
    """(R, C, m, m) complex matrices of the U meshes."""
    v: Tensor
    """(R, C, n, n) complex matrices of the V meshes."""
    tiles: Tensor
    """(R, C, m, n) real, before the digital scale."""


def has_source(export: ChipExport, source: Source) -> bool:
    """True if every layer has the column."""
    return source == "phase" or all(_column(layer, source) is not None for layer in export.layers)


def heat_of(layer: LayerSettings, hardware: HardwareConfig, source: Source) -> Floats:
    """(K,) [rad] heater phases of a column.

    Raises:
        ValueError: if the column is absent.
    """
    if source == "phase":
        return layer.phase_cmd_rad
    values = _column(layer, source)
    if values is None:
        raise ValueError(f"layer {layer.name!r} has no column for source {source!r}")
    if source == "code":
        return Converter(hardware, layer.laws).decode(values)
    return values if layer.laws is None else layer.laws.heat(values)


def rebuild_layers(
    layers: Sequence[LayerSettings], hardware: HardwareConfig, source: Source = "phase"
) -> list[RebuiltLayer]:
    """What layers do on a chip as data sheet and calibration laws describe it.

    Args:
        layers: settings; tiles of the same wiring pass in one batch.
        hardware: crosstalk and converter.
        source: column to start from.

    Raises:
        ValueError: if the column is absent.
    """
    frames = [program_frame(layer.grid) for layer in layers]
    groups: dict[Any, list[int]] = {}
    for i, frame in enumerate(frames):
        groups.setdefault((frame.u_layout, frame.v_layout), []).append(i)
    rebuilt: dict[int, RebuiltLayer] = {}
    for (u_layout, v_layout), members in groups.items():
        phases = [_phases(layers[i], hardware, source) for i in members]
        states = {mesh: MeshState(torch.cat([x[mesh] for x in phases])) for mesh in MESHES}
        u = mesh_matrix(u_layout, states["U"], torch.float64)
        v = mesh_matrix(v_layout, states["V"], torch.float64)
        tiles = tile_matrices(u, attenuator_field(states["sigma"]), v)
        sizes = [frames[i].num_tiles for i in members]
        parts = zip(*(matrix.split(sizes) for matrix in (u, v, tiles)), strict=True)
        for i, part in zip(members, parts, strict=True):
            grid = [matrix.unflatten(0, frames[i].grid_shape) for matrix in part]
            rebuilt[i] = RebuiltLayer(frames[i].join_tiles(grid[2]), *grid)
    return [rebuilt[i] for i in range(len(layers))]


def rebuild_weights(export: ChipExport, source: Source = "phase") -> dict[str, Tensor]:
    """(out_features, in_features) float64 weight of each layer, from one column.

    Raises:
        ValueError: if the column is absent.
    """
    rebuilt = rebuild_layers(export.layers, export.header.hardware, source)
    return {layer.name: r.weight for layer, r in zip(export.layers, rebuilt, strict=True)}


def commands_of(export: ChipExport, source: Source = "phase") -> dict[str, Commands]:
    """Heater phases that a controller asks for, by layer.

    Args:
        export: settings.
        source: "code" gives those of the codes, else ``phase_cmd_rad``.
    """
    hardware = export.header.hardware
    return {x.name: _commands(x, heat_of(x, hardware, source)) for x in export.layers}


def drawn_chip(export: ChipExport) -> Chip | None:
    """The simulated device that the settings were calibrated on; None for the data sheet."""
    chip = export.header.chip
    return None if chip is None else Chip(export.header.hardware, chip.seed, chip.index)


def weights_on_chip(layers: Sequence[LayerSettings], chip: Chip) -> dict[str, Tensor]:
    """(out_features, in_features) float64 weights that a drawn chip makes of settings, by layer."""
    commands = [_commands(layer, layer.phase_cmd_rad) for layer in layers]
    weights = realise_commands([program_frame(layer.grid) for layer in layers], commands, chip)
    return {layer.name: weight for layer, weight in zip(layers, weights, strict=True)}


def _commands(layer: LayerSettings, heat: Floats) -> Commands:
    parts = {mesh: torch.from_numpy(x) for mesh, x in layer.split(heat).items()}
    return Commands(parts, torch.tensor(layer.grid.scale, dtype=torch.float64))


def _column(layer: LayerSettings, source: Source) -> np.ndarray | None:
    return layer.dac_code if source == "code" else layer.drive


def _phases(layer: LayerSettings, hardware: HardwareConfig, source: Source) -> dict[str, Tensor]:
    """(R C, S) [rad] phases that the light meets, by mesh."""
    phase = layer.phase_rad
    if source != "phase":
        heat = heat_of(layer, hardware, source)
        phase = optical_phase(layer.grid, heat, layer.bias_rad, hardware)
    return {mesh: torch.from_numpy(x).flatten(0, 1) for mesh, x in layer.split(phase).items()}
