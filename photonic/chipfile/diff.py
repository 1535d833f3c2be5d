"""Difference of two bundles: which shifters change, by how much, and how long they settle."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from photonic.chipfile.layer import ChipExport, LayerSettings
from photonic.chipfile.records import ChipFileError
from photonic.drive_laws.branch import turn_distance
from photonic.drive_laws.families import Floats


@dataclass(frozen=True)
class ShifterChange:
    """Change of one shifter, from A to B."""

    id: int
    """Number of the shifter."""
    name: str
    """The shifter in words."""
    phase_rad: float
    """Change of the phase that light meets, from -pi to pi [rad]."""
    thermal_step_rad: float
    """Change of the heater phase [rad], turns included."""
    drive_v: float | None
    """Change of the voltage [V]; None if it is not known."""
    power_mw: float | None
    """Change of the power [mW]; None if it is not known."""
    dac_code: int | None
    """Change of the code; None without converter."""


@dataclass(frozen=True)
class LayerChange:
    """Changes of one layer."""

    name: str
    """Name of the layer."""
    num_shifters: int
    """Shifters of the layer."""
    num_changed: int
    """Shifters whose code, or whose phase without converter, differs."""
    largest_phase_rad: float
    """Largest change of a phase, modulo 2 pi [rad]."""
    rms_phase_rad: float
    """Root mean square over all shifters [rad]."""
    largest_step_rad: float
    """Largest thermal step [rad]."""
    largest_step_mw: float | None
    """Largest change of a power [mW]."""
    power_mw: float | None
    """Change of the power of the whole layer [mW]."""
    num_scales: int
    """Digital scales that differ."""


@dataclass(frozen=True)
class BundleDiff:
    """Changes from bundle A to bundle B."""

    layers: tuple[LayerChange, ...]
    """By layer."""
    largest: tuple[ShifterChange, ...]
    """Largest changes, the largest thermal step first."""
    settled_rad: float
    """Phase error at which a step counts as settled: half a step of the converter, or 1 mrad."""
    settling_us: float | None
    """Time until the largest thermal step has settled [us], tau ln(step/settled); None without a
    thermal time constant."""
    program_time_us: float | None
    """Time to load all phases and let them settle, as the data sheet states it [us]."""

    @property
    def num_changed(self) -> int:
        """Shifters that change."""
        return sum(layer.num_changed for layer in self.layers)

    @property
    def largest_step_rad(self) -> float:
        """Largest thermal step [rad]."""
        return max(layer.largest_step_rad for layer in self.layers)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        summary = {"num_changed": self.num_changed, "largest_step_rad": self.largest_step_rad}
        return summary | asdict(self)


def diff_exports(
    a: ChipExport, b: ChipExport, *, num_largest: int = 10, time_constant_us: float | None = None
) -> BundleDiff:
    """Changes from one set of settings to another.

    A heater settles exponentially, so its phase error falls below ``settled_rad`` after
    tau ln(step/settled_rad).

    Args:
        a: settings before.
        b: settings after, for the same layers, tiles and wiring.
        num_largest: shifters to list.
        time_constant_us: thermal time constant tau of the heaters [us].

    Raises:
        ChipFileError: if the layers differ; names the first one.
    """
    if len(a.layers) != len(b.layers):
        raise ChipFileError(f"the bundles have {len(a.layers)} and {len(b.layers)} layers")
    changes, largest = [], []
    for before, after in zip(a.layers, b.layers, strict=True):
        _check_same(before, after)
        changes.append(_layer_change(before, after))
        largest += _largest(before, after, num_largest)
    largest.sort(key=lambda change: (-abs(change.thermal_step_rad), change.id))
    settled = _settled_rad(b)
    step = max(change.largest_step_rad for change in changes)
    settling = None
    if time_constant_us is not None:
        settling = time_constant_us * math.log(step / settled) if step > settled else 0.0
    return BundleDiff(
        tuple(changes),
        tuple(largest[:num_largest]),
        settled,
        settling,
        b.header.hardware.program_time_us,
    )


def _check_same(before: LayerSettings, after: LayerSettings) -> None:
    keys = ("name", "out_features", "in_features", "u_layout", "v_layout", "first_id")
    for key in keys:
        one, two = getattr(before.grid, key), getattr(after.grid, key)
        if one != two:
            raise ChipFileError(
                f"layer {before.name!r} and layer {after.name!r} differ in `{key}`: "
                "only bundles of one network and one wiring can be compared"
            )


def _layer_change(before: LayerSettings, after: LayerSettings) -> LayerChange:
    phase = turn_distance(after.phase_rad, before.phase_rad)
    step = np.abs(after.phase_cmd_rad - before.phase_cmd_rad)
    power = _difference(before.power_mw, after.power_mw)
    scales = np.array(before.grid.scale) != np.array(after.grid.scale)
    return LayerChange(
        name=before.name,
        num_shifters=before.grid.num_shifters,
        num_changed=int(_is_changed(before, after).sum()),
        largest_phase_rad=float(phase.max()),
        rms_phase_rad=float(np.sqrt(np.mean(phase**2))),
        largest_step_rad=float(step.max()),
        largest_step_mw=None if power is None else float(np.nanmax(np.abs(power))),
        power_mw=None if power is None else float(np.nansum(power)),
        num_scales=int(scales.sum()),
    )


def _is_changed(before: LayerSettings, after: LayerSettings) -> np.ndarray:
    if before.dac_code is not None and after.dac_code is not None:
        return before.dac_code != after.dac_code
    return before.phase_cmd_rad != after.phase_cmd_rad


def _largest(before: LayerSettings, after: LayerSettings, count: int) -> list[ShifterChange]:
    step = after.phase_cmd_rad - before.phase_cmd_rad
    size = np.where(_is_changed(before, after), np.abs(step), -1.0)
    order = np.argsort(-size, kind="stable")[:count]
    volts = _difference(before.drive_v, after.drive_v)
    power = _difference(before.power_mw, after.power_mw)
    codes = None
    if before.dac_code is not None and after.dac_code is not None:
        codes = after.dac_code - before.dac_code
    turned = np.mod(after.phase_rad - before.phase_rad + np.pi, 2 * np.pi) - np.pi
    return [
        ShifterChange(
            id=int(before.ids[k]),
            name=before.name_of(k),
            phase_rad=float(turned[k]),
            thermal_step_rad=float(step[k]),
            drive_v=_number(volts, k),
            power_mw=_number(power, k),
            dac_code=None if codes is None else int(codes[k]),
        )
        for k in map(int, order)
        if size[k] >= 0
    ]


def _difference(before: Floats | None, after: Floats | None) -> Floats | None:
    if before is None or after is None or np.isnan(after - before).all():
        return None
    return after - before


def _number(values: Floats | None, place: int) -> float | None:
    if values is None or np.isnan(values[place]):
        return None
    return float(values[place])


def _settled_rad(export: ChipExport) -> float:
    """Half the mean step of the converter over one turn, or 1 mrad without converter."""
    bits = export.header.hardware.dac_bits
    return 1e-3 if bits is None else math.pi / (2**bits - 1)
