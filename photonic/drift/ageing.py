"""Ageing heaters: the drive coefficient gamma = phi/V^2 falls with the hours of operation."""

import math

import numpy as np
from numpy.typing import NDArray


def ageing_rates(
    mean_per_hour: float, spread: float, shape: tuple[int, ...], generator: np.random.Generator
) -> NDArray[np.float64]:
    """Rates of loss of drive coefficient, log-normal: no heater recovers, however wide the spread.

    rate_k = mean exp(s n_k - s^2/2), s^2 = ln(1 + spread^2), with this mean and relative std.

    Args:
        mean_per_hour: [1/h] mean rate.
        spread: relative std of the rates.
        shape: shape of the shifters.
        generator: source of randomness, one for the life of a chip.

    Returns:
        ``shape`` [1/h], not negative.
    """
    if not spread:
        return np.full(shape, mean_per_hour)
    variance = math.log1p(spread**2)
    normal = generator.standard_normal(shape)
    return mean_per_hour * np.exp(math.sqrt(variance) * normal - variance / 2)
