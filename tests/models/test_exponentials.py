"""Compiled exponentials against numpy in twice the precision, and where they end."""

from collections.abc import Callable

import numba
import numpy as np
import pytest
from numpy.typing import NDArray

from models.edge_ops import exponentials
from tests.tolerances import EXPONENTIAL_EPS

TYPES = ["float32(float32)", "float64(float64)"]
"""Given in advance: a loop that is there for float64 would take float32 as well."""


@numba.vectorize(TYPES)
def exp(x):
    return exponentials.exp(x)


@numba.vectorize(TYPES)
def sigmoid(x):
    return exponentials.sigmoid(x)


@numba.vectorize(TYPES)
def softplus(x):
    return exponentials.softplus(x)


def exact_sigmoid(x: NDArray) -> NDArray:
    return 1 / (1 + np.exp(-x))


def exact_softplus(x: NDArray) -> NDArray:
    return np.where(x > exponentials.THRESHOLD, x, np.log1p(np.exp(-abs(x))) + np.maximum(x, 0))


FUNCTIONS = [(exp, np.exp), (sigmoid, exact_sigmoid), (softplus, exact_softplus)]
NAMES = ["exp", "sigmoid", "softplus"]
REALS = [np.float32, np.float64]


def points(real: type) -> NDArray:
    spread = np.linspace(-86, 86, 20_001)
    near_zero = np.concatenate([sign * np.logspace(-30, 0, 200) for sign in (-1, 1)])
    return np.concatenate((spread, near_zero, [0.0, 20.0])).astype(real)


@pytest.mark.parametrize(("ours", "exact"), FUNCTIONS, ids=NAMES)
@pytest.mark.parametrize("real", REALS)
def test_relative_error(
    ours: Callable[[NDArray], NDArray], exact: Callable[[NDArray], NDArray], real: type
) -> None:
    x = points(real)
    result = ours(x)
    assert result.dtype == real
    expected = exact(x.astype(np.longdouble))
    error = float((abs(result - expected) / abs(expected)).max()) / np.finfo(real).eps
    assert error < EXPONENTIAL_EPS, f"off by {error:.1f} eps"


@pytest.mark.parametrize("real", REALS)
def test_what_is_no_number_stays_so(real: type) -> None:
    with np.errstate(invalid="ignore"):
        assert all(np.isnan(function(real("nan"))) for function in (exp, sigmoid, softplus))


@pytest.mark.parametrize("real", REALS)
@pytest.mark.parametrize("x", [1e4, np.inf])
def test_far_out_results_are_normal_numbers_at_their_limits(real: type, x: float) -> None:
    x, tiny = real(x), np.finfo(real).tiny ** real(0.9)
    assert np.finfo(real).tiny <= exp(-x) < tiny
    assert np.isfinite(exp(x))
    assert sigmoid(x) == 1
    assert np.finfo(real).tiny <= sigmoid(-x) < tiny
    assert softplus(x) == x
    assert 0 <= softplus(-x) < tiny
