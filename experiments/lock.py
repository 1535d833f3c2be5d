"""One process writes into a directory at a time; the lock of a dead process is taken over."""

from __future__ import annotations

import errno
import os
import re
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: nothing is locked there
    fcntl = None  # type: ignore[assignment]

LOCK_FILE = "lock"
_HOLDER = re.compile(r"process \d+ on \S+")
_HOLDER_BYTES = 200
"""Bytes of the first line, always: it is replaced in one write."""
_MOST_BYTES = 10_000_000
_FLAGS = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"))


@dataclass(frozen=True)
class Lock:
    """The lock file of a directory, held by this process: who holds it, and what for."""

    directory: Path

    @property
    def settings(self) -> str:
        """What the directory was begun with; empty if that was never kept."""
        return kept_settings(self.directory)

    def keep(self, settings: str) -> None:
        """Keep what the directory is begun with, on the disk."""
        descriptor = _open(self.directory / LOCK_FILE, os.O_RDWR)
        try:
            os.ftruncate(descriptor, _HOLDER_BYTES)
            _write(descriptor, settings.encode(), _HOLDER_BYTES)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def locked(directory: Path, patience_s: float = 0.0) -> Iterator[Lock]:
    """Hold the lock of a directory.

    The system lets go of the lock when its holder dies, however that happens, so a file that is
    left behind locks nothing.

    Args:
        directory: that is written.
        patience_s: [s] to wait for a holder that may be about to end.

    Raises:
        FileExistsError: if another process holds it, with its host and number; or the file is a
            link or was not written by this program.
        OSError: if the file cannot be written.
    """
    path = directory / LOCK_FILE
    descriptor = _open(path, os.O_RDWR | os.O_CREAT)
    try:
        if not _acquired(descriptor, patience_s):
            holder = _parts(descriptor)[0]
            raise FileExistsError(f"{directory} is being written by {holder or 'another process'}")
        if not _is_at(path, descriptor):
            raise FileExistsError(f"{directory} has just been finished by another process")
        _sign(path, descriptor)
        if fcntl is None:  # a directory with an open file cannot be renamed there
            os.close(descriptor)
        yield Lock(directory)
    finally:
        if fcntl is not None:
            os.close(descriptor)


def kept_settings(directory: Path) -> str:
    """What a directory was begun with, without its lock; empty if it holds none of ours."""
    try:
        descriptor = _open(directory / LOCK_FILE, os.O_RDONLY)
    except OSError:
        return ""
    try:
        return _parts(descriptor)[1]
    finally:
        os.close(descriptor)


def _open(path: Path, flags: int) -> int:
    """A descriptor of a lock file of this program, new or known."""
    foreign = f"{path} is a link or not a lock of this program; nothing was overwritten"
    try:
        descriptor = os.open(path, flags | _FLAGS, 0o644)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise FileExistsError(foreign) from None
        raise
    status = os.fstat(descriptor)
    is_plain = stat.S_ISREG(status.st_mode) and status.st_nlink <= 1
    if not is_plain or (status.st_size and not _HOLDER.fullmatch(_parts(descriptor)[0])):
        os.close(descriptor)
        raise FileExistsError(foreign)
    return descriptor


def _parts(descriptor: int) -> tuple[str, str]:
    """Holder and settings."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    text = os.read(descriptor, _MOST_BYTES).decode(errors="replace")
    holder, _, settings = text.partition("\n")
    return holder.rstrip(), settings


def _sign(path: Path, descriptor: int) -> None:
    """Write who holds the lock; a new file that cannot take it is removed."""
    is_new = not os.fstat(descriptor).st_size
    holder = f"process {os.getpid()} on {socket.gethostname()}".encode()[: _HOLDER_BYTES - 1]
    try:
        _write(descriptor, holder.ljust(_HOLDER_BYTES - 1) + b"\n", 0)
    except OSError as error:
        if is_new:
            path.unlink()
        reason = error.strerror or str(error)
        raise OSError(error.errno, f"{path} cannot be written ({reason})") from error


def _write(descriptor: int, data: bytes, place: int) -> None:
    """All of it: a full disk takes a part first and refuses the rest."""
    os.lseek(descriptor, place, os.SEEK_SET)
    while data:
        data = data[os.write(descriptor, data) :]


def _acquired(descriptor: int, patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while fcntl is not None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.02)
        else:
            return True
    return True


def _is_at(path: Path, descriptor: int) -> bool:
    """True if the open file still has its name."""
    try:
        named = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(named, os.fstat(descriptor))
