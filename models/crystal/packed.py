"""Plain and packed files of the user as streams whose length is bounded."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from models.datasets.load import DatasetError

MIN_UNPACKED = 1 << 26
"""Bytes that any packed file may hold."""
MAX_RATIO = 50
"""Unpacked over packed size of a larger file, at most; tables of crystals reach 20."""

_OPENERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zX": lzma.open}
"""First bytes of a packed file, and what unpacks it."""


class _Bounded(io.RawIOBase):
    """A stream that refuses to give more than so many bytes."""

    def __init__(self, stream: Any, limit: int) -> None:
        self._stream, self._left, self._limit = stream, limit, limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            raise DatasetError(f"unpacks to more than {self._limit:,} bytes")
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def unpacked(file: io.BufferedReader) -> Iterator[io.BufferedReader]:
    """The content of an open file, unpacked if it starts like one of gzip, bzip2, xz or zip.

    Raises:
        DatasetError: while it is read, if it holds more than ``MIN_UNPACKED`` bytes and
            ``MAX_RATIO`` times its own; at once, if an archive holds other than one .json file.
    """
    limit = max(MIN_UNPACKED, MAX_RATIO * os.fstat(file.fileno()).st_size)
    start = file.peek(4)[:4]
    opener = next((opener for magic, opener in _OPENERS.items() if start.startswith(magic)), None)
    if opener is not None:
        with opener(file) as stream:
            yield io.BufferedReader(_Bounded(stream, limit))
    elif start == b"PK\x03\x04":
        with zipfile.ZipFile(file) as archive:
            names = [n for n in archive.namelist() if n.endswith(".json")]
            if len(names) != 1:
                raise DatasetError(f"the archive must hold one .json file, it holds {len(names)}")
            with archive.open(names[0]) as stream:
                yield io.BufferedReader(_Bounded(stream, limit))
    else:
        yield file
