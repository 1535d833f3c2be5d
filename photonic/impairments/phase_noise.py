"""Normal phase errors, static or per shot: the generator's key decides which."""

import numpy as np
from numpy.typing import NDArray

from photonic.streams import Draws


def phase_noise(
    std_rad: float, shape: tuple[int, ...], generator: Draws
) -> NDArray[np.float64] | None:
    """Phase errors std n_k.

    Args:
        std_rad: [rad] standard deviation.
        shape: shape of the errors.
        generator: source of randomness, keyed by chip (static) or by chip and shot.

    Returns:
        ``shape`` [rad], or None if the std is 0.

    Source: Fang et al., Opt. Express 27, 14009 (2019), sigma_PS.
    """
    return generator.normal(0.0, std_rad, shape) if std_rad else None
