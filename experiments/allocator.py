"""The allocator of C, told to keep what is freed for the next tensor."""

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's ``mallopt``."""
_KEPT_BYTES = 2**30


def keep_freed_memory() -> bool:
    """Keep freed blocks of up to a gigabyte, once for the process.

    glibc gives blocks beyond 32 MB back to the system at once. A pass over a few hundred crystals
    has dozens of them, and every page costs a fault when the next pass touches it anew: two fifths
    of the time. The peak of the memory stays what it was.

    Returns:
        True if the allocator took it; False for others than glibc.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return all(mallopt(name, _KEPT_BYTES) for name in (_MMAP_THRESHOLD, _TRIM_THRESHOLD))
