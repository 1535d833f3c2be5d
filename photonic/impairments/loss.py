"""Insertion loss of the MZIs."""

import numpy as np
from numpy.typing import NDArray


def insertion_losses(
    mean_db: float, std_db: float, shape: tuple[int, ...], generator: np.random.Generator
) -> NDArray[np.float64] | None:
    """Losses L = max(0, mean + std n), one per MZI and equal on both of its modes.

    Args:
        mean_db: [dB of power] mean.
        std_db: [dB] standard deviation.
        shape: shape of the MZIs.
        generator: source of randomness.

    Returns:
        ``shape`` [dB], or None if both figures are 0.

    Source: Fang et al., Opt. Express 27, 14009 (2019) (loss per element); reference 2.9 (floor 0).
    """
    if not std_db:
        return np.full(shape, mean_db) if mean_db else None
    return np.maximum(0.0, mean_db + std_db * generator.standard_normal(shape))


def loss_gain(mean_db: float, num_crossed: float) -> float:
    """Amplitude gain 10^(mean_db num_crossed/20) that undoes the mean loss of MZIs in series.

    Args:
        mean_db: [dB of power] mean loss per MZI.
        num_crossed: mean number of MZIs that light crosses.

    Returns:
        Factor >= 1 on the field.
    """
    return 10 ** (mean_db * num_crossed / 20)
