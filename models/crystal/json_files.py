"""JSON files of the user, plain, gzipped or zipped, read record by record where they are long."""

from __future__ import annotations

import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from models.crystal.found import reason_of
from models.crystal.packed import unpacked
from models.datasets.load import DatasetError
from models.files import open_regular

MAX_BYTES = 8_000_000_000
"""Of a file that is read as a whole."""
_CHUNK = 1 << 18
_MAX_RECORD = 1 << 25
"""Characters after which a record without an end is taken for damage."""
_BLANKS = re.compile(r"[ \t\n\r]*")
_DAMAGE = (
    OSError,
    EOFError,
    ValueError,  # bad JSON, bad UTF-8
    RuntimeError,  # encrypted archives, brackets nested too deeply
    MemoryError,
    zlib.error,
    zipfile.BadZipFile,
    NotImplementedError,  # an unusual compression
)


@contextmanager
def open_json(path: Path) -> Iterator[TextIO]:
    """The text of a ``.json``, ``.json.gz`` or ``.json.zip`` file; the content decides which.

    Raises:
        DatasetError: if there is no such file, it is a pickle, or it proves to be damaged.
    """
    try:
        with open_regular(path) as file:
            refuse_pickle(path, file.peek(2))
            with unpacked(file) as stream:
                yield io.TextIOWrapper(stream, encoding="utf-8-sig")
    except FileNotFoundError:
        raise DatasetError(f"{path}: no such file") from None
    except DatasetError as error:
        raise DatasetError(f"{path}: {error}") from None
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise DatasetError(f"{path}: {error.strerror}") from None
        raise DatasetError(
            f"{path}: not readable JSON, perhaps a broken download ({reason_of(error)})"
        ) from None


def refuse_pickle(path: Path, start: bytes) -> None:
    """Refuse a file that runs code when it is opened, and say how to convert it.

    Args:
        path: the file.
        start: its first bytes, two at least if it has them.

    Raises:
        DatasetError: if the name or the first bytes are those of a pickle.
    """
    is_pickle = len(start) >= 2 and start[0] == 0x80 and 2 <= start[1] <= 5
    if is_pickle or {".pkl", ".pickle", ".pk"} & set(path.suffixes):
        raise DatasetError(
            "a pickle can run any code when it is opened, so it is not; convert it where you trust "
            "it: python -c \"import json, pickle; json.dump(pickle.load(open('in.pkl', 'rb')), "
            "open('out.json', 'w'), default=float)\""
        )


def read_json(path: Path) -> Any:
    """The whole content of a JSON file.

    Raises:
        DatasetError: if it cannot be read.
    """
    with open_json(path) as stream:
        if path.stat().st_size > MAX_BYTES:
            raise DatasetError(f"larger than {MAX_BYTES:,} bytes")
        return json.load(stream)


def iter_json(path: Path) -> Iterator[Any]:
    """The records of a JSON list or of JSON lines, one after the other.

    Memory holds one record at a time, so that files of gigabytes can be read; a file with one
    object is one record.

    Raises:
        DatasetError: if the file cannot be read, ends early, or holds no list, object or text.
    """
    with open_json(path) as stream:
        text = stream.read(_CHUNK)
        while text.isspace():
            text = stream.read(_CHUNK)
        text = text.lstrip()
        if text[:1] == "[":
            yield from _records(stream, text[1:], is_list=True)
        elif text[:1] in ("{", '"'):
            yield from _records(stream, text, is_list=False)
        else:
            raise DatasetError("neither a JSON list nor an object")


def _records(stream: TextIO, text: str, *, is_list: bool) -> Iterator[Any]:
    """Items of a list whose opening bracket has been read, or values one after the other."""
    decoder = json.JSONDecoder()
    position, wanted, is_first, is_read = 0, _CHUNK, True, False
    while True:
        start = _skip_blanks(text, position)
        if is_list and is_first and text[start : start + 1] == "]":
            return
        if not is_list and is_read and start == len(text):
            return
        found = _decode(decoder, text, start, is_list=is_list, is_read=is_read)
        if found is None:
            more = stream.read(wanted)
            is_read = not more
            if (is_read and is_list) or len(text) - start > _MAX_RECORD:
                what = "list" if is_list else "object"
                raise DatasetError(f"the {what} has no end: truncated, damaged or too long")
            # A record longer than the text at hand is decoded anew: doubling keeps that cheap.
            text, position = text[start:] + more, 0
            wanted = max(_CHUNK, len(text))
            continue
        value, position = found
        yield value
        if is_list and text[position - 1] == "]":
            return
        is_first = False


def _decode(
    decoder: json.JSONDecoder, text: str, start: int, *, is_list: bool, is_read: bool
) -> tuple[Any, int] | None:
    """A value and where the next one may start; None if more text is needed.

    Raises:
        DatasetError: if a comma is missing.
        ValueError: if all has been read and it is no JSON.
    """
    try:
        value, end = decoder.raw_decode(text, start)
    except json.JSONDecodeError:
        if is_read and not is_list:
            raise
        return None
    behind = end
    end = _skip_blanks(text, end)
    if not is_list:
        if end == len(text) and not is_read:  # a line may go on
            return None
        if end < len(text) and "\n" not in text[behind:end]:
            raise DatasetError(f"a new line is missing before {text[end : end + 20]!r}")
        return value, end
    if end == len(text):  # a number may go on
        return None
    if text[end] not in ",]":
        raise DatasetError(f"a comma is missing before {text[end : end + 20]!r}")
    return value, end + 1


def _skip_blanks(text: str, position: int) -> int:
    match = _BLANKS.match(text, position)
    return match.end() if match else position
