"""Settings of a layer: from target phases to heater phases, drives and codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from photonic.chip import Chip
from photonic.chipfile.converter import Converter
from photonic.chipfile.layer import (
    DEAD,
    OK,
    STUCK,
    LayerSettings,
    join_tiles,
    mesh_sizes,
    split_tiles,
)
from photonic.chipfile.records import LayerGrid
from photonic.conventions import wrap_phase
from photonic.drive import drive_phase, phase_full_scale
from photonic.drive_laws.branch import HeaterSettings, choose_heat, fit_reach
from photonic.drive_laws.families import Floats
from photonic.drive_laws.law_set import LawSet
from photonic.hardware import HardwareConfig
from photonic.impairments.crosstalk import apply_crosstalk
from photonic.mesh_state import Commands, nominal_commands, target_phases
from photonic.program import Program

_DIGITS = 6
"""Decimals of what follows from the drive: 1 nA and 1 nW."""


@dataclass(frozen=True, eq=False)
class LayerRequest:
    """What a layer is set to, and by which rules."""

    program: Program
    """Ideal settings."""
    hardware: HardwareConfig
    """Chip that the settings are for."""
    laws: LawSet | None
    """Calibration laws within the limits of the driver."""
    module: NDArray[np.int64]
    """(K,) driver modules."""
    channel: NDArray[np.int64]
    """(K,) channels."""
    present: Floats | None = None
    """(K,) [rad] present heater phases, for the nearest branch."""
    commands: Commands | None = None
    """Heater phases of a calibration, in place of those of the data sheet."""
    chip: Chip | None = None
    """Device of that calibration, whose failed shifters are known."""


def layer_settings(request: LayerRequest, grid: LayerGrid) -> tuple[LayerSettings, HeaterSettings]:
    """Settings of all shifters of a layer, and what their heater phases miss.

    Phases out of reach become the nearest ones; whether that is allowed is up to the caller.

    Without compensation of crosstalk a heater is driven for (phase - bias) modulo 2 pi, on the
    branch that is asked for; with it, for Omega^-1 (phase - bias + 2 pi m), which is not reduced.

    Raises:
        ValueError: if a mesh is too large or crosstalk cannot be compensated.
    """
    hardware, laws = request.hardware, request.laws
    heater = _heater_settings(request, grid)
    heat = heater.heat_rad
    if request.commands is None:
        phase = _flat(target_phases(request.program))
    else:
        bias = np.zeros_like(heat) if laws is None else laws.bias_rad
        phase = _wrapped(optical_phase(grid, heat, bias, hardware))
    status = failed_shifters(grid, request.chip)
    drive = None if laws is None else np.where(status == DEAD, 0.0, laws.drive(heat))
    code = None
    if hardware.dac_bits is not None:
        code = np.where(status == DEAD, 0, Converter(hardware, laws).encode(heat, drive))
    drive_v, drive_ma, power_mw = electric_columns(
        laws, drive, np.where(status == DEAD, 0, heat), hardware
    )
    settings = LayerSettings(
        grid=grid,
        laws=laws,
        phase_rad=phase,
        phase_cmd_rad=heat,
        drive_v=drive_v,
        drive_ma=drive_ma,
        power_mw=power_mw,
        dac_code=code,
        dac_module=request.module,
        dac_channel=request.channel,
        status=status,
        clipped=grid.first_id + np.flatnonzero(heater.miss_rad),
    )
    return settings, heater


def optical_phase(grid: LayerGrid, heat: Floats, bias: Floats, hardware: HardwareConfig) -> Floats:
    """Phases that the light meets on a chip as its data sheet and its laws describe it.

    Args:
        grid: layer.
        heat: (K,) [rad] heater phases.
        bias: (K,) [rad] phases without drive.
        hardware: with compensation of crosstalk, heat spreads as it says.

    Returns:
        (K,) [rad] not reduced.
    """
    if hardware.is_precompensated:
        parts = split_tiles(grid, heat)
        for mesh, layout in (("V", grid.v_layout), ("U", grid.u_layout)):
            parts[mesh] = apply_crosstalk(parts[mesh], layout.wiring(), hardware)
        heat = join_tiles(parts)
    return heat + bias


def reach_of(laws: LawSet | None, hardware: HardwareConfig, size: int) -> tuple[Floats, Floats]:
    """(size,) [rad] smallest and largest heater phase that the drive can give."""
    low, high = (np.zeros(size), np.full(size, np.inf)) if laws is None else laws.reach()
    if hardware.dac_bits is not None and hardware.dac_mode == "phase":
        high = np.minimum(high, phase_full_scale(hardware))
    return low, high


def _heater_settings(request: LayerRequest, grid: LayerGrid) -> HeaterSettings:
    if request.commands is None:
        return heater_settings(request, grid, _flat(target_phases(request.program)))
    hardware = request.hardware
    heat = drive_phase(_flat(request.commands.phases), hardware)
    reach = reach_of(request.laws, hardware, grid.num_shifters)
    return fit_reach(heat, reach, is_cyclic=not hardware.is_precompensated)


def heater_settings(request: LayerRequest, grid: LayerGrid, phase: Floats) -> HeaterSettings:
    """Heater phases for target phases, or the nearest that the drive can give.

    Args:
        request: rules; of its program only the layouts are used.
        grid: layer.
        phase: (K,) [rad] phases that the light should meet.

    Raises:
        ValueError: if a mesh is too large or crosstalk cannot be compensated.
    """
    hardware, laws, program = request.hardware, request.laws, request.program
    reach = reach_of(laws, hardware, grid.num_shifters)
    if laws is not None and laws.bias_rad.any():
        phase = _wrapped(phase - laws.bias_rad)
    if not hardware.is_precompensated:
        nominal_commands(program, hardware)  # refuses a mesh that is too large
        return choose_heat(phase, reach, present=request.present)
    by_mesh = {k: torch.from_numpy(part) for k, part in split_tiles(grid, phase).items()}
    heat = _flat(nominal_commands(program, hardware, by_mesh).phases)
    return fit_reach(heat, reach, is_cyclic=False)


def electric_columns(
    laws: LawSet | None, drive: Floats | None, heat: Floats, hardware: HardwareConfig
) -> tuple[Floats | None, Floats | None, Floats | None]:
    """Voltages, currents and powers of heaters, as far as they are known.

    Args:
        laws: calibration laws; None if none is known.
        drive: (K,) [V or mA] the quantity of each law; None without laws.
        heat: (K,) [rad] heater phases, 0 for dead shifters.
        hardware: gives the power of a phase where the resistance is not known.

    Returns:
        (K,) [V], [mA], [mW]; NaN where one is not known, None if it is known of none.
    """
    power = None
    if hardware.p_pi_mw is not None:
        power = np.round(hardware.p_pi_mw * heat / np.pi, _DIGITS)
    if laws is None or drive is None:
        return None, None, power
    is_current, ohm = laws.is_current, laws.resistance_ohm(drive)
    volts = np.where(is_current, np.round(1e-3 * drive * ohm, _DIGITS), drive)
    current = np.where(is_current, drive, np.round(1e3 * drive / ohm, _DIGITS))
    known = np.round(laws.power_mw(drive), _DIGITS)
    if power is not None:
        known = np.where(np.isnan(known), power, known)
    volts, current, known = (None if np.isnan(x).all() else x for x in (volts, current, known))
    return volts, current, known


def failed_shifters(grid: LayerGrid, chip: Chip | None) -> NDArray[np.uint8]:
    """(K,) OK, STUCK or DEAD, as the chip was drawn; all OK without one."""
    status = np.full(grid.num_shifters, OK, dtype=np.uint8)
    if chip is None:
        return status
    parts = {}
    for mesh, size in mesh_sizes(grid).items():
        shape = (grid.tile_rows, grid.tile_cols, size)
        failed = chip.failures(f"{grid.name}/{mesh}", shape)
        parts[mesh] = np.full(shape, np.nan) if failed is None else failed
    held = join_tiles(parts)
    status[~np.isnan(held)] = STUCK
    status[held == 0.0] = DEAD
    return status


def _flat(phases: Mapping[str, torch.Tensor]) -> Floats:
    return join_tiles({mesh: part.detach().numpy() for mesh, part in phases.items()})


def _wrapped(phase: Floats) -> Floats:
    return wrap_phase(torch.from_numpy(np.ascontiguousarray(phase))).numpy()
