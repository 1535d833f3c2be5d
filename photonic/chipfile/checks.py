"""Physics of a bundle: ranges, and agreement of phases, drives, codes and powers, per shifter."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from photonic.channel_map import ChannelMap
from photonic.chipfile.converter import Converter
from photonic.chipfile.importing import program_frame
from photonic.chipfile.layer import DEAD, ChipExport, LayerSettings
from photonic.chipfile.rebuild import drawn_chip
from photonic.chipfile.records import ChipFileError, Header
from photonic.chipfile.settings import (
    LayerRequest,
    electric_columns,
    failed_shifters,
    heater_settings,
    optical_phase,
    reach_of,
)
from photonic.drive_laws.branch import turn_distance
from photonic.hardware import HardwareConfig

AGREEMENT_RAD = 1e-9
"""Phases that follow from each other; rounding gives about 1e-14."""
AGREEMENT_DIGIT = 1.5e-6
"""[V, mA, mW] What follows from the drive is written to six decimals: one digit, and rounding."""
AGREEMENT_FLOAT = 1e-12
"""The same relative to large values; rounding gives about 1e-16."""
AGREEMENT_NORM = 1e-9
"""Norms of the weights of one drawn chip, relative; rounding gives about 1e-15, another chip or
another scale 1e-3 and more."""
_HALF_STEP = 0.5 + 1e-6
"""Codes are the nearest ones."""


def check_physics(export: ChipExport) -> None:
    """Refuse settings that contradict each other or that no driver gives.

    Phases lie in [0, 2 pi); heater phases and drives within reach of the laws; the drive gives the
    heater phase; heater phase, heat of the neighbours and bias give the phase, or the nearest one
    that clipping leaves; codes are the nearest ones; powers, currents and voltages follow from the
    drive and are given where they are known; each channel is used once. Dead shifters have drive
    and code 0. Shifters fail as the drawn chip says, and without one none does.

    Raises:
        ChipFileError: naming the first shifter that fails.
        ChannelMapError: if two shifters share a channel.
    """
    header = export.header
    chip = drawn_chip(export)
    for layer in export.layers:
        _check_phases(layer, header)
        _check_drives(layer)
        _check_electric(layer, header.hardware)
        if layer.dac_code is not None:
            _check_codes(layer, header.hardware)
        failed = failed_shifters(layer.grid, chip)
        _refuse(layer, layer.status != failed, "its `status` is not that of the chip")
    ChannelMap(
        np.concatenate([layer.dac_module for layer in export.layers]),
        np.concatenate([layer.dac_channel for layer in export.layers]),
    )


def check_chip_weights(export: ChipExport, weights: Mapping[str, Tensor]) -> None:
    """Refuse settings of a calibration that are for another chip than the one stated.

    Args:
        export: settings.
        weights: by layer, what the stated chip makes of them.

    Raises:
        ChipFileError: naming the first layer whose norm is not the stated one.
    """
    chip = export.header.chip
    if chip is None:
        return
    for layer, stated in zip(export.layers, chip.weight_norm, strict=True):
        norm = torch.linalg.norm(weights[layer.name]).item()
        if abs(norm - stated) > AGREEMENT_NORM * norm:
            raise ChipFileError(
                f"layer {layer.name!r}: on chip {chip.index} of seed {chip.seed} its weights have "
                f"norm {norm:.9g}, not {stated:.9g} as stated: settings or chip were changed"
            )


def _check_phases(layer: LayerSettings, header: Header) -> None:
    phase, heat, hardware = layer.phase_rad, layer.phase_cmd_rad, header.hardware
    _refuse(layer, (phase < 0) | (phase >= 2 * np.pi), "`phase_rad` must lie in [0, 2 pi)")
    low, high = reach_of(layer.laws, hardware, layer.grid.num_shifters)
    is_out = (heat < low - AGREEMENT_RAD) | (heat > high + AGREEMENT_RAD)
    _refuse(layer, is_out, "no allowed drive gives `phase_cmd_rad`")
    is_free = header.chip is None and not hardware.is_precompensated
    if is_free and header.branch == "lowest_power":
        is_turned = heat >= low + 2 * np.pi + AGREEMENT_RAD
        _refuse(layer, is_turned, "`phase_cmd_rad` is not on the branch of lowest power")
    is_clipped = np.isin(layer.ids, layer.clipped)
    if is_clipped.any() and header.chip is None:
        _check_clipped(layer, header, is_clipped)
        return
    # Of a calibration, `phase_rad` is what is left of its commands.
    is_inside = np.minimum(np.abs(heat - low), np.abs(heat - high)) > AGREEMENT_RAD * (1 + heat)
    _refuse(layer, is_clipped & is_inside, "is clipped but not at the end of its reach")
    met = optical_phase(layer.grid, heat, layer.bias_rad, hardware)
    is_wrong = turn_distance(met, phase) > AGREEMENT_RAD * (1 + np.abs(met))
    _refuse(layer, is_wrong, "`phase_cmd_rad` does not give `phase_rad`")


def _check_clipped(layer: LayerSettings, header: Header, is_clipped: NDArray[np.bool_]) -> None:
    """Heater phases are the reachable ones nearest to those that the phases need."""
    request = LayerRequest(
        program=program_frame(layer.grid),
        hardware=header.hardware,
        laws=layer.laws,
        module=layer.dac_module,
        channel=layer.dac_channel,
        # What is nearest to itself stays where it is.
        present=layer.phase_cmd_rad if header.branch == "nearest" else None,
    )
    found = heater_settings(request, layer.grid, layer.phase_rad)
    apart = np.abs(found.heat_rad - layer.phase_cmd_rad)
    is_wrong = apart > AGREEMENT_RAD * (1 + layer.phase_cmd_rad)
    _refuse(layer, is_wrong, "`phase_cmd_rad` is not the reachable phase nearest to `phase_rad`")
    is_wrong = np.where(is_clipped, found.miss_rad == 0, found.miss_rad > AGREEMENT_RAD)
    _refuse(layer, is_wrong, "`clipped` is not what its reach says")


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


def _check_electric(layer: LayerSettings, hardware: HardwareConfig) -> None:
    """Voltages, currents and powers follow from the drive, and are given where they are known."""
    heat = np.where(layer.status == DEAD, 0.0, layer.phase_cmd_rad)
    columns = electric_columns(layer.laws, layer.drive, heat, hardware)
    unknown = np.full(layer.grid.num_shifters, np.nan)
    for name, known in zip(("drive_v", "drive_ma", "power_mw"), columns, strict=True):
        given = getattr(layer, name)
        given, expected = (unknown if x is None else x for x in (given, known))
        is_wrong = np.isnan(given) != np.isnan(expected)
        with np.errstate(invalid="ignore"):
            bound = AGREEMENT_DIGIT + AGREEMENT_FLOAT * np.abs(expected)
            is_wrong |= np.abs(given - expected) > bound
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
