"""Weights rebuilt from chip files alone, and their distance from the weights that were meant."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from photonic.chipfile.reader import ChipExport, read_export
from photonic.chipfile.records import LayerEntry, LayerRecord
from photonic.drive import code_to_phase, voltage_to_phase
from photonic.hardware import HardwareConfig
from photonic.impairments.crosstalk import apply_crosstalk
from photonic.layout import MeshLayout
from photonic.mesh_state import MESHES, MeshState
from photonic.phases import MeshPhases
from photonic.program import Program
from photonic.realisation import weight_from_states

Source = Literal["phase", "voltage", "code"]
SOURCES: tuple[Source, ...] = ("phase", "voltage", "code")
"""Columns that weights can be rebuilt from."""

_Floats = NDArray[np.float64]


def rebuild_weights(export: ChipExport, source: Source = "phase") -> dict[str, Tensor]:
    """Weights that follow from the files: column -> phases -> transfer matrices -> weights.

    Voltages and codes go through the drive law of the manifest; with pre-compensation the heaters'
    crosstalk turns commands into phases.

    Args:
        export: content of the files.
        source: column to start from: "phase" (phase_rad), "voltage" (voltage_v) or "code"
            (dac_code).

    Returns:
        (out_features, in_features) float64 weight of each layer.

    Raises:
        ValueError: if the column is absent.
    """
    layers = zip(export.manifest.layers, export.layers, strict=True)
    hardware = export.manifest.hardware
    return {entry.name: _rebuild(entry, record, hardware, source) for entry, record in layers}


def verify_export(
    folder: str | Path, weights: Mapping[str, Tensor]
) -> dict[str, dict[Source, float | None]]:
    """Relative errors norm(W~ - W)/norm(W) of the weights rebuilt from the files.

    Args:
        folder: folder of chip files.
        weights: (out_features, in_features) weight of every layer, by name.

    Returns:
        By layer and source; None where the files have no such column. A weight of norm 0 gives the
        absolute error.

    Raises:
        ChipFileError: if the files must not be used.
        ValueError: if the layers are not those of ``weights``.
    """
    export = read_export(folder)
    names = {entry.name for entry in export.manifest.layers}
    if names != weights.keys():
        raise ValueError(f"layers differ: {sorted(names ^ weights.keys())} are on one side only")
    errors: dict[str, dict[Source, float | None]] = {
        entry.name: dict.fromkeys(SOURCES) for entry in export.manifest.layers
    }
    for source in SOURCES:
        if all(_column(record, source) is not None for record in export.layers):
            for name, rebuilt in rebuild_weights(export, source).items():
                errors[name][source] = _relative_error(rebuilt, weights[name])
    return errors


def _relative_error(rebuilt: Tensor, weight: Tensor) -> float:
    target = weight.detach().to("cpu", rebuilt.dtype)
    error, norm = torch.linalg.norm(rebuilt - target).item(), torch.linalg.norm(target).item()
    return error / norm if norm else error


def _column(record: LayerRecord, source: Source) -> list[float] | list[int] | None:
    columns = {"phase": record.phase_rad, "voltage": record.voltage_v, "code": record.dac_code}
    return columns[source]


def _rebuild(
    entry: LayerEntry, record: LayerRecord, hardware: HardwareConfig, source: Source
) -> Tensor:
    u_layout, v_layout = entry.u_layout.wiring(), entry.v_layout.wiring()
    phases = _split(entry, record, _phases(record, hardware, source))
    if source != "phase" and hardware.is_precompensated:
        for mesh, layout in (("V", v_layout), ("U", u_layout)):
            phases[mesh] = apply_crosstalk(phases[mesh], layout, hardware)
    theta = phases["sigma"][..., : entry.num_attenuators]
    program = Program(
        name=entry.name,
        out_features=entry.out_features,
        in_features=entry.in_features,
        u_layout=u_layout,
        v_layout=v_layout,
        u=_mesh_phases(u_layout, phases["U"]),
        v=_mesh_phases(v_layout, phases["V"]),
        attenuation=torch.from_numpy(np.abs(np.sin(theta / 2))),
        scale=torch.tensor(entry.scale, dtype=torch.float64),
    )
    return weight_from_states(
        program, {mesh: MeshState(torch.from_numpy(phases[mesh])) for mesh in MESHES}
    )


def _phases(record: LayerRecord, hardware: HardwareConfig, source: Source) -> _Floats:
    """Phases of one column, all tiles, before crosstalk."""
    values = _column(record, source)
    if values is None:
        raise ValueError(f"layer {record.name!r} has no column for source {source!r}")
    if source == "phase":
        return np.array(values)
    convert = voltage_to_phase if source == "voltage" else code_to_phase
    return convert(np.array(values), hardware)


def _split(entry: LayerEntry, record: LayerRecord, phases: _Floats) -> dict[str, _Floats]:
    """Phases by mesh, (tile_rows, tile_cols, S) each."""
    tiles = phases.reshape(entry.tile_rows, entry.tile_cols, -1)
    mesh_of_channel = np.array(record.shifters.mesh)
    return {mesh: np.ascontiguousarray(tiles[..., mesh_of_channel == mesh]) for mesh in MESHES}


def _mesh_phases(layout: MeshLayout, flat: _Floats) -> MeshPhases:
    phases, m = torch.from_numpy(flat), layout.num_mzis
    return MeshPhases(phases[..., :m], phases[..., m : 2 * m], phases[..., 2 * m :])
