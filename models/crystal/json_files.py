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
    """The records of a JSON list, one after the other; a file with one object is one record.

    Memory holds one record of a list at a time, so that files of gigabytes can be read.

    Raises:
        DatasetError: if the file cannot be read, ends early, or holds neither list nor object.
    """
    with open_json(path) as stream:
        text = stream.read(_CHUNK)
        while text.isspace():
            text = stream.read(_CHUNK)
        text = text.lstrip()
        if text[:1] == "[":
            yield from _list_items(stream, text[1:])
        elif text[:1] == "{":
            text += stream.read(_MAX_RECORD)
            if stream.read(1):
                raise DatasetError(f"an object of more than {_MAX_RECORD:,} characters")
            yield json.loads(text)
        else:
            raise DatasetError("neither a JSON list nor an object")


def _list_items(stream: TextIO, text: str) -> Iterator[Any]:
    """Items of a list; ``text`` is what has been read behind its opening bracket."""
    decoder = json.JSONDecoder()
    position, wanted, is_empty = 0, _CHUNK, True
    while True:
        start = _skip_blanks(text, position)
        if is_empty and text[start : start + 1] == "]":
            return
        found = _decode(decoder, text, start)
        if found is None:
            more = stream.read(wanted)
            if not more or len(text) - start > _MAX_RECORD:
                raise DatasetError("the list has no end: truncated or damaged")
            # A record longer than the text at hand is decoded anew: doubling keeps that cheap.
            text, position = text[start:] + more, 0
            wanted = max(_CHUNK, len(text))
            continue
        value, end = found
        yield value
        if text[end] == "]":
            return
        position, is_empty = end + 1, False


def _decode(decoder: json.JSONDecoder, text: str, start: int) -> tuple[Any, int] | None:
    """A value and where its comma or bracket stands; None if more text is needed."""
    try:
        value, end = decoder.raw_decode(text, start)
    except json.JSONDecodeError:
        return None
    end = _skip_blanks(text, end)
    if end == len(text):  # a number may go on
        return None
    if text[end] not in ",]":
        raise DatasetError(f"a comma is missing before {text[end : end + 20]!r}")
    return value, end


def _skip_blanks(text: str, position: int) -> int:
    match = _BLANKS.match(text, position)
    return match.end() if match else position
