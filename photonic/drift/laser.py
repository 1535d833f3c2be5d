"""Wandering wavelength of the laser, the same for all shifters of a chip."""

import numpy as np
from numpy.typing import NDArray

from photonic.drift.paths import OrnsteinUhlenbeck, drift_path
from photonic.hardware.config import HardwareConfig

_SECONDS_PER_HOUR = 3600.0


def wavelength_change(hardware: HardwareConfig, seed: int, chip_index: int, time_s: float) -> float:
    """Change of the laser wavelength since the calibration at time 0 [pm].

    A steady ramp and an Ornstein-Uhlenbeck process that starts at 0.

    Args:
        hardware: chip description.
        seed: seed of the run.
        chip_index: number of the chip within the run.
        time_s: [s] time since the calibration.
    """
    change = hardware.laser_ramp_pm_per_hour * time_s / _SECONDS_PER_HOUR
    if hardware.laser_detuning_pm:
        law = OrnsteinUhlenbeck(hardware.laser_detuning_pm, hardware.laser_time_constant_s)
        change += float(drift_path(time_s, law, (), seed, chip_index, "drift", "laser"))
    return change


def detuning_phase(
    imbalance_um: NDArray[np.float64], change_pm: float, group_index: float, wavelength_nm: float
) -> NDArray[np.float64]:
    """Phases d = -2 pi n_g dL dlambda/lambda^2.

    Args:
        imbalance_um: (...) [um] path imbalances dL.
        change_pm: [pm] change dlambda of the wavelength.
        group_index: group index n_g.
        wavelength_nm: [nm] vacuum wavelength lambda.

    Returns:
        (...) [rad]; um pm = nm^2.

    Source: derived; 1 pm over 100 um at n_g = 4.2 and 1.55 um: 1.1 mrad.
    """
    return -2 * np.pi * group_index * change_pm / wavelength_nm**2 * imbalance_um
