"""Normal and uniform numbers from keyed streams, bit for bit those of numpy's generators.

Four words of a stream become four normal numbers at once. Where a layer of the ziggurat refuses one
of them, about once in thirty times, the four are gone through one by one.

An index is an unsigned word throughout: numba turns sums of signed and unsigned ones into floats.
"""

import math
from typing import Any

import numpy as np

from photonic.kernels.compile import exact_device, exact_kernel, exact_routine
from photonic.kernels.philox import philox_block
from photonic.kernels.ziggurat import PER_TAIL, TAIL

_POSITION, _BLOCKS = 4, 5
"""A stream is its four last words, which of them is next, and how many blocks were drawn."""
_ZERO, _ONE, _TWO, _THREE, _FOUR = (np.uint64(number) for number in range(5))
_LAYER, _SIGNED_LAYER, _MANTISSA = np.uint64(255), np.uint64(511), np.uint64(2**52 - 1)
_BEHIND_LAYER, _TAIL_SIGN, _EXTRA_BITS = np.uint64(9), np.uint64(17), np.uint64(11)
_PER_WORD = 2.0**-53


@exact_kernel
def fill_normals(keys: Any, bounds: Any, figures: Any, output: Any, tables: Any) -> None:
    """output[bounds[i] : bounds[i + 1]] = mean + std * (standard normal numbers of stream i).

    Args:
        keys: (streams, 2) words.
        bounds: (streams + 1,) words, where the numbers of each stream begin and end.
        figures: mean and std.
        output: (numbers,) float64.
        tables: of ``ziggurat``.
    """
    mean, std = figures
    stream = np.zeros(6, np.uint64)
    for i in range(len(keys)):
        key = keys[i, 0], keys[i, 1]
        o, end, number = bounds[i], bounds[i + 1], _ZERO
        while o < end:
            number += _ONE
            a, b, c, d = philox_block(number, key[0], key[1])
            if o + _FOUR <= end:
                first, is_first = _propose(a, tables)
                second, is_second = _propose(b, tables)
                third, is_third = _propose(c, tables)
                fourth, is_fourth = _propose(d, tables)
                output[o], output[o + _ONE] = mean + std * first, mean + std * second
                output[o + _TWO], output[o + _THREE] = mean + std * third, mean + std * fourth
                if is_first & is_second & is_third & is_fourth:
                    o += _FOUR
                    continue
            stream[0], stream[1], stream[2], stream[3] = a, b, c, d
            stream[_POSITION], stream[_BLOCKS] = _ZERO, number
            while o < end and stream[_POSITION] < _FOUR:
                is_there, value = _decide(stream, key, tables)
                if is_there:
                    output[o] = mean + std * value
                    o += _ONE
            number = stream[_BLOCKS]


@exact_kernel
def fill_uniforms(keys: Any, bounds: Any, figures: Any, output: Any) -> None:
    """output[bounds[i] : bounds[i + 1]] = low + range * (uniform numbers of stream i in [0, 1)).

    Args:
        keys: (streams, 2) words.
        bounds: (streams + 1,) words, as in ``fill_normals``.
        figures: low and range.
        output: (numbers,) float64.
    """
    low, width = figures
    for i in range(len(keys)):
        o, end, number = bounds[i], bounds[i + 1], _ZERO
        while o < end:
            number += _ONE
            for word in philox_block(number, keys[i, 0], keys[i, 1]):
                if o < end:
                    output[o] = low + width * _unit(word)
                    o += _ONE


@exact_device
def _propose(word: Any, tables: Any) -> Any:
    """The number of a word, and whether its layer takes it without a look at the curve."""
    widths, limits, _ = tables
    size = np.int64((word >> _BEHIND_LAYER) & _MANTISSA)
    return size * widths[word & _SIGNED_LAYER], size < limits[word & _LAYER]


@exact_routine
def _decide(stream: Any, key: Any, tables: Any) -> Any:
    """Whether the next word gives a number, and which; where its layer refuses, uses more words."""
    heights = tables[2]
    word = _next_word(stream, key)
    number, is_inside = _propose(word, tables)
    if is_inside:
        return True, number
    layer = word & _LAYER
    if layer == _ZERO:
        while True:
            beyond = -PER_TAIL * math.log1p(-_unit(_next_word(stream, key)))
            height = -math.log1p(-_unit(_next_word(stream, key)))
            if height + height > beyond * beyond:
                number = TAIL + beyond
                return True, -number if (word >> _TAIL_SIGN) & _ONE else number
    low, high = heights[layer], heights[layer - _ONE]
    height = (high - low) * _unit(_next_word(stream, key)) + low
    return height < math.exp(-0.5 * number * number), number


@exact_routine
def _next_word(stream: Any, key: Any) -> Any:
    """The next word of a stream."""
    if stream[_POSITION] == _FOUR:
        stream[_BLOCKS] += _ONE
        block = philox_block(stream[_BLOCKS], key[0], key[1])
        stream[0], stream[1], stream[2], stream[3] = block
        stream[_POSITION] = _ZERO
    stream[_POSITION] += _ONE
    return stream[stream[_POSITION] - _ONE]


@exact_device
def _unit(word: Any) -> Any:
    """A word as a number in [0, 1)."""
    return np.int64(word >> _EXTRA_BITS) * _PER_WORD
