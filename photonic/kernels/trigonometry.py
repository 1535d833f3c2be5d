"""Sine and cosine of vectors, to about one unit in the last place.

x = r + k pi/2 with |r| <= pi/4; pi/2 is taken in three parts of so few bits that their multiples
are exact, up to the ``LARGEST`` argument. sin r and cos r are their Taylor series, in float64 up to
r^17/17! and r^18/18!, in float32 up to r^9/9! and r^10/10!: the next terms are below a tenth of
eps. The parity of k says which is which. On the smaller range of r the rounding of the coefficients
does not show: on [-pi/2, pi/2] it biases sin^2 + cos^2 by a tenth of eps, which adds up in a mesh.
"""

import math
from typing import Any

from photonic.kernels.compile import device
from photonic.kernels.simd import (
    absolute,
    constant,
    exceeds,
    floor,
    is_single,
    load,
    nearest,
    store,
    where_equal,
)

LARGEST = {"float32": 6e3, "float64": 1.6e6}
"""Largest |x|, by dtype."""

# pi/2 in parts of 12, 12, 24 bits for float32 and of 33, 33, 53 bits for float64.
_HIGH32, _MIDDLE32, _LOW32 = 1.5703125, 0.0004837512969970703, 7.549789415861596e-08
_HIGH64, _MIDDLE64, _LOW64 = 1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21
_PER_QUARTER = 2 / math.pi
_C2, _C4, _C6, _C8, _C10, _C12, _C14, _C16, _C18 = (
    (-1) ** (order // 2) / math.factorial(order) for order in range(2, 20, 2)
)
_S3, _S5, _S7, _S9, _S11, _S13, _S15, _S17 = (
    (-1) ** (order // 2) / math.factorial(order) for order in range(3, 19, 2)
)


@device
def sines(angles: Any, at: int, step: int, count: int, vectors: Any) -> None:
    """Sines and cosines of ``count`` angles, in the same array.

    Args:
        angles: one-dimensional; the angles from ``at`` on, padded to whole vectors, their sines
            from ``at + step`` on and their cosines from ``at + 2 step`` on.
        at: first angle.
        step: distance of the three.
        count: number of angles; those beyond ``vectors[1]`` in size go to the library's functions.
        vectors: lanes, and the entry of ``LARGEST`` for the dtype.
    """
    lanes, largest = vectors
    is_beyond = False
    k = at
    while k < at + count:
        angle = load(angles, k)
        sin, cos = sine_cosine(angle)
        store(angles, k + step, sin)
        store(angles, k + 2 * step, cos)
        is_beyond |= exceeds(absolute(angle), largest)
        k += lanes
    if is_beyond:
        for k in range(at, at + count):
            if abs(angles[k]) > largest:
                angles[k + step] = math.sin(angles[k])
                angles[k + 2 * step] = math.cos(angles[k])


@device
def sine_cosine(x: Any) -> Any:
    """sin x and cos x of a vector, |x| up to ``LARGEST``."""
    one, two = constant(x, 1.0, 1.0), constant(x, 2.0, 2.0)
    quarter = nearest(x * constant(x, _PER_QUARTER, _PER_QUARTER))
    r = x - quarter * constant(x, _HIGH32, _HIGH64)
    r = r - quarter * constant(x, _MIDDLE32, _MIDDLE64)
    r = r - quarter * constant(x, _LOW32, _LOW64)
    y = r * r
    sin, cos = r + r * (y * _sine_series(y)), one + y * _cosine_series(y)
    half = _halved(quarter)
    odd = quarter - two * half
    sign = one - two * (half - two * _halved(half))
    zero = constant(x, 0.0, 0.0)
    return (
        sign * where_equal(odd, zero, sin, cos),
        sign * where_equal(odd, zero, cos, zero - sin),
    )


@device
def _halved(integer: Any) -> Any:
    """Largest integer not above half of an integer."""
    return floor(integer * constant(integer, 0.5, 0.5))


@device
def _sine_series(y: Any) -> Any:
    """(sin r - r) / r^3 for y = r^2."""
    if is_single(y):
        p = constant(y, _S7, _S7) + y * constant(y, _S9, _S9)
        return constant(y, _S3, _S3) + y * (constant(y, _S5, _S5) + y * p)
    p = constant(y, _S15, _S15) + y * constant(y, _S17, _S17)
    p = constant(y, _S11, _S11) + y * (constant(y, _S13, _S13) + y * p)
    p = constant(y, _S7, _S7) + y * (constant(y, _S9, _S9) + y * p)
    return constant(y, _S3, _S3) + y * (constant(y, _S5, _S5) + y * p)


@device
def _cosine_series(y: Any) -> Any:
    """(cos r - 1) / r^2 for y = r^2."""
    if is_single(y):
        p = constant(y, _C8, _C8) + y * constant(y, _C10, _C10)
        p = constant(y, _C4, _C4) + y * (constant(y, _C6, _C6) + y * p)
        return constant(y, _C2, _C2) + y * p
    p = constant(y, _C16, _C16) + y * constant(y, _C18, _C18)
    p = constant(y, _C12, _C12) + y * (constant(y, _C14, _C14) + y * p)
    p = constant(y, _C8, _C8) + y * (constant(y, _C10, _C10) + y * p)
    p = constant(y, _C4, _C4) + y * (constant(y, _C6, _C6) + y * p)
    return constant(y, _C2, _C2) + y * p
