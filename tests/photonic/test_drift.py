"""Drift paths: consistent over times, exact variances and correlations."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from photonic.drift import HORIZON_S, OrnsteinUhlenbeck, RandomWalk, drift_path
from tests.tolerances import DRIVE_EPS, STANDARD_ERRORS

COUNT = 20_000
WALK = RandomWalk(1e-6)
LAB = OrnsteinUhlenbeck(7.5e-4, 600.0)
SLOW = OrnsteinUhlenbeck(1e-3, 3e7)  # still away from its stationary state at the horizon
LAWS = pytest.mark.parametrize("law", [WALK, LAB, SLOW], ids=str)
times = st.integers(0, HORIZON_S)


def path(law: RandomWalk | OrnsteinUhlenbeck, time_s: float, count: int = COUNT) -> np.ndarray:
    return drift_path(time_s, law, (count,), 0, "chip", "mesh")


def covariance(law: RandomWalk | OrnsteinUhlenbeck, s: float, t: float) -> float:
    """E d(s) d(t) for s <= t, from the process, not from its bridge."""
    if isinstance(law, RandomWalk):
        return law.rate_rad2_per_s * s
    tau = law.time_constant_s
    return law.sigma**2 * (math.exp(-(t - s) / tau) - math.exp(-(t + s) / tau))


def assert_covariance(law: RandomWalk | OrnsteinUhlenbeck, s: float, t: float) -> None:
    first, second = path(law, s), path(law, t)
    expected = covariance(law, s, t)
    variances = covariance(law, s, s) * covariance(law, t, t)
    standard_error = math.sqrt((variances + expected**2) / COUNT)
    error = abs(np.mean(first * second) - expected) / standard_error
    assert error < STANDARD_ERRORS, f"{error:.1f} standard errors at ({s}, {t})"


@LAWS
@pytest.mark.parametrize("time_s", [1, 2, 3, 600, 3600, 86_400, 2**20, 2**20 + 1, HORIZON_S])
def test_variance_is_that_of_the_process(law, time_s):
    assert_covariance(law, time_s, time_s)


@LAWS
@pytest.mark.parametrize(
    ("s", "t"), [(1, 2), (599, 600), (300, 900), (3600, 7200), (2**22 - 1, 2**22 + 1), (5, 10**6)]
)
def test_covariance_between_times_is_that_of_the_process(law, s, t):
    assert_covariance(law, s, t)


@LAWS
def test_increments_of_the_process_do_not_depend_on_the_past(law):
    s, t, u = 1000, 1500, 2500
    a, b, c = (path(law, time) for time in (s, t, u))
    transfer = covariance(law, t, u) / covariance(law, t, t)
    innovation = c - transfer * b
    correlation = abs(np.corrcoef(innovation, a)[0, 1]) * math.sqrt(COUNT)
    assert correlation < STANDARD_ERRORS


@given(time_s=st.floats(0, HORIZON_S) | times, other=st.floats(0, HORIZON_S))
@example(time_s=0, other=1.0)
@example(time_s=HORIZON_S, other=1.0)
def test_a_value_does_not_depend_on_other_evaluations(time_s, other):
    first = path(LAB, time_s, 3)
    path(LAB, other, 3)
    assert np.array_equal(first, path(LAB, time_s, 3))


@given(second=st.integers(0, HORIZON_S - 1), fraction=st.floats(0, 1, exclude_max=True))
def test_within_a_second_the_path_is_a_straight_line(second, fraction):
    left, right = path(WALK, second, 3), path(WALK, second + 1, 3)
    time_s = second + fraction
    part = time_s - second
    middle = path(WALK, time_s, 3)
    scale = np.abs(left) + np.abs(right)
    error = np.abs(middle - (left + part * (right - left))) / scale
    assert error.max() <= DRIVE_EPS * np.finfo(float).eps


def test_a_path_starts_at_zero_exactly():
    assert not path(LAB, 0).any()
    assert not path(WALK, 0).any()


def test_different_keys_give_different_paths():
    one = drift_path(60, WALK, (4,), 0, 0, "U")
    assert not np.isin(one, drift_path(60, WALK, (4,), 0, 1, "U")).any()
    assert not np.isin(one, drift_path(60, WALK, (4,), 1, 0, "U")).any()


@pytest.mark.parametrize("time_s", [-1e-9, HORIZON_S + 1, math.nan, math.inf])
def test_times_outside_the_path_raise(time_s):
    with pytest.raises(ValueError, match=r"`time_s` must lie in \[0, 16777216\]"):
        path(WALK, time_s, 1)


def test_bridge_of_many_time_constants_forgets_its_ends():
    weight, std = LAB.bridge(1e7)
    assert weight == 0
    assert std == LAB.sigma
