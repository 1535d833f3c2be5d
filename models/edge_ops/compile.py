"""How the loops are compiled: once, without the interpreter lock, kept on disk.

numba notices a change of the file that holds a loop, but not of the functions it calls in other
files; here the stamp of kept machine code covers all sources of the package.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numba

_OPTIONS = {"nogil": True, "error_model": "numpy", "fastmath": {"contract", "nsz", "arcp"}}
"""Multiplication and addition may fuse; sums keep their order."""


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Entry point called from Python: compiled for each type of arguments at its first call."""
    dispatcher = numba.njit(**_OPTIONS)(function)
    # RuntimeError: no directory can be written, so every process compiles anew. AttributeError: a
    # release of numba without this inner part, which keeps its own rule.
    with contextlib.suppress(RuntimeError, AttributeError):
        dispatcher.enable_caching()
        file = dispatcher._cache._cache_file
        file._source_stamp = (file._source_stamp, _source_digest())
    return dispatcher


def device(function: Callable[..., Any]) -> Callable[..., Any]:
    """Part of loops, inlined into them."""
    return numba.njit(forceinline=True, **_OPTIONS)(function)


@lru_cache(maxsize=1)
def _source_digest() -> str:
    """SHA-256 of the sources of this package."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
