"""How the loops of this package are compiled: once, without the interpreter lock, kept on disk.

numba notices when the file of a kernel changes, but not when a function changes that the kernel
calls in another file. Every file here that holds kernels is therefore complete in itself.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numba

_OPTIONS = {"nogil": True, "error_model": "numpy"}


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as machine code, made at its first call and kept in numba's cache.

    Arithmetic is strict: no sum is reordered or fused.
    """
    dispatcher = numba.njit(**_OPTIONS)(function)
    # RuntimeError: no directory can be written, so every process compiles anew.
    with contextlib.suppress(RuntimeError):
        dispatcher.enable_caching()
    return dispatcher


def part(function: Callable[..., Any]) -> Callable[..., Any]:
    """Part of compiled functions, which cannot be called from Python: half as long to compile."""
    return numba.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **_OPTIONS)(function)
