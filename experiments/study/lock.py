"""One process writes into a study directory at a time; the lock of a dead process is taken over."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK_FILE = "lock"


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the lock of a directory.

    The system lets go of the lock when its holder dies, however that happens, so a file that is
    left behind locks nothing.

    Raises:
        FileExistsError: if another process holds it; the message has its host and number.
        OSError: if the file cannot be written.
    """
    path = directory / LOCK_FILE
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(file, 1000).decode(errors="replace").strip()
            raise FileExistsError(f"{directory} is being written by {holder}") from None
        os.ftruncate(file, 0)
        os.write(file, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        yield
    finally:
        os.close(file)
