"""Static phase bias, before a calibration and what it leaves behind."""

import numpy as np
from numpy.typing import NDArray

from photonic.streams import Draws


def bias_residual(
    std_rad: float, shape: tuple[int, ...], generator: Draws
) -> NDArray[np.float64] | None:
    """Bias errors b_k - b_cal,k = std n_k.

    Args:
        std_rad: [rad] standard deviation.
        shape: shape of the errors.
        generator: source of randomness.

    Returns:
        ``shape`` [rad], or None if the std is 0.

    Source: Gu et al., L2ight, NeurIPS 2021 (Phi_b, after calibration).
    """
    return generator.normal(0.0, std_rad, shape) if std_rad else None


def uncalibrated_bias(
    range_rad: float, shape: tuple[int, ...], generator: Draws
) -> NDArray[np.float64] | None:
    """Biases U[-range, range] before any calibration.

    Args:
        range_rad: [rad] largest bias; pi = any phase.
        shape: shape of the biases.
        generator: source of randomness.

    Returns:
        ``shape`` [rad], or None if the range is 0.

    Source: Gu et al., L2ight, NeurIPS 2021 (Phi_b; their code has a range of 1 rad).
    """
    return range_rad * generator.uniform(-1, 1, shape) if range_rad else None
