"""Drift studies: the same chips looked at again hours after their calibration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from experiments.chips_run import ChipSetting, Controller
from experiments.results import Axis
from photonic import HardwareConfig
from photonic.drift import HORIZON_S
from photonic.hardware.effects import DRIFT_EFFECTS, EFFECTS, Effect

SECONDS_PER_HOUR = 3600.0
HOURS = Axis("hours", "h", "Time since calibration")
SCENARIO_RATE = 3e-3
"""[rad/sqrt(h)] random walk assumed for chips without a drift figure; no rate of a programmed
mesh has been published."""

Trace = tuple[tuple[float, float], ...]
"""Measured temperatures: pairs (time [s], temperature [K])."""


def drifting_hardware(
    hardware: HardwareConfig, rate: float | None, trace: Trace | None = None
) -> HardwareConfig:
    """The description with a drift model.

    Args:
        hardware: chip.
        rate: [rad/sqrt(h)] random walk to use instead of the chip's own drift; None keeps the
            chip's drift, or takes ``SCENARIO_RATE`` if it has none and no trace is given.
        trace: measured temperature to use instead of the chip's own ramp, daily swing or trace.

    Raises:
        ValueError: if a trace is given for a chip that states no path imbalance, or not what
            temperature does to its waveguides.
    """
    source = "set by the caller"
    if rate is None and trace is None and not hardware.has_drift:
        rate, source = SCENARIO_RATE, "assumed scenario"
    if rate is not None:
        field = "random_walk_rad_per_sqrt_hour"
        hardware = _with_effects(hardware, DRIFT_EFFECTS, **{field: rate})
        hardware = hardware.replace(sources={**hardware.sources, field: source})
    if trace is None:
        return hardware
    if not (hardware.path_imbalance_um or hardware.path_imbalance_std_um):
        raise ValueError(
            f"{hardware.name} states no path imbalance, so that temperature moves no phase; "
            "give it `path_imbalance_um` or `path_imbalance_std_um`"
        )
    return _with_effects(hardware, ("temperature",), temperature_trace=trace)


def _with_effects(
    hardware: HardwareConfig, effects: Sequence[Effect], **figures: Any
) -> HardwareConfig:
    """A copy in which some effects have these figures alone."""
    fields = HardwareConfig.model_fields
    changes = {name: fields[name].default for effect in effects for name in EFFECTS[effect]}
    changes |= figures
    changes["ideal"] = tuple(effect for effect in hardware.ideal if effect not in effects)
    known = {name: getattr(hardware, name) for name in changes}
    return hardware.replace(**{n: value for n, value in changes.items() if value != known[n]})


def drift_settings(
    hardware: HardwareConfig, hours: Sequence[float], controller: Controller | None = None
) -> list[ChipSetting]:
    """One setting per time.

    Args:
        hardware: drifting chip.
        hours: [h] times since the calibration.
        controller: what is asked of each chip; None asks what the data sheet suggests.

    Raises:
        ValueError: if a time is negative, beyond the simulated paths or beyond the measured
            temperatures of the chip.
    """
    latest = HORIZON_S / SECONDS_PER_HOUR
    if min(hours) < 0 or max(hours) > latest:
        raise ValueError(f"times since calibration must lie in 0 to {latest:.0f} h, got {hours}")
    trace = hardware.temperature_trace
    if trace and not trace[0][0] <= 0 <= max(hours) * SECONDS_PER_HOUR <= trace[-1][0]:
        first, last = (time_s / SECONDS_PER_HOUR for time_s in (trace[0][0], trace[-1][0]))
        raise ValueError(
            f"the temperature trace covers {first:g} to {last:g} h, the study needs 0 to "
            f"{max(hours):g} h"
        )
    return [ChipSetting(h, hardware, h * SECONDS_PER_HOUR, controller=controller) for h in hours]
