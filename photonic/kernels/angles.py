"""Sine, cosine and argument for exact kernels, to about one unit in the last place.

The functions of the system's library differ from processor to processor in the last bit. These use
operations that IEEE 754 rounds alike everywhere: + - * /, square roots and rounding to integers.
"""

import math
from typing import Any

import numpy as np

from photonic.kernels.compile import exact_device

# pi/2 in parts of 33, 33, 53 bits: small multiples of the first two are exact.
_HIGH, _MIDDLE, _LOW = 1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21
_PER_QUARTER = 2 / math.pi
_C2, _C4, _C6, _C8, _C10, _C12, _C14, _C16, _C18 = (
    (-1) ** (order // 2) / math.factorial(order) for order in range(2, 20, 2)
)
_S3, _S5, _S7, _S9, _S11, _S13, _S15, _S17 = (
    (-1) ** (order // 2) / math.factorial(order) for order in range(3, 19, 2)
)
_EIGHTHS = np.array(
    [
        0.0,
        0.12435499454676144,
        0.24497866312686414,
        0.35877067027057225,
        0.4636476090008061,
        0.5585993153435624,
        0.6435011087932844,
        0.7188299996216245,
        0.7853981633974483,
    ]
)
"""arctan(k / 8)."""
_SMALLEST_SQUARE, _UNIT = 1e-140, 2.0**600
"""Numbers below the first are measured in units of 2^-600, so that their squares do not vanish."""


@exact_device
def sine_cosine(x: float) -> Any:
    """sin x and cos x for |x| up to about 100."""
    k = np.rint(x * _PER_QUARTER)
    r = ((x - k * _HIGH) - k * _MIDDLE) - k * _LOW
    z = r * r
    tail = z * (_S13 + z * (_S15 + z * _S17))
    sin = r + r * (z * (_S3 + z * (_S5 + z * (_S7 + z * (_S9 + z * (_S11 + tail))))))
    tail = z * (_C12 + z * (_C14 + z * (_C16 + z * _C18)))
    cos = 1.0 + z * (_C2 + z * (_C4 + z * (_C6 + z * (_C8 + z * (_C10 + tail)))))
    quarter = int(k) & 3
    if quarter == 0:
        return sin, cos
    if quarter == 1:
        return cos, -sin
    if quarter == 2:
        return -sin, -cos
    return -cos, sin


@exact_device
def argument(y: float, x: float) -> float:
    """Angle of the point (x, y), in [-pi, pi]; 0 of the origin, never -0 or -pi."""
    width, height = abs(x), abs(y)
    if height == 0.0:
        return math.pi if x < 0 else 0.0
    if height <= width:
        angle = _arctangent(height / width)
    else:
        angle = math.pi / 2 - _arctangent(width / height)
    if x < 0:
        angle = math.pi - angle
    return -angle if y < 0 else angle


@exact_device
def _arctangent(q: float) -> float:
    """arctan q of 0 <= q <= 1: that of the nearest eighth and a series in the rest."""
    k = np.rint(8.0 * q)
    c = k / 8.0
    t = (q - c) / (1.0 + q * c)
    z = t * t
    series = z * (1 / 5 - z * (1 / 7 - z * (1 / 9 - z * (1 / 11 - z * (1 / 13)))))
    return _EIGHTHS[int(k)] + (t - t * (z * (1 / 3) - z * series))


@exact_device
def length(x: float, y: float) -> float:
    """Distance of the point (x, y) from the origin, without overflow for entries of a unitary."""
    if max(abs(x), abs(y)) < _SMALLEST_SQUARE:
        x, y = _UNIT * x, _UNIT * y
        return math.sqrt(x * x + y * y) / _UNIT
    return math.sqrt(x * x + y * y)
