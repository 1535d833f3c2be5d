"""Drifting chips that several tests of drift share."""

from typing import Any

from photonic import HardwareConfig

HOUR = 3600.0
SILICON = {"thermo_optic_per_k": 1.86e-4, "group_index": 4.2, "wavelength_nm": 1550.0}
UNBALANCED = {**SILICON, "path_imbalance_um": 100.0}
WALK = {"random_walk_rad_per_sqrt_hour": 0.01}
LAB = {"ou_sigma_rad": 1e-3, "ou_time_constant_s": 600.0}
FLICKER = {"flicker_sigma_rad": 2e-3, "flicker_tau_min_s": 10.0, "flicker_tau_max_s": 1e5}
LASER = {"laser_detuning_pm": 0.5, "laser_time_constant_s": 900.0, "laser_ramp_pm_per_hour": 0.1}
EVERYTHING = {
    **SILICON,
    **WALK,
    **LAB,
    **FLICKER,
    **LASER,
    "common_drift_fraction": 0.3,
    "path_imbalance_um": 3.0,
    "path_imbalance_std_um": 20.0,
    "temperature_ramp_k_per_hour": 0.02,
    "temperature_daily_k": 1.0,
    "temperature_daily_hour": 9.0,
    "temperature_trace": ((-60.0, 300.0), (1e8, 310.0)),
    "hot_spot_k": 2.0,
    "hot_spot_time_constant_s": 300.0,
    "heater_ageing_per_hour": 1e-5,
    "heater_ageing_spread": 0.5,
}


def drifting(**figures: Any) -> HardwareConfig:
    """A chip without errors other than these."""
    return HardwareConfig(name="drifting", **figures)
