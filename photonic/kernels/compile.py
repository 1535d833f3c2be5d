"""How kernels are compiled: once, without the interpreter lock, kept on disk.

Machine code is kept by numba beside the sources or in the user's cache directory. numba notices a
change of the file that holds a kernel, but not of the functions the kernel calls in other files;
here the stamp covers all sources of the package, so that old code never runs.
"""

import contextlib
import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numba

_EXACT = {"nogil": True, "error_model": "numpy"}
_OPTIONS = {**_EXACT, "fastmath": {"contract"}}
"""Multiplication and addition may fuse; nothing else of the arithmetic is relaxed."""


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Entry point called from Python: compiled for each type of arguments at its first call."""
    return _cached(numba.njit(**_OPTIONS)(function))


def exact_kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Entry point whose every operation rounds, as in numpy: the same bits on every machine."""
    return _cached(numba.njit(**_EXACT)(function))


def _cached(dispatcher: Any) -> Any:
    """The dispatcher, its machine code kept on disk."""
    # RuntimeError: no directory can be written, so every process compiles anew. AttributeError: a
    # release of numba without this inner part, which keeps its own rule.
    with contextlib.suppress(RuntimeError, AttributeError):
        dispatcher.enable_caching()
        file = dispatcher._cache._cache_file
        file._source_stamp = (file._source_stamp, source_digest())
    return dispatcher


def device(function: Callable[..., Any]) -> Callable[..., Any]:
    """Part of kernels, inlined into them."""
    return numba.njit(forceinline=True, **_OPTIONS)(function)


def exact_device(function: Callable[..., Any]) -> Callable[..., Any]:
    """Part of exact kernels, inlined into them."""
    return numba.njit(forceinline=True, **_EXACT)(function)


def exact_routine(function: Callable[..., Any]) -> Callable[..., Any]:
    """Part of exact kernels that is called, because it is long and used in several places."""
    return numba.njit(**_EXACT)(function)


@lru_cache(maxsize=1)
def source_digest() -> str:
    """SHA-256 of the sources of this package."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
