"""Path imbalance of the two arms behind each shifter, which temperature and wavelength act on."""

import numpy as np
from numpy.typing import NDArray


def path_imbalances(
    mean_um: float, std_um: float, shape: tuple[int, ...], generator: np.random.Generator
) -> NDArray[np.float64] | None:
    """Imbalances dL_k = mean + std n_k of a chip as built.

    A balanced interferometer cancels a common change of temperature or wavelength: only the
    difference of its paths, with those of phi and of the output screen, turns it into a phase.

    Args:
        mean_um: [um] mean imbalance, positive if the arm of the shifter is longer.
        std_um: [um] spread over shifters.
        shape: shape of the shifters.
        generator: source of randomness, one for the life of a chip.

    Returns:
        ``shape`` [um], or None if all paths are balanced.
    """
    if not std_um:
        return np.full(shape, mean_um) if mean_um else None
    return mean_um + std_um * generator.standard_normal(shape)
