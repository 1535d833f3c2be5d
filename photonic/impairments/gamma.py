"""Spread of the drive coefficient gamma = phi/V^2 from heater to heater."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from photonic.streams import Draws

TRUNCATION = 2.0
"""Standard deviations at which the normal draw is cut."""


def gamma_factors(
    spread: float, shape: tuple[int, ...], generator: Draws
) -> NDArray[np.float64] | None:
    """Factors g in phi~ = g phi: g = 1 + spread n, n normal, truncated at 2 sigma.

    One uniform number per shifter goes through the inverse distribution function, so nothing is
    rejected and the count of draws is fixed.

    Args:
        spread: relative std before truncation (the std after it is 0.880 of this).
        shape: shape of the factors.
        generator: source of randomness.

    Returns:
        ``shape`` factors within 1 +- 2 spread, or None if the spread is 0.

    Source: Gu et al., L2ight, NeurIPS 2021 (Gamma in their equation for the noisy phases).
    """
    if not spread:
        return None
    tail = ndtr(-TRUNCATION)
    return 1 + spread * ndtri(generator.uniform(tail, 1 - tail, shape))
