"""Errors of the two coupler angles of each MZI."""

import numpy as np
from numpy.typing import NDArray


def coupler_errors(
    sigma_rad: float, offset_rad: float, shape: tuple[int, ...], generator: np.random.Generator
) -> NDArray[np.float64] | None:
    """Deviations mu + sigma n of the coupler angles from pi/4, independent for both couplers.

    Args:
        sigma_rad: [rad] std of the independent part.
        offset_rad: [rad] part mu common to the chip.
        shape: shape of the MZIs.
        generator: source of randomness.

    Returns:
        (``shape``, 2) [rad] errors (a, b) of the first and second coupler, or None if both figures
        are 0.

    Source: Bandyopadhyay et al., Optica 8, 1247 (2021).
    """
    if not sigma_rad:
        return np.full((*shape, 2), offset_rad) if offset_rad else None
    return offset_rad + sigma_rad * generator.standard_normal((*shape, 2))
