"""From settings back to programs, and from measured settings to phases."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from photonic.chipfile.layer import ChipExport, LayerSettings
from photonic.chipfile.records import ChipFileError, LayerGrid
from photonic.chipfile.settings import optical_phase
from photonic.conventions import wrap_phase
from photonic.drive_laws.families import Floats
from photonic.drive_laws.numeric_csv import NumericCsvError, read_numeric_csv
from photonic.phases import MeshPhases
from photonic.program import Program

_NEIGHBOURS = 8
"""Neighbouring numbers among which the amplitude of a stored phase is looked for."""


def program_of_layer(layer: LayerSettings, phase: Floats | None = None) -> Program:
    """The program whose target phases are those of a layer.

    An attenuator with any two phases passes exp(i alpha) a, a = sin(theta/2) and
    alpha = pi/2 + theta/2 + phi. The amplitude goes into the program, and the phase alpha, 0 for
    settings that ``map`` made, into the output phases of V, which light meets just before.

    Args:
        layer: settings.
        phase: (K,) [rad] in place of its ``phase_rad``.

    Returns:
        The program; exporting it again gives the same bits if every alpha is 0.
    """
    grid = layer.grid
    parts = {
        mesh: wrap_phase(torch.from_numpy(part))
        for mesh, part in layer.split(layer.phase_rad if phase is None else phase).items()
    }
    attenuation, alpha = _attenuation(parts["sigma"])
    frame = program_frame(grid)
    v = _mesh_phases(frame.v_layout.num_mzis, parts["V"])
    if alpha.any():
        screen = v.output_phase.clone()
        screen[..., : grid.num_attenuators] += alpha
        v = MeshPhases(v.theta, v.phi, wrap_phase(screen))
    return Program(
        name=grid.name,
        out_features=grid.out_features,
        in_features=grid.in_features,
        u_layout=frame.u_layout,
        v_layout=frame.v_layout,
        u=_mesh_phases(frame.u_layout.num_mzis, parts["U"]),
        v=v,
        attenuation=attenuation,
        scale=frame.scale,
    )


def program_frame(grid: LayerGrid) -> Program:
    """A program with the layouts and scales of a layer, and zeros for its phases."""
    u_layout, v_layout = grid.u_layout.wiring(), grid.v_layout.wiring()
    shape = grid.tile_rows, grid.tile_cols

    def zeros(layout_mzis: int, num_modes: int) -> MeshPhases:
        return MeshPhases(
            *(torch.zeros(*shape, n, dtype=torch.float64) for n in (layout_mzis, layout_mzis)),
            torch.zeros(*shape, num_modes, dtype=torch.float64),
        )

    return Program(
        name=grid.name,
        out_features=grid.out_features,
        in_features=grid.in_features,
        u_layout=u_layout,
        v_layout=v_layout,
        u=zeros(u_layout.num_mzis, u_layout.num_modes),
        v=zeros(v_layout.num_mzis, v_layout.num_modes),
        attenuation=torch.zeros(*shape, grid.num_attenuators, dtype=torch.float64),
        scale=torch.tensor(grid.scale, dtype=torch.float64),
    )


def measured_phases(export: ChipExport, path: str | Path) -> tuple[dict[str, Floats], int]:
    """Phases of all shifters, those of a CSV file in place of the known ones.

    Args:
        export: known settings, with the calibration laws that turn volts into phases.
        path: CSV file with the columns id and one of phase_rad, drive_v and drive_ma; shifters
            that it leaves out keep their settings.

    Returns:
        (K,) [rad] phases of each layer, in [0, 2 pi), and the number of shifters that were read.

    Raises:
        ChipFileError: if the file cannot be read, names a shifter twice or an unknown one, or a
            drive is beyond the limits of its law or of another quantity than the law.
    """
    name = Path(path).name
    kinds = {"id": int, "phase_rad": float, "drive_v": float, "drive_ma": float}
    try:
        columns = read_numeric_csv(Path(path), kinds)
    except NumericCsvError as error:
        raise ChipFileError(str(error)) from error
    if "id" not in columns or len(columns) != 2:
        raise ChipFileError(f"{name}: needs the columns id and one of phase_rad, drive_v, drive_ma")
    ids = columns["id"]
    is_unknown = (ids < 0) | (ids >= export.header.num_shifters)
    if is_unknown.any():
        raise ChipFileError(
            f"{name}: shifter {ids[is_unknown.argmax()]} is unknown; "
            f"the shifters are 0 to {export.header.num_shifters - 1}"
        )
    count = np.bincount(ids)
    if (count > 1).any():
        raise ChipFileError(f"{name}: shifter {int((count > 1).argmax())} occurs twice")
    (column,) = columns.keys() - {"id"}
    values = columns[column]
    phases = {}
    for layer in export.layers:
        place = ids - layer.grid.first_id
        is_here = (place >= 0) & (place < layer.grid.num_shifters)
        part = place[is_here], values[is_here]
        if column == "phase_rad":
            phases[layer.name] = _with_phases(layer, *part)
        else:
            phases[layer.name] = _with_drives(name, column, export, layer, *part)
    return phases, len(ids)


def _with_phases(layer: LayerSettings, place: np.ndarray, values: Floats) -> Floats:
    phase = layer.phase_rad.copy()
    phase[place] = wrap_phase(torch.from_numpy(np.ascontiguousarray(values))).numpy()
    return phase


def _with_drives(
    name: str,
    column: str,
    export: ChipExport,
    layer: LayerSettings,
    place: np.ndarray,
    values: Floats,
) -> Floats:
    if not len(place):
        return layer.phase_rad
    unit = "mA" if column == "drive_ma" else "V"
    if layer.laws is None or layer.drive is None:
        raise ChipFileError(f"{name}: no calibration law of layer {layer.name!r} is known")
    is_other = layer.laws.is_current[place] != (unit == "mA")
    if is_other.any():
        wrong = layer.name_of(int(place[is_other.argmax()]))
        raise ChipFileError(f"{name}: the law of {wrong} is not stated in {unit}")
    low, high = layer.laws.limits
    is_out = (values < low[place]) | (values > high[place])
    if is_out.any():
        k = int(is_out.argmax())
        raise ChipFileError(
            f"{name}: {layer.name_of(int(place[k]))}: {values[k]:.6g} {unit} is not "
            f"between {low[place[k]]:.6g} and {high[place[k]]:.6g} {unit}"
        )
    drive = layer.drive.copy()
    drive[place] = values
    heat = layer.laws.heat(drive)
    phase = optical_phase(layer.grid, heat, layer.bias_rad, export.header.hardware)
    return wrap_phase(torch.from_numpy(np.ascontiguousarray(phase))).numpy()


def _attenuation(sigma: Tensor) -> tuple[Tensor, Tensor]:
    """(..., r) amplitudes and left-over phases alpha [rad] of attenuators (..., 2 r)."""
    theta, phi = sigma.chunk(2, dim=-1)
    amplitude = (theta / 2).sin().clamp(0.0, 1.0)
    # A program stores the amplitude; find the one whose phases are these very bits.
    best, is_found = amplitude, torch.zeros_like(amplitude, dtype=torch.bool)
    candidate_up, candidate_down = amplitude, amplitude
    for _ in range(_NEIGHBOURS):
        for candidate in (candidate_up, candidate_down):
            half = candidate.arcsin()
            is_match = (2 * half == theta) & (wrap_phase(-math.pi / 2 - half) == phi) & ~is_found
            best, is_found = torch.where(is_match, candidate, best), is_found | is_match
        candidate_up = torch.nextafter(candidate_up, torch.ones_like(amplitude))
        candidate_down = torch.nextafter(candidate_down, torch.zeros_like(amplitude))
    alpha = torch.where(is_found, 0.0, math.pi / 2 + theta / 2 + phi)
    return best, wrap_phase(alpha)


def _mesh_phases(num_mzis: int, flat: Tensor) -> MeshPhases:
    return MeshPhases(
        flat[..., :num_mzis].contiguous(),
        flat[..., num_mzis : 2 * num_mzis].contiguous(),
        flat[..., 2 * num_mzis :].contiguous(),
    )
