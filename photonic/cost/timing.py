"""How long light and electronics take, and how often phases are written."""

import math

from scipy.constants import speed_of_light


def flight_time_ps(num_columns: int, mzi_length_um: float, group_index: float) -> float:
    """Time of light through interferometers in series, num_columns mzi_length_um n_g/c.

    Args:
        num_columns: interferometers in series.
        mzi_length_um: [um] length of one.
        group_index: n_g of the waveguide.

    Returns:
        [ps]

    Source: Sanchez-Jacome, PhD thesis, UPV (2025): 11.25 ps for a cell of 811 um.
    """
    return num_columns * mzi_length_um * group_index / speed_of_light * 1e6


def working_time_us(num_vectors: float, rate_ghz: float, delay_ns: float) -> float:
    """Time until the last of a row of vectors has passed, num_vectors/rate_ghz + delay_ns.

    Args:
        num_vectors: vectors that enter one after the other.
        rate_ghz: [GHz] vectors per second.
        delay_ns: [ns] delay of one vector.

    Returns:
        [us]
    """
    return (num_vectors / rate_ghz + delay_ns) * 1e-3


def num_loads(num_tiles: int, capacity: int) -> int:
    """Times that phases are written if tiles come to the chip in groups.

    Args:
        num_tiles: tiles of a layer.
        capacity: tiles that the chip holds at a time.

    Returns:
        The fewest groups.
    """
    return math.ceil(num_tiles / capacity)
