"""Published figures of a coupler error as the error a of the coupler angle.

power_cross = sin^2(pi/4 + a). All functions act entry by entry.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def angle_to_power_split(angle: ArrayLike) -> NDArray[np.float64]:
    """Deviation d = sin(2 a)/2 of power_cross from 1/2.

    Args:
        angle: (...) [rad] error a of the coupler angle.

    Returns:
        (...) d, at most 1/2; 0.01 for a "1 %" coupler.
    """
    return np.sin(2 * np.asarray(angle, dtype=np.float64)) / 2


def power_split_to_angle(split: ArrayLike) -> NDArray[np.float64]:
    """Angle error a = asin(2 d)/2 of a coupler that splits 50:50 +- d.

    Args:
        split: (...) deviation d of power_cross from 1/2.

    Returns:
        (...) [rad] a, at most pi/4, of the sign of d.

    Raises:
        ValueError: if d exceeds 1/2.
    """
    return np.arcsin(2 * _checked(split, "split", 0.5)) / 2


def extinction_to_angle(extinction_db: ArrayLike) -> NDArray[np.float64]:
    """|a + b| of an MZI from its extinction in the cross state, |a - b| from the bar state.

    ER = -20 log10 sin|a +- b|: the power left in the bar port at theta = 0 is sin^2(a + b), in the
    cross port at theta = pi sin^2(a - b). The signs stay unknown.

    Args:
        extinction_db: (...) [dB] positive extinction of the dark port.

    Returns:
        (...) [rad] |a + b| or |a - b|, at most pi/2.

    Raises:
        ValueError: if an extinction is negative.

    Source: derived from the MZI of Clements et al., Optica 3, 1460 (2016), with coupler errors.
    """
    extinction = np.asarray(extinction_db, dtype=np.float64)
    if extinction.size and not extinction.min() >= 0:
        raise ValueError(f"`extinction_db` must be at least 0, got {extinction.min():g}")
    return np.arcsin(10 ** (-extinction / 20))


def amplitude_error_to_angle(amplitude_error: ArrayLike) -> NDArray[np.float64]:
    """|a| = sqrt 2 |dr| of a coupler whose amplitude ratio is r = 1/sqrt 2 + dr, to first order.

    Args:
        amplitude_error: (...) dr, or its standard deviation.

    Returns:
        (...) [rad] |a|, or its standard deviation.

    Source: Fang et al., Opt. Express 27, 14009 (2019), sigma_BS.
    """
    return np.sqrt(2) * np.abs(np.asarray(amplitude_error, dtype=np.float64))


def power_imbalance_to_angle(imbalance: ArrayLike) -> NDArray[np.float64]:
    """|a| = asin|e|/2 of a coupler whose amplitude ratio is r = sqrt((1 + e)/2).

    Args:
        imbalance: (...) difference e of the two output powers, relative to their sum.

    Returns:
        (...) [rad] |a|, at most pi/4.

    Raises:
        ValueError: if |e| exceeds 1.

    Source: documentation of solgaardlab/neurophox (its code takes the angle).
    """
    return np.arcsin(np.abs(_checked(imbalance, "imbalance", 1.0))) / 2


def _checked(values: ArrayLike, name: str, limit: float) -> NDArray[np.float64]:
    """The values as an array, refused beyond +-limit."""
    array = np.asarray(values, dtype=np.float64)
    if array.size and not np.abs(array).max() <= limit:
        raise ValueError(f"`{name}` must be within +-{limit:g}, got {np.abs(array).max():g}")
    return array
