"""Compiled draws against numpy's: the same bits, from the same keys."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import Generator, Philox

from photonic.kernels.ziggurat import ziggurat
from photonic.randomness import keyed_generator, stream_key
from photonic.streams import KeyedStreams

LONG = 300_000
"""Numbers of which some hundred lie in the tail and two thousand are refused at first."""
LAYERS = range(256)
LOWEST = 0
"""The word of the uniform number 0: the lower edge of a layer, which is under the curve."""


def streams(counts: list[int], seed: int = 0) -> tuple[KeyedStreams, list[Generator]]:
    """Streams of as many keys as counts, and numpy's generators of the same keys."""
    names = [f"layer.{number}/U" for number in range(len(counts))]
    keys = [stream_key(seed, 3, name, "phase") for name in names]
    return KeyedStreams(keys, counts), [keyed_generator(seed, 3, name, "phase") for name in names]


@given(
    seed=st.integers(-5, 2**70),
    counts=st.lists(st.integers(0, 40), min_size=1, max_size=5),
    tail=st.lists(st.integers(1, 7), max_size=3),
    loc=st.sampled_from([0.0, 0.011, -3.0]),
    scale=st.sampled_from([1.0, 0.015, 2.0]),
)
def test_every_key_gives_the_numbers_of_numpy(seed, counts, tail, loc, scale):
    drawn, generators = streams(counts, seed)
    shapes = [(count, *tail) for count in counts]
    total = (sum(counts), *tail)
    normal = [g.normal(loc, scale, shape) for g, shape in zip(generators, shapes, strict=True)]
    assert np.array_equal(drawn.normal(loc, scale, total), np.concatenate(normal))
    generators = streams(counts, seed)[1]
    uniform = [g.uniform(loc, loc + scale, s) for g, s in zip(generators, shapes, strict=True)]
    assert np.array_equal(drawn.uniform(loc, loc + scale, total), np.concatenate(uniform))


@pytest.mark.parametrize("seed", range(4))
def test_long_streams_pass_through_tail_and_edges(seed):
    drawn, (generator,) = streams([LONG], seed)
    expected = generator.standard_normal(LONG)
    assert np.abs(expected).max() > 3.7, "no number from the tail"
    assert np.array_equal(drawn.normal(0.0, 1.0, (LONG,)), expected)


def normal_of(*words: int) -> tuple[float, int]:
    """The normal number that numpy makes of given words, and how many of them it uses."""
    source = Philox(0)
    state = source.state
    state["buffer"], state["buffer_pos"] = np.array([*words, *[0] * 4][:4], np.uint64), 0
    source.state = state
    return Generator(source).standard_normal(), source.state["buffer_pos"]


def word(layer: int, size: int, sign: int = 0) -> int:
    """The word whose number lies in a layer, ``size`` units of its width from 0."""
    return layer | sign << 8 | size << 9


def test_tables_are_those_of_numpy():
    widths, limits, heights = ziggurat()
    for layer in LAYERS:
        for sign in (0, 1):
            number, _ = normal_of(word(layer, 1, sign), LOWEST)
            assert number == widths[layer + 256 * sign]
        if limits[layer]:
            assert normal_of(word(layer, int(limits[layer]) - 1), 0, 0)[1] == 1
        assert normal_of(word(layer, int(limits[layer])), 2**63, 2**63)[1] > 1
    x = widths[:256] * 2.0**52
    assert heights[0] == 1
    np.testing.assert_array_max_ulp(heights[1:], np.exp(-0.5 * x[1:] ** 2), maxulp=64)
