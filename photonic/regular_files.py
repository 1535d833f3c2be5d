"""Opening of files that users name: regular files alone, and no more of them than a bound.

A pipe would be waited for without end and a device such as /dev/zero has none, also behind a link.
``models.regular_files`` does the same for the other half of the package.
"""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path


def open_regular(path: str | Path) -> BufferedReader:
    """A regular file, or one that a link leads to, opened for reading bytes.

    Raises:
        OSError: if there is no such file, or it is a folder, a pipe, a socket or a device.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        reason = "is a directory" if stat.S_ISDIR(mode) else "not a regular file"
        raise OSError(errno.EINVAL, reason, str(path))
    return os.fdopen(descriptor, "rb")


def read_regular(path: str | Path, limit: int) -> bytes:
    """The bytes of a regular file of bounded size.

    Raises:
        OSError: as ``open_regular``, or if the file is larger than ``limit`` bytes.
    """
    with open_regular(path) as file:
        # As much as there is: reading up to the limit would reserve the limit.
        size = os.fstat(file.fileno()).st_size
        data = file.read(size + 1) if size <= limit else b""
    if size > limit or len(data) > limit:
        raise OSError(errno.EFBIG, f"larger than {limit:,} bytes", str(path))
    return data
