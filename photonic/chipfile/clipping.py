"""Loss of fidelity by phases that no drive reaches and that were replaced by the nearest ones."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from photonic.chipfile.layer import ChipExport, LayerSettings
from photonic.chipfile.rebuild import rebuild_layers
from photonic.chipfile.settings import optical_phase
from photonic.chipfile.verify import relative_error
from photonic.drive_laws.branch import turn_distance
from photonic.quality import trace_fidelity


@dataclass(frozen=True)
class ClippedLayer:
    """What clipping costs a layer."""

    name: str
    """Name of the layer."""
    num_clipped: int
    """Shifters whose phase was out of reach."""
    worst_shifter: str
    """Shifter whose phase misses most, in words."""
    worst_miss_rad: float
    """How far it misses [rad]."""
    worst_mesh: str
    """Mesh of lowest trace fidelity, "U of tile 0,1"."""
    worst_fidelity: float
    """Its trace fidelity abs(tr(U^H U~)/N)^2."""
    worst_tile_error: float
    """Largest relative error of a tile, norm(T~ - T)/norm(T)."""
    weight_error: float
    """Relative error of the weights, norm(W~ - W)/norm(W)."""


def clipping_loss(export: ChipExport) -> list[ClippedLayer]:
    """What clipping costs each layer that has clipped shifters; empty if none has.

    The heater phases of the export against its target phases, on the chip of the data sheet.
    """
    return [_loss(export, layer) for layer in export.layers if len(layer.clipped)]


def _loss(export: ChipExport, layer: LayerSettings) -> ClippedLayer:
    hardware = export.header.hardware
    met = optical_phase(layer.grid, layer.phase_cmd_rad, layer.bias_rad, hardware)
    miss = turn_distance(met, layer.phase_rad)
    worst = int(miss.argmax())
    target, realised = rebuild_layers([layer, replace(layer, phase_rad=met)], hardware)
    meshes = {
        name: trace_fidelity(getattr(target, name), getattr(realised, name)).numpy()
        for name in ("u", "v")
    }
    name = min(meshes, key=lambda mesh: meshes[mesh].min())
    row, col = np.unravel_index(meshes[name].argmin(), meshes[name].shape)
    norms = torch.linalg.matrix_norm(target.tiles)
    apart = torch.linalg.matrix_norm(realised.tiles - target.tiles)
    tile_error = torch.where(
        norms > 0, apart / norms.clamp(min=torch.finfo(norms.dtype).tiny), apart
    )
    return ClippedLayer(
        name=layer.name,
        num_clipped=len(layer.clipped),
        worst_shifter=layer.name_of(worst),
        worst_miss_rad=float(miss[worst]),
        worst_mesh=f"{name.upper()} of tile {row},{col}",
        worst_fidelity=float(meshes[name].min()),
        worst_tile_error=tile_error.max().item(),
        weight_error=relative_error(realised.weight, target.weight),
    )
