"""Scratch memory of kernels, aligned to vectors: loads across cache lines are slow."""

from typing import Any

import numpy as np

from photonic.kernels.compile import device
from photonic.kernels.simd import VECTOR_BYTES, load, store


@device
def zeros(size: int, like: Any) -> Any:
    """``size`` zeros of the dtype of an array, from an address that is a multiple of 64 bytes."""
    memory = np.zeros(size + VECTOR_BYTES // like.itemsize, like.dtype)
    start = (-memory.ctypes.data) % VECTOR_BYTES // like.itemsize
    return memory[start : start + size]


@device
def copy(target: Any, at: int, source: Any, start: int, count: int, lanes: int) -> None:
    """target[at : at + count] = source[start : start + count]."""
    whole = count // lanes * lanes
    k = 0
    while k < whole:
        store(target, at + k, load(source, start + k))
        k += lanes
    while k < count:
        target[at + k] = source[start + k]
        k += 1
