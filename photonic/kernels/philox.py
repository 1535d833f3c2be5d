"""The counter-based generator Philox 4x64-10, block by block, word for word as numpy's.

Source: Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC (2011).
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from photonic.kernels.compile import exact_device

_FIRST, _SECOND = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
"""Multipliers."""
_STEP, _OTHER_STEP = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B)
"""What the two words of the key grow by from round to round."""
_ROUNDS = 10
_ZERO = np.uint64(0)


@intrinsic
def _multiply(typingctx, left, right):
    """High and low word of the product of two words."""
    pair = types.UniTuple(types.uint64, 2)

    def codegen(context, builder, sig, args):
        wide = ir.IntType(128)
        product = builder.mul(*(builder.zext(arg, wide) for arg in args))
        high = builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), args[0].type)
        low = builder.trunc(product, args[0].type)
        return context.make_tuple(builder, sig.return_type, (high, low))

    return pair(types.uint64, types.uint64), codegen


@exact_device
def philox_block(number: Any, key: Any, other: Any) -> Any:
    """Four words: block ``number`` of the stream of a key of two words; numpy begins with 1."""
    a, b, c, d = number, _ZERO, _ZERO, _ZERO
    for _ in range(_ROUNDS):
        high, low = _multiply(_FIRST, a)
        other_high, other_low = _multiply(_SECOND, c)
        a, b, c, d = other_high ^ b ^ key, other_low, high ^ d ^ other, low
        key += _STEP
        other += _OTHER_STEP
    return a, b, c, d
