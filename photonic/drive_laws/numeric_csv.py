"""Reader of CSV tables of numbers with a header, such as measured settings and channel maps."""

from __future__ import annotations

import os
import reprlib
import stat
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

MAX_BYTES = 2_000_000_000
MAX_COLUMNS = 64


class NumericCsvError(ValueError):
    """A table that cannot be used; one line naming file and reason."""


def open_regular(path: Path) -> int:
    """A descriptor of a regular file, opened without following a link at its end.

    Raises:
        OSError: if there is no such file, or it is a link, a folder or a device.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "not a regular file")
    return descriptor


def read_numeric_csv(path: Path, kinds: Mapping[str, type[int] | type[float]]) -> dict[str, Any]:
    """Columns of a CSV file, those that are known; a file may hold further ones.

    Args:
        path: CSV file with a header line.
        kinds: column name to ``int`` or ``float``.

    Returns:
        By name, in the order of ``kinds``, (rows,) int64 or float64, finite; columns that the file
        does not have are left out.

    Raises:
        NumericCsvError: if the file cannot be read, is empty, a column occurs twice, or a cell is
            not a finite number.
    """
    try:
        with os.fdopen(open_regular(path), "rb") as stream:
            if os.fstat(stream.fileno()).st_size > MAX_BYTES:
                raise NumericCsvError(f"{path.name}: larger than {MAX_BYTES:,} bytes")
            header = stream.readline(65_536).decode("utf-8-sig").strip().split(",")
            names = [cell.strip() for cell in header]
            _check_header(path, names)
            known = [name for name in kinds if name in names]
            rows = _rows(path, stream, {name: (names.index(name), kinds[name]) for name in known})
    except OSError as error:
        raise NumericCsvError(f"{path.name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise NumericCsvError(f"{path.name}: not UTF-8 text") from error
    return {name: np.ascontiguousarray(rows[name]) for name in known}


def _check_header(path: Path, names: list[str]) -> None:
    if len(names) > MAX_COLUMNS:
        raise NumericCsvError(f"{path.name}: has more than {MAX_COLUMNS} columns")
    for name in names:
        if names.count(name) > 1:
            raise NumericCsvError(f"{path.name}: column {reprlib.repr(name)} occurs twice")


def _rows(path: Path, stream: Any, columns: Mapping[str, tuple[int, type]]) -> Any:
    """Structured array of the chosen columns."""
    if not columns:
        raise NumericCsvError(f"{path.name}: has none of the columns that are known")
    dtype = [(name, np.int64 if kind is int else np.float64) for name, (_, kind) in columns.items()]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # an empty file is refused below
            table = np.loadtxt(
                stream,
                dtype=dtype,
                delimiter=",",
                comments=None,
                usecols=[place for place, _ in columns.values()],
                ndmin=1,
                encoding="utf-8",
            )
    except (ValueError, OverflowError) as error:
        reason = str(error).splitlines()[0].replace("; use `usecols` to select a subset", "")
        raise NumericCsvError(f"{path.name}: {reason}") from error
    if not len(table):
        raise NumericCsvError(f"{path.name}: holds no rows")
    for name in columns:
        values = table[name]
        if values.dtype == np.float64 and not np.isfinite(values).all():
            row = int((~np.isfinite(values)).argmax()) + 1
            raise NumericCsvError(f"{path.name}: `{name}` of row {row} is not a finite number")
    return table
