"""Files read with a size limit, and written whole without replacing other files.

Files and folders appear under their names only when complete. Everything is written under a random
name beside its target first. That name is created anew, so that no link is followed, and is held by
a lock that the system lets go when the process ends, however that happens: what a killed process
left is thus told from what another one is writing, and the next process that writes to the same
target removes it.

``photonic`` and ``models`` import nothing of each other: both have this file, word for word.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has other locks; what killed processes left stays there
    fcntl = None  # type: ignore[assignment]

PARTIAL = ".partial-"
"""Between the name of a target and 16 random digits, while it is being written."""
_PARTIAL_NAME = re.compile(r"(.+)\.partial-[0-9a-f]{16}", re.DOTALL)
_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_AT_FDCWD, _RENAME_NOREPLACE = -100, 1
"""Constants of Linux's ``renameat2``."""


def refuse_existing(path: Path) -> None:
    """Refuse a name that is taken, be it by a link that leads nowhere.

    Raises:
        FileExistsError: if something has the name.
    """
    if os.path.lexists(path):
        raise FileExistsError(f"{path} exists; nothing was overwritten")


def refuse_link(path: Path) -> None:
    """Refuse a link, which may lead anywhere.

    Raises:
        FileExistsError: if ``path`` is one.
    """
    if path.is_symlink():
        raise FileExistsError(f"{path} is a link; nothing is written through links")


def open_regular(path: str | Path, *, is_link_followed: bool = True) -> BufferedReader:
    """A regular file that a user names, opened for reading bytes.

    A pipe would be waited for without end and a device such as /dev/zero has none, also behind a
    link.

    Args:
        path: of the file.
        is_link_followed: open what a link leads to, too.

    Raises:
        OSError: if there is no such file, or it is a folder, a pipe, a socket, a device or a link
            that is not followed.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if not is_link_followed:
        flags |= _FLAGS
    descriptor = os.open(path, flags)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        reason = "is a directory" if stat.S_ISDIR(mode) else "not a regular file"
        raise OSError(errno.EINVAL, reason, str(path))
    return os.fdopen(descriptor, "rb")


def read_regular(path: str | Path, limit: int, *, is_link_followed: bool = True) -> bytes:
    """The bytes of a regular file of bounded size.

    Raises:
        OSError: as ``open_regular``, or if the file is larger than ``limit`` bytes.
    """
    with open_regular(path, is_link_followed=is_link_followed) as file:
        # As much as there is: reading up to the limit would reserve the limit.
        size = os.fstat(file.fileno()).st_size
        data = file.read(size + 1) if size <= limit else b""
    if size > limit or len(data) > limit:
        raise OSError(errno.EFBIG, f"larger than {limit:,} bytes", str(path))
    return data


def create_file(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a file of a folder that ``new_folder`` made, onto the disk.

    Raises:
        FileExistsError: if something has the name.
        OSError: naming the file, if it cannot be written.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, 0o666)
    _fill(descriptor, chunks, path, closes=True)


def write_new(path: Path, data: bytes) -> None:
    """Write a file that does not exist yet; its parents are created too.

    Raises:
        FileExistsError: if something has the name, before or when the file is complete.
        OSError: naming the file, if it cannot be written.
    """
    refuse_existing(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path)
    with _partial(path, is_folder=False) as (partial, descriptor):
        _fill(descriptor, [data], path)
        rename_new(partial, path)


def write_atomic(path: Path, data: bytes) -> None:
    """Write or replace a file of this program; readers see old or new content, never a part.

    Raises:
        FileExistsError: if ``path`` is a link.
        OSError: naming the file, if it cannot be written.
    """
    refuse_link(path)
    with _partial(path, is_folder=False) as (partial, descriptor):
        _fill(descriptor, [data], path)
        os.replace(partial, path)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which gets its name at the end, or is removed after an exception.

    Args:
        path: must not exist; its parents are created too.

    Yields:
        The folder under another name.

    Raises:
        FileExistsError: if something has the name, before or when the folder is complete, or
            another process is filling a folder for it.
    """
    refuse_existing(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if remove_leftovers(path):
        raise FileExistsError(f"{path} is being written by another process")
    with _partial(path, is_folder=True) as (partial, _):
        yield partial
        rename_new(partial, path)


def remove_leftovers(path: Path) -> bool:
    """Remove what killed processes left when they wrote to a target.

    Returns:
        True if a living process is writing to it.
    """
    is_being_written = False
    for name in os.listdir(path.parent):
        if target_name(name) == path.name and not remove_if_abandoned(path.with_name(name)):
            is_being_written = True
    return is_being_written


def target_name(name: str) -> str | None:
    """Name of the target of a partial file or folder; None if this is no name of one."""
    match = _PARTIAL_NAME.fullmatch(name)
    return match[1] if match else None


def remove_if_abandoned(path: Path) -> bool:
    """Remove a partial file or folder that no living process holds; False if one does."""
    if fcntl is None:
        return True
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | _FLAGS)
    except OSError:  # a link, of somebody else, or gone
        return True
    try:
        status = os.fstat(descriptor)
        is_folder = stat.S_ISDIR(status.st_mode)
        if status.st_uid != os.geteuid() or not (is_folder or stat.S_ISREG(status.st_mode)):
            return True
        is_free = _lock(descriptor)
        if is_free:
            _remove(path, is_folder=is_folder)
        return is_free is not False
    finally:
        os.close(descriptor)


def rename_new(source: Path, target: Path) -> None:
    """Give a finished file or folder its name, which must be free.

    Raises:
        FileExistsError: if something has the name.
    """
    try:
        _rename(source, target)
    except FileExistsError:
        raise FileExistsError(f"{target} exists; nothing was overwritten") from None
    _sync_folder(target.parent)


def _rename(source: Path, target: Path) -> None:
    if os.name == "nt":
        os.rename(source, target)  # replaces nothing there
        return
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is not None:
        names = os.fsencode(source), os.fsencode(target)
        if not renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_NOREPLACE):
            return
        number = ctypes.get_errno()
        if number not in (errno.ENOSYS, errno.EINVAL):
            raise OSError(number, os.strerror(number), str(target))
    # Other systems and file systems: an empty one of our own holds the place first.
    if source.is_dir():
        target.mkdir()
    else:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS))
    os.replace(source, target)


@contextmanager
def _partial(path: Path, *, is_folder: bool) -> Iterator[tuple[Path, int]]:
    """A new file or folder beside ``path`` and its descriptor; removed after an exception."""
    partial, descriptor = _created(path, is_folder=is_folder)
    try:
        yield partial, descriptor
    except BaseException:
        _remove(partial, is_folder=is_folder)
        raise
    finally:
        if fcntl is not None:
            os.close(descriptor)


def _created(path: Path, *, is_folder: bool) -> tuple[Path, int]:
    while True:
        partial = path.with_name(f"{path.name}{PARTIAL}{secrets.token_hex(8)}")
        flags = os.O_RDONLY if is_folder else os.O_WRONLY | os.O_CREAT | os.O_EXCL
        if is_folder:
            partial.mkdir()
            if fcntl is None:
                return partial, -1
        descriptor = os.open(partial, flags | _FLAGS, 0o666)
        if _lock(descriptor) is not False and os.fstat(descriptor).st_nlink:
            return partial, descriptor
        os.close(descriptor)  # another process took it for a leftover before it was locked


def _lock(descriptor: int) -> bool | None:
    """True if the lock is now ours, False if another process has it, None without locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # file systems without locks
        return None
    return True


def _fill(descriptor: int, chunks: Iterable[bytes], path: Path, *, closes: bool = False) -> None:
    try:
        # Without locks nothing is lost by closing it, and Windows renames no open file.
        with open(descriptor, "wb", closefd=closes or fcntl is None) as stream:
            for chunk in chunks:
                stream.write(chunk)
            stream.flush()
            os.fsync(descriptor)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(error.errno, f"{path} cannot be written ({reason})") from error


def _remove(path: Path, *, is_folder: bool) -> None:
    if is_folder:
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Put names on the disk, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
