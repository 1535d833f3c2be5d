"""Opening of files that somebody else wrote: no links, no devices, no size but the stated one."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from photonic.chipfile.records import ChipFileError, FileEntry
from photonic.files import open_regular

MAX_MANIFEST_BYTES = 64_000_000
_BLOCK = 1 << 16


def read_small(folder: Path, name: str, limit: int) -> bytes:
    """The bytes of a file.

    Raises:
        ChipFileError: if it is missing, no regular file, or larger than ``limit``.
    """
    try:
        with open_regular(folder / name, is_link_followed=False) as stream:
            size = os.fstat(stream.fileno()).st_size
            is_large = size > limit
            # As much as there is: reading up to the limit would reserve the limit.
            data = b"" if is_large else stream.read(size + 1)
    except OSError as error:
        raise ChipFileError(f"{name}: {error.strerror} (in {folder})") from error
    if is_large or len(data) > limit:
        raise ChipFileError(f"{name}: edited, or too large: more than {limit:,} bytes")
    return data


def read_hashed(folder: Path, file: FileEntry) -> bytes:
    """The bytes of a file of the manifest.

    Raises:
        ChipFileError: if it is missing, no regular file, or not the one of the manifest.
    """
    data = read_small(folder, file.path, file.num_bytes)
    if len(data) != file.num_bytes or hashlib.sha256(data).hexdigest() != file.sha256:
        raise ChipFileError(f"{file.path}: edited or truncated: its SHA-256 differs")
    return data


def check_hashed(folder: Path, file: FileEntry) -> None:
    """Check a file of the manifest without holding it in memory; errors as ``read_hashed``."""
    digest, size = hashlib.sha256(), 0
    try:
        with open_regular(folder / file.path, is_link_followed=False) as stream:
            # A sparse file of terabytes is not read to its end.
            while size <= file.num_bytes and (block := stream.read(_BLOCK)):
                digest.update(block)
                size += len(block)
    except OSError as error:
        raise ChipFileError(f"{file.path}: {error.strerror} (in {folder})") from error
    if size != file.num_bytes or digest.hexdigest() != file.sha256:
        raise ChipFileError(f"{file.path}: edited or truncated: its SHA-256 differs")


def parse_object(
    data: bytes, file: str, *, max_objects: int, max_lists: int, max_items: int
) -> Any:
    """The JSON object of a file.

    Objects, lists and commas are counted before anything is built, so that a short text cannot
    become large in memory.

    Raises:
        ChipFileError: if the text is no JSON object, or holds more than the limits.
    """
    counts = ((b"{", max_objects), (b"[", max_lists), (b",", max_items))
    if any(data.count(mark) > limit for mark, limit in counts):
        raise ChipFileError(f"{file}: holds more values than it should")
    try:
        # The parser of the standard library: others build a second tree of 12 times the text.
        raw = json.loads(
            data.decode("utf-8"), parse_constant=_refuse_constant, object_pairs_hook=_once
        )
    except (ValueError, RecursionError) as error:
        raise ChipFileError(f"{file}: not valid JSON: {str(error).splitlines()[0]}") from error
    if not isinstance(raw, dict):
        raise ChipFileError(f"{file}: must be a JSON object")
    return raw


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys differ; of equal ones other readers may take another."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key occurs twice")
    return found


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is no number")
