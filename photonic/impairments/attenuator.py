"""Static phase errors of the attenuators, beyond those of all shifters."""

import numpy as np
from numpy.typing import NDArray

from photonic.streams import Draws


def attenuator_noise(
    std_rad: float, shape: tuple[int, ...], generator: Draws
) -> NDArray[np.float64] | None:
    """Errors std n_k of both phases of each attenuator: an error of theta changes a singular value.

    Args:
        std_rad: [rad] standard deviation.
        shape: shape of the errors, (..., 2 r) for theta, then phi, of r attenuators.
        generator: source of randomness.

    Returns:
        ``shape`` [rad], or None if the std is 0.

    Source: Fang et al., Opt. Express 27, 14009 (2019), sigma_PS, here of the diagonal layer alone.
    """
    return generator.normal(0.0, std_rad, shape) if std_rad else None
