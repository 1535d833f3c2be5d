"""Keyed generators: same key same bits, different keys independent streams."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonic.randomness import keyed_generator
from tests.tolerances import STANDARD_ERRORS

parts = st.lists(st.text(max_size=5) | st.integers(-(10**6), 10**20), max_size=4)

FIRST_NORMAL = 2.308468328305333  # of one key, frozen: stored results depend on it


def first_bits(*key: str | int) -> bytes:
    return keyed_generator(*key).bytes(32)


@given(seed=st.integers(), key=parts)
def test_same_key_same_bits(seed, key):
    assert first_bits(seed, *key) == first_bits(seed, *key)


@given(seed=st.integers(0, 9), first=parts, second=parts)
def test_different_keys_give_different_bits(seed, first, second):
    is_same = first == second
    assert (first_bits(seed, *first) == first_bits(seed, *second)) is is_same


def test_encoding_is_unambiguous():
    keys = [("a", "bc"), ("ab", "c"), ("abc",), ("1",), (1,), (11,), (1, 1), ("a", "bc", "")]
    assert len({first_bits(0, *key) for key in keys}) == len(keys)
    assert first_bits(1, 0) != first_bits(0, 1)


def test_numpy_integers_are_integers():
    assert first_bits(3, np.int64(4)) == first_bits(3, 4)


@pytest.mark.parametrize("part", [1.0, True, None, b"a"])
def test_other_parts_are_refused(part):
    with pytest.raises(TypeError, match="text and integers"):
        keyed_generator(0, part)


def test_streams_of_neighbouring_keys_are_uncorrelated():
    count = 20_000
    draws = np.stack([keyed_generator(0, "chip", i).standard_normal(count) for i in range(8)])
    off_diagonal = np.corrcoef(draws)[np.triu_indices(8, 1)]
    worst = np.abs(off_diagonal).max()
    assert worst < STANDARD_ERRORS / np.sqrt(count), f"correlation {worst:.1e}"


def test_the_stream_of_a_key_never_changes():
    value = keyed_generator(2024, "layer/U", "phase", 3).standard_normal()
    assert value == FIRST_NORMAL
