"""Failed shifters: kinds and their phases, probabilities, nesting, and absence."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from photonic.impairments.failures import failed_phases
from photonic.randomness import keyed_generator
from tests.tolerances import KS_STATISTIC, STANDARD_ERRORS

TURN = 2 * np.pi
FULL = 4 * np.pi
COUNT = 40_000
seeds = st.integers(0, 2**32)
shares = st.lists(st.floats(0.0, 1 / 3), min_size=3, max_size=3)


def draw(stuck: float, dead: float, full: float, seed: int = 0, count: int = COUNT) -> np.ndarray:
    source = keyed_generator(seed, "failures")
    return failed_phases(stuck, dead, full, FULL, (count,), source)


def assert_share(is_case: np.ndarray, probability: float) -> None:
    error = abs(is_case.mean() - probability)
    error /= math.sqrt(probability * (1 - probability) / is_case.size)
    assert error < STANDARD_ERRORS, f"{error:.1f} standard errors"


def test_without_probability_nothing_is_drawn():
    source = keyed_generator(0, "failures")
    assert failed_phases(0.0, 0.0, 0.0, FULL, (4,), source) is None
    assert source.bytes(16) == keyed_generator(0, "failures").bytes(16)


def test_each_kind_has_its_probability():
    phase = draw(0.2, 0.1, 0.05)
    assert_share(np.isnan(phase), 0.65)
    assert_share(phase == 0, 0.1)
    assert_share(phase == FULL, 0.05)
    assert_share((phase > 0) & (phase < TURN), 0.2)


def test_stuck_phases_are_uniform_over_a_turn():
    turns = np.sort(draw(1.0, 0.0, 0.0) / TURN)
    assert turns.min() >= 0
    assert turns.max() < 1
    gap = np.abs(turns - (np.arange(COUNT) + 0.5) / COUNT).max()
    assert math.sqrt(COUNT) * gap < KS_STATISTIC


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [((0.0, 1.0, 0.0), 0.0), ((0.0, 0.0, 1.0), FULL)],
    ids=["dead", "full scale"],
)
def test_certain_failures_strike_every_shifter(probabilities, expected):
    assert set(draw(*probabilities)) == {expected}


@given(shares=shares, growth=st.lists(st.floats(0.0, 1.0), min_size=3, max_size=3), seed=seeds)
@example(shares=[0.1, 0.1, 0.1], growth=[1.0, 0.0, 0.0], seed=0)
def test_a_larger_probability_keeps_the_earlier_failures(shares, growth, seed):
    # min: at a third each, rounding may lift the sum above 1.
    larger = [
        min(share * (1 + factor), 1 / 3) for share, factor in zip(shares, growth, strict=True)
    ]
    few, many = draw(*shares, seed, 300), draw(*larger, seed, 300)
    if few is None:
        return
    assert np.isnan(few[np.isnan(many)]).all()


@given(small=st.floats(1e-3, 1.0), ratio=st.floats(0.0, 1.0), seed=seeds, kind=st.integers(0, 2))
def test_failures_of_a_single_kind_keep_their_phase(small, ratio, seed, kind):
    large = small + ratio * (1 - small)
    few, many = (
        draw(*(probability if k == kind else 0.0 for k in range(3)), seed, 300)
        for probability in (small, large)
    )
    has_failed = ~np.isnan(few)
    assert np.array_equal(few[has_failed], many[has_failed])


def test_the_number_of_draws_is_fixed():
    sources = [keyed_generator(3, "failures") for _ in range(2)]
    failed_phases(1e-6, 0.0, 0.0, FULL, (5, 4), sources[0])
    failed_phases(0.5, 0.3, 0.2, FULL, (5, 4), sources[1])
    assert sources[0].bytes(16) == sources[1].bytes(16)


def test_the_same_key_gives_the_same_failures():
    first, again, other = draw(0.3, 0.2, 0.1, 1), draw(0.3, 0.2, 0.1, 1), draw(0.3, 0.2, 0.1, 2)
    assert np.array_equal(first, again, equal_nan=True)
    assert not np.array_equal(first, other, equal_nan=True)
    assert failed_phases(0.3, 0.0, 0.0, FULL, (2, 3, 5), keyed_generator(1)).shape == (2, 3, 5)
