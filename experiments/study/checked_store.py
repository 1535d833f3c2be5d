"""Files of a study's store as zarr reads them: no links, known metadata, chunks that are whole."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import struct
import zlib
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

from numcodecs import Blosc
from zarr.abc.store import ByteRequest
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype
from zarr.storage import LocalStore

from experiments.study.description import StudyError
from experiments.study.store_format import (
    MAX_METADATA_BYTES,
    ArrayMetadata,
    Consolidated,
    StoreAttributes,
    StoreLayout,
    parse_document,
)
from experiments.study.strict import StrictModel

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_METADATA = (".zgroup", ".zarray", ".zattrs", ".zmetadata")
_OTHER_FORMAT = "zarr.json"
_BLOSC_HEADER = struct.Struct("<4xIII")
"""Bytes of the numbers, of a block, and of all that is stored."""
_CRC = struct.Struct("<I")


class CheckedStore(LocalStore):
    """The store of a study, of which zarr gets nothing that was not checked.

    Args:
        root: directory of the arrays.
        read_only: then a chunk that should be there must be.
    """

    @cached_property
    def layout(self) -> StoreLayout:
        """The arrays.

        Raises:
            StudyError: if they are not those of a study, or the metadata contradict each other.
        """
        everything = self._document(".zmetadata")
        assert isinstance(everything, Consolidated)
        try:
            inside = everything.documents()
        except StudyError as error:
            raise StudyError(f"{self.root}/.zmetadata: {error}") from None
        documents = {key: self._document(key) for key in inside}
        for key, found in documents.items():
            if _lasting(found) != _lasting(inside[key]):
                raise StudyError(f"{self.root}: .zmetadata and {key} contradict each other")
            if os.path.lexists(self.root / Path(key).with_name(_OTHER_FORMAT)):
                raise StudyError(f"{self.root}: holds metadata of zarr's format 3")
        try:
            return StoreLayout(documents)
        except StudyError as error:
            raise StudyError(f"{self.root}: {error}") from None

    def _document(self, key: str) -> StrictModel:
        data = self._read_metadata(key)
        if data is None:
            raise StudyError(f"{self.root}: not readable ({key} is missing)")
        return parse_document(key, data)

    def _read_metadata(self, key: str) -> bytes | None:
        data = read_within(self.root, key, MAX_METADATA_BYTES)
        if data is None:
            return None
        if len(data) > MAX_METADATA_BYTES:
            raise StudyError(f"{self.root / key}: larger than {MAX_METADATA_BYTES:,} bytes")
        try:
            parse_document(key, data)
        except StudyError as error:
            raise StudyError(f"{self.root}/{error}") from None
        return data

    def fault(self, key: str) -> str | None:
        """What is wrong with a chunk, in a few words; None for nothing.

        Args:
            key: ``NAME/0/0``, without a number along crystals ``NAME/0``.

        Raises:
            StudyError: if a link is in its place.
        """
        data, fault = self._chunk(key)
        return "missing" if data is None else fault

    def _chunk(self, key: str) -> tuple[bytes | None, str | None]:
        """Content of a chunk, None if it is not there, and what is wrong with it."""
        array = self.layout.arrays.get(key.partition("/")[0])
        if array is None:
            raise StudyError(f"{self.root / key}: chunk of an unknown array")
        limit = array.chunk_bytes + (_CRC if array.has_checksums else _BLOSC_HEADER).size
        data = read_within(self.root, key, limit)
        return data, None if data is None else _fault(data, array)

    def _read(self, key: str) -> bytes | None:
        """Content of a file; None if it is not there."""
        if key.rpartition("/")[2] in _METADATA:
            return self._read_metadata(key)
        if key.endswith(_OTHER_FORMAT):
            return None
        data, fault = self._chunk(key)
        if data is None and self.read_only and self._must_exist(key):
            fault = "missing"
        if fault is not None:
            again = "; --resume evaluates it again" if self.layout.has_checksums else ""
            raise StudyError(f"{self.root / key} is broken ({fault}){again}")
        return data

    def _must_exist(self, key: str) -> bool:
        """Whether a chunk belongs to an evaluated block, or to an array that tasks do not fill."""
        name, *indices = key.split("/")
        if not self.layout.has_checksums:
            return False
        if len(self.layout.arrays[name].shape) == 1:
            return True
        point, block = map(int, indices[:2])
        if block < self.layout.needed_blocks(point):
            return True
        return name != "mae" and os.path.lexists(self.root / "mae" / indices[0] / indices[1])

    def get_sync(
        self,
        key: str,
        *,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """As of ``LocalStore``; whole files only."""
        assert byte_range is None
        data = self._read(key)
        buffer = (prototype or default_buffer_prototype()).buffer
        return None if data is None else buffer.from_bytes(data)

    async def get(
        self,
        key: str,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """As of ``LocalStore``; whole files only."""
        return await asyncio.to_thread(
            self.get_sync, key, prototype=prototype, byte_range=byte_range
        )

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """As of ``LocalStore``; whole files only."""
        return [await self.get(key, prototype, part) for key, part in key_ranges]


def _lasting(document: StrictModel) -> StrictModel:
    """Metadata without what changes when a study becomes complete."""
    if isinstance(document, StoreAttributes):
        return document.model_copy(update={"is_complete": 0, "num_chips": None})
    return document


def _fault(data: bytes, array: ArrayMetadata) -> str | None:
    """What is wrong with the content of a chunk."""
    if array.has_checksums:
        if len(data) != _CRC.size + array.chunk_bytes:
            return "its length is wrong"
        is_whole = _CRC.unpack_from(data)[0] == zlib.crc32(memoryview(data)[_CRC.size :])
        return None if is_whole else "the checksum does not fit"
    if len(data) < _BLOSC_HEADER.size:
        return "its length is wrong"
    numbers, _, stored = _BLOSC_HEADER.unpack_from(data)
    if (numbers, stored) != (array.chunk_bytes, len(data)):
        return "its length is wrong"
    try:
        decoded = Blosc().decode(data)
    except (RuntimeError, ValueError):
        return "cannot be decoded"
    return None if len(decoded) == array.chunk_bytes else "its length is wrong"


def read_within(root: Path, key: str, limit: int) -> bytes | None:
    """Content of a file in a directory, to which no link leads; None if it is not there.

    Args:
        root: directory; itself no link.
        key: path in it, with slashes.
        limit: bytes; of a larger file one more is returned.

    Raises:
        StudyError: if there is a link or anything else that is no file.
    """
    *folders, name = key.split("/")
    opened: list[int] = []
    try:
        for folder in (root, *folders):
            if folder in ("", "..", "."):
                raise StudyError(f"{root / key}: leads elsewhere")
            opened.append(os.open(folder, _FOLDER, dir_fd=opened[-1] if opened else None))
        opened.append(os.open(name, _FILE, dir_fd=opened[-1]))
        if not stat.S_ISREG(os.fstat(opened[-1]).st_mode):
            raise StudyError(f"{root / key}: no file")
        with open(opened[-1], "rb", closefd=False) as file:
            data = file.read(limit + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise StudyError(f"{root / key}: a link, or no file; nothing was read") from None
        raise
    finally:
        for descriptor in opened:
            os.close(descriptor)
    return data


def refuse_links(root: Path) -> None:
    """Refuse a directory with anything but files and directories in it.

    What is written into one with links may end up elsewhere.

    Raises:
        StudyError: with the first link, or the first thing that is no file.
        OSError: if it cannot be listed.
    """
    for path in _tree(root):
        mode = path.lstat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            kind = "a link" if stat.S_ISLNK(mode) else "no file"
            raise StudyError(f"{path}: {kind}; nothing was read or written")


def _tree(root: Path) -> Iterator[Path]:
    """A directory and all that is in it; links are not followed."""
    yield root
    for folder, folders, names in os.walk(root, onerror=_raise):
        for name in (*folders, *names):
            yield Path(folder, name)


def _raise(error: OSError) -> None:
    raise error
