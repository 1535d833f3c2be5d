"""Exponentials in plain arithmetic, so that loops over them become vector instructions.

exp x = 2^k e^r with |r| <= log(2)/2, log 2 taken in two parts of which the multiples of the first
are exact, and e^r by its Taylor series up to r^7/7! in float32 and r^13/13! in float64: the next
term is below a tenth of eps. log(1 + t) = 2 artanh(t / (2 + t)) likewise. Constants have the type
of the argument, because numba computes in float64 wherever a float32 meets another number.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from models.edge_ops.compile import device

_Function = Callable[[Any], Any]
_LARGEST = {np.float32: 87.0, np.float64: 708.0}
"""exp of it and of minus it is a normal number; others take a processor a hundred times longer."""
_LOG2_PARTS = {
    np.float32: (0.693359375, -2.12194440e-4),
    np.float64: (0.69314718036912382, 1.90821492927058770e-10),
}
_EXP_TERMS = {np.float32: 8, np.float64: 14}
_ARTANH_TERMS = {np.float32: 8, np.float64: 17}
THRESHOLD = 20
"""softplus x = x beyond it, as in torch."""


def exp(x: Any) -> Any:
    """exp x; x is bounded so that the result is a normal number."""


def log_one_plus(t: Any) -> Any:
    """log(1 + t) of 0 <= t <= 1, to a few units in the last place of the result."""


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp -x)."""


def softplus(x: Any) -> Any:
    """log(1 + exp x)."""


def _real(number: Any) -> Any:
    return np.float32 if number == types.float32 else np.float64


@overload(exp, inline="always")
def _exp_typed(x: Any) -> _Function:
    real = _real(x)
    smallest, largest = real(-_LARGEST[real]), real(_LARGEST[real])
    per_log2 = real(1 / math.log(2))
    high, low = (real(part) for part in _LOG2_PARTS[real])
    series = tuple(real(1 / math.factorial(k)) for k in reversed(range(_EXP_TERMS[real])))
    power_of_two = _power_of_two_32 if real is np.float32 else _power_of_two_64

    def typed(x: Any) -> Any:
        # Comparisons with a number that is none are false: it stays what it is.
        bounded = smallest if x < smallest else x
        bounded = largest if bounded > largest else bounded
        k = np.rint(bounded * per_log2)
        r = (bounded - k * high) - k * low
        total = series[0]
        for coefficient in series[1:]:
            total = total * r + coefficient
        return total * power_of_two(k)

    return typed


@overload(log_one_plus, inline="always")
def _log_one_plus_typed(t: Any) -> _Function:
    real = _real(t)
    two = real(2)
    series = tuple(real(2 / (2 * k + 1)) for k in reversed(range(_ARTANH_TERMS[real])))

    def typed(t: Any) -> Any:
        z = t / (two + t)
        y = z * z
        total = series[0]
        for coefficient in series[1:]:
            total = total * y + coefficient
        return total * z

    return typed


@overload(sigmoid, inline="always")
def _sigmoid_typed(x: Any) -> _Function:
    one = _real(x)(1)

    def typed(x: Any) -> Any:
        return one / (one + exp(-x))

    return typed


@overload(softplus, inline="always")
def _softplus_typed(x: Any) -> _Function:
    real = _real(x)
    zero, threshold = real(0), real(THRESHOLD)

    def typed(x: Any) -> Any:
        exact = max(x, zero) + log_one_plus(exp(-abs(x)))
        return x if x > threshold else exact

    return typed


@device
def _power_of_two_32(k: Any) -> Any:
    """2^k of an integer k in float32, by its bits."""
    return np.int32((np.int32(k) + 127) << 23).view(np.float32)


@device
def _power_of_two_64(k: Any) -> Any:
    """2^k of an integer k in float64, by its bits."""
    return np.int64((np.int64(np.int32(k)) + 1023) << 52).view(np.float64)
