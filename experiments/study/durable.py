"""What a study keeps when the machine stops: files on the disk in time."""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path

SYNC_S = 5.0
"""[s] of finished blocks that a machine that stops may lose, at most, while the disk keeps up."""
_LARGEST_SHARE = 0.05
"""Of the time that may be spent on waiting for the disk."""


class PeriodicSync:
    """Puts a file system on the disk now and then, in at most a twentieth of the time.

    One call for all files of the last seconds takes as long as one for a single file.

    Args:
        path: of an existing file or directory in it.
        interval_s: [s] from one time to the next, at least.
    """

    def __init__(self, path: Path, interval_s: float = SYNC_S) -> None:
        self._path, self._interval_s = path, interval_s
        self._due = time.monotonic() + interval_s

    def if_due(self) -> None:
        """Synchronise if the last time is long enough ago.

        Raises:
            OSError: if the disk refuses something that was written.
        """
        if time.monotonic() >= self._due:
            self.now()

    def now(self) -> None:
        """Synchronise at once.

        Raises:
            OSError: as ``if_due``.
        """
        start = time.monotonic()
        sync_file_system(self._path)
        end = time.monotonic()
        self._due = end + max(self._interval_s, (end - start) / _LARGEST_SHARE)


def sync_file_system(path: Path) -> None:
    """Put all that was written to the file system of a path on its disk.

    Where the C library has no ``syncfs``, all file systems.

    Raises:
        OSError: if the disk refuses it.
    """
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "syncfs"):
        os.sync()
        return
    file = os.open(path, os.O_RDONLY)
    try:
        if library.syncfs(file):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(path))
    finally:
        os.close(file)
