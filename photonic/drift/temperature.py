"""Ambient temperature of a chip since its calibration, and the phase that a kelvin makes."""

import math
from bisect import bisect_right
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from photonic.hardware.config import HardwareConfig

_SECONDS_PER_HOUR = 3600.0
_HOURS_PER_DAY = 24.0
_NM_PER_UM = 1000.0
Trace = tuple[tuple[float, float], ...]
"""Pairs (time [s], temperature [K]), times ascending."""


def phase_per_kelvin(
    imbalance_um: NDArray[np.float64], thermo_optic_per_k: float, wavelength_nm: float
) -> NDArray[np.float64]:
    """Phases per kelvin kappa = (2 pi/lambda)(dn/dT) dL.

    Args:
        imbalance_um: (...) [um] path imbalances dL.
        thermo_optic_per_k: [1/K] dn/dT of the waveguide.
        wavelength_nm: [nm] vacuum wavelength lambda.

    Returns:
        (...) [rad/K]; the sign is that of the imbalance.

    Source: derived; 0.0754 rad/K for silicon and 0.0099 rad/K for SiN per 100 um at 1.55 um.
    """
    return 2 * np.pi * _NM_PER_UM / wavelength_nm * thermo_optic_per_k * imbalance_um


def temperature_change(hardware: HardwareConfig, time_s: float) -> float:
    """Change of the chip temperature since the calibration at time 0 [K].

    dT(t) = ramp t + A (sin(w (t + t_0)) - sin(w t_0)) + trace(t) - trace(0), w = 2 pi/24 h, t_0 the
    hour of the calibration.

    Args:
        hardware: chip description.
        time_s: [s] time since the calibration.

    Raises:
        ValueError: if a measured trace does not cover the time, or not time 0.

    Source: assumed (ramp and daily sinusoid of a rack).
    """
    hours = time_s / _SECONDS_PER_HOUR
    change = hardware.temperature_ramp_k_per_hour * hours
    if hardware.temperature_daily_k:
        start = hardware.temperature_daily_hour
        change += hardware.temperature_daily_k * (_daily(start + hours) - _daily(start))
    trace = hardware.temperature_trace
    if trace is not None:
        change += trace_at(trace, time_s) - trace_at(trace, 0.0)
    return change


def _daily(hour: float) -> float:
    return math.sin(2 * math.pi * hour / _HOURS_PER_DAY)


def trace_at(trace: Trace, time_s: float) -> float:
    """Temperature of a measured trace, interpolated linearly [K].

    Args:
        trace: pairs (time [s], temperature [K]), times ascending.
        time_s: [s] time on the clock of the trace.

    Raises:
        ValueError: if the trace does not cover the time.
    """
    if not trace or not trace[0][0] <= time_s <= trace[-1][0]:
        ends = f"{trace[0][0]:g} to {trace[-1][0]:g} s" if trace else "no time"
        raise ValueError(f"the temperature trace covers {ends}, asked for {time_s:g} s")
    after = bisect_right(trace, time_s, key=itemgetter(0))
    left, low = trace[after - 1]
    if left == time_s:
        return low
    right, high = trace[after]
    return low + (time_s - left) / (right - left) * (high - low)
