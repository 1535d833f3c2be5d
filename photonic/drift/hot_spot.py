"""A neighbour that warms one corner of the chip after the calibration."""

import math

import numpy as np
from numpy.typing import NDArray


def hot_spot_change(
    rise_k: float,
    length_tiles: float,
    time_constant_s: float | None,
    grid: tuple[int, ...],
    time_s: float,
) -> NDArray[np.float64]:
    """Changes dT exp(-sqrt(X^2 + Y^2)/length) (1 - exp(-t/tau)) of the tiles of a layer.

    X and Y are the row and column of a tile; the hot corner is tile (0, 0).

    Args:
        rise_k: [K] final rise dT at the corner.
        length_tiles: [tiles] distance over which it falls by a factor e.
        time_constant_s: [s] time constant tau of the warming; None = at once after time 0.
        grid: (rows, columns) of tiles; () is the tile at the corner.
        time_s: [s] time since the calibration.

    Returns:
        ``grid`` [K], 0 at time 0.

    Source: Lu, Banerjee, Gu, DOCTOR, J. Lightwave Technol. (2024), arXiv:2403.02688 (length 1).
    """
    if time_constant_s is None:
        warming = float(time_s > 0)
    else:
        warming = -math.expm1(-time_s / time_constant_s)
    distance = np.sqrt((np.indices(grid, dtype=float) ** 2).sum(axis=0))
    return rise_k * warming * np.exp(-distance / length_tiles)
