"""Physics of a bundle: ranges, and agreement of phases, drives, codes and powers, per shifter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from photonic.channel_map import ChannelMap
from photonic.chipfile.converter import Converter
from photonic.chipfile.layer import DEAD, ChipExport, LayerSettings
from photonic.chipfile.records import ChipFileError
from photonic.chipfile.settings import optical_phase, reach_of
from photonic.drive_laws.branch import turn_distance
from photonic.drive_laws.families import Floats
from photonic.hardware import HardwareConfig

AGREEMENT_RAD = 1e-9
"""Phases that follow from each other; rounding gives about 1e-14."""
AGREEMENT_POWER = 1e-5
"""Powers and currents that follow from the drive, which are written to 1 nW and 1 nA."""
_HALF_STEP = 0.5 + 1e-6
"""Codes are the nearest ones."""


def check_physics(export: ChipExport) -> None:
    """Refuse settings that contradict each other or that no driver gives.

    Phases lie in [0, 2 pi); heater phases and drives within reach of the laws; the drive gives the
    heater phase; heater phase, heat of the neighbours and bias give the phase (but in layers with
    clipped shifters); codes are the nearest ones; power and current follow from the drive; each
    channel is used once. Dead shifters have drive and code 0.

    Raises:
        ChipFileError: naming the first shifter that fails.
        ChannelMapError: if two shifters share a channel.
    """
    for layer in export.layers:
        _check_phases(layer, export.header.hardware)
        _check_drives(layer)
        if layer.dac_code is not None:
            _check_codes(layer, export.header.hardware)
    ChannelMap(
        np.concatenate([layer.dac_module for layer in export.layers]),
        np.concatenate([layer.dac_channel for layer in export.layers]),
    )


def _check_phases(layer: LayerSettings, hardware: HardwareConfig) -> None:
    phase, heat = layer.phase_rad, layer.phase_cmd_rad
    _refuse(layer, (phase < 0) | (phase >= 2 * np.pi), "`phase_rad` must lie in [0, 2 pi)")
    low, high = reach_of(layer.laws, hardware, layer.grid.num_shifters)
    is_out = (heat < low - AGREEMENT_RAD) | (heat > high + AGREEMENT_RAD)
    _refuse(layer, is_out, "no allowed drive gives `phase_cmd_rad`")
    if not len(layer.clipped):
        met = optical_phase(layer.grid, heat, layer.bias_rad, hardware)
        is_wrong = turn_distance(met, phase) > AGREEMENT_RAD * (1 + np.abs(met))
        _refuse(layer, is_wrong, "`phase_cmd_rad` does not give `phase_rad`")


def _check_drives(layer: LayerSettings) -> None:
    laws, drive, is_dead = layer.laws, layer.drive, layer.status == DEAD
    if laws is None or drive is None:
        return
    low, high = laws.limits
    is_out = ~is_dead & ((drive < low) | (drive > high * (1 + AGREEMENT_RAD)))
    _refuse(layer, is_out, "the drive is beyond its limits")
    _refuse(layer, is_dead & (drive != 0), "is dead but driven")
    apart = np.abs(laws.heat(drive) - layer.phase_cmd_rad)
    is_wrong = ~is_dead & (apart > AGREEMENT_RAD * (1 + layer.phase_cmd_rad))
    _refuse(layer, is_wrong, "the drive does not give `phase_cmd_rad`")
    power, ohm = laws.power_mw(drive), laws.resistance_ohm(drive)
    _check_derived(layer, layer.power_mw, power, "power_mw")
    _check_derived(
        layer, layer.drive_ma, np.where(laws.is_current, drive, 1e3 * drive / ohm), "drive_ma"
    )
    _check_derived(
        layer, layer.drive_v, np.where(laws.is_current, 1e-3 * drive * ohm, drive), "drive_v"
    )


def _check_derived(layer: LayerSettings, given: Floats | None, expected: Floats, name: str) -> None:
    """Figures that follow from drive and resistance, where both are known."""
    if given is None:
        return
    with np.errstate(invalid="ignore"):
        is_wrong = np.abs(given - expected) > AGREEMENT_POWER * (1 + np.abs(expected))
    _refuse(layer, is_wrong, f"`{name}` does not follow from the drive")


def _check_codes(layer: LayerSettings, hardware: HardwareConfig) -> None:
    code, is_dead = layer.dac_code, layer.status == DEAD
    if code is None:
        return
    converter = Converter(hardware, layer.laws)
    apart = np.abs(code - converter.quantity(layer.phase_cmd_rad, layer.drive) / converter.step())
    _refuse(layer, ~is_dead & (apart > _HALF_STEP), "`dac_code` is not the nearest code")
    _refuse(layer, is_dead & (code != 0), "is dead but has a `dac_code`")


def _refuse(layer: LayerSettings, is_wrong: NDArray[np.bool_], reason: str) -> None:
    if is_wrong.any():
        raise ChipFileError(f"{layer.name_of(int(is_wrong.argmax()))}: {reason}")
