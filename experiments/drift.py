"""Drift studies: the same chips looked at again hours after their calibration."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.chips_run import ChipSetting
from experiments.results import Axis
from photonic import HardwareConfig
from photonic.drift import HORIZON_S

SECONDS_PER_HOUR = 3600.0
HOURS = Axis("hours", "h", "Time since calibration")
SCENARIO_RATE = 3e-3
"""[rad/sqrt(h)] random walk assumed for chips without a drift figure; no rate of a programmed
mesh has been published."""


def drifting_hardware(hardware: HardwareConfig, rate: float | None) -> HardwareConfig:
    """The description with a drift model.

    Args:
        hardware: chip.
        rate: [rad/sqrt(h)] random walk to use instead of the chip's own drift; None keeps the
            chip's drift, or takes ``SCENARIO_RATE`` if it has none.
    """
    if rate is None and hardware.has_drift:
        return hardware
    source = "set by the caller" if rate is not None else "assumed scenario"
    rate = SCENARIO_RATE if rate is None else rate
    walk = hardware.replace(
        random_walk_rad_per_sqrt_hour=rate, ou_sigma_rad=0.0, ou_time_constant_s=None
    )
    return walk.replace(sources={**walk.sources, "random_walk_rad_per_sqrt_hour": source})


def drift_settings(hardware: HardwareConfig, hours: Sequence[float]) -> list[ChipSetting]:
    """One setting per time.

    Raises:
        ValueError: if a time is negative or beyond the simulated paths.
    """
    latest = HORIZON_S / SECONDS_PER_HOUR
    if min(hours) < 0 or max(hours) > latest:
        raise ValueError(f"times since calibration must lie in 0 to {latest:.0f} h, got {hours}")
    return [ChipSetting(h, hardware, h * SECONDS_PER_HOUR) for h in hours]
