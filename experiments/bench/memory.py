"""Peak memory of a call, from the kernel's own books; Linux only."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def peak_growth_bytes(function: Callable[[], object], release: Callable[[], object]) -> int | None:
    """How far the resident memory of the process rises above its level before a call.

    Args:
        function: called once before, so that code and pools are there already.
        release: drops what the function has left behind.

    Returns:
        Bytes; None where the system keeps no such books.
    """
    function()
    release()
    try:
        ctypes.CDLL(None).malloc_trim(0)  # freed pages would be used again without being seen
        before = _read("VmRSS")
        _CLEAR.write_text("5")  # the peak starts anew from the present size
        function()
        return max(0, _read("VmHWM") - before)
    except (OSError, AttributeError):
        return None


def _read(name: str) -> int:
    """A figure of the process in bytes."""
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"{name} is not recorded")
