"""Reader of CSV tables of numbers with a header, such as measured settings and channel maps."""

from __future__ import annotations

import os
import re
import reprlib
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from photonic.files import open_regular

MAX_BYTES = 2_000_000_000
MAX_HEADER_BYTES = 65_536


class NumericCsvError(ValueError):
    """A table that cannot be used; one line naming file and reason."""


def read_numeric_csv(path: Path, kinds: Mapping[str, type[int] | type[float]]) -> dict[str, Any]:
    """Columns of a CSV file that holds nothing but known columns of numbers.

    A column that is not known, a row that is longer or shorter than the header (a decimal comma
    makes two cells of a number) and a cell that is no plain number are refused: each could change
    what the file says without a trace.

    Args:
        path: CSV file with a header line; cells are separated by commas, decimals by points.
        kinds: names of all columns that are known, to ``int`` or ``float``.

    Returns:
        By name, in the order of ``kinds``, (rows,) int64 or float64, finite; columns that the file
        does not have are left out.

    Raises:
        NumericCsvError: if the file cannot be read, is empty, has an unknown column or one twice,
            or a row does not fit; the first such column or row is named.
    """
    try:
        with open_regular(path, is_link_followed=False) as stream:
            if os.fstat(stream.fileno()).st_size > MAX_BYTES:
                raise NumericCsvError(f"{path.name}: larger than {MAX_BYTES:,} bytes")
            header = stream.readline(MAX_HEADER_BYTES).decode("utf-8-sig").strip().split(",")
            names = [cell.strip() for cell in header]
            _check_header(path, names, kinds)
            rows = _rows(path, stream, {name: kinds[name] for name in names})
    except OSError as error:
        raise NumericCsvError(f"{path.name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise NumericCsvError(f"{path.name}: not UTF-8 text") from error
    return {name: np.ascontiguousarray(rows[name]) for name in kinds if name in names}


def _check_header(path: Path, names: list[str], kinds: Mapping[str, type]) -> None:
    known = f"the columns are {', '.join(kinds)}"
    for name in names:
        if name not in kinds:
            hint = ", separated by commas" if set(name) & set(";\t") else ""
            raise NumericCsvError(
                f"{path.name}: unknown column {reprlib.repr(name)}; {known}{hint}"
            )
        if names.count(name) > 1:
            raise NumericCsvError(f"{path.name}: column {reprlib.repr(name)} occurs twice")


def _rows(path: Path, stream: BinaryIO, columns: Mapping[str, type]) -> Any:
    """Structured array of all columns, in the order of the file."""
    dtype = [(name, np.int64 if kind is int else np.float64) for name, kind in columns.items()]
    start = stream.tell()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # an empty file is refused below
            table = np.loadtxt(
                stream, dtype=dtype, delimiter=",", comments=None, ndmin=1, encoding="utf-8"
            )
    except (ValueError, OverflowError) as error:
        stream.seek(start)
        reason = _first_fault(stream, columns) or str(error).splitlines()[0]
        raise NumericCsvError(f"{path.name}: {reason}") from error
    if not len(table):
        raise NumericCsvError(f"{path.name}: holds no rows")
    for name in columns:
        values = table[name]
        if values.dtype == np.float64 and not np.isfinite(values).all():
            row = int((~np.isfinite(values)).argmax()) + 1
            raise NumericCsvError(f"{path.name}: `{name}` of row {row} is not a finite number")
    return table


def _first_fault(stream: BinaryIO, columns: Mapping[str, type]) -> str | None:
    """What is wrong with the first row that does not fit; rows are counted from 1."""
    lines = (line.decode("utf-8", "replace").strip() for line in stream)
    for number, line in enumerate(filter(None, lines), 1):
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) != len(columns):
            hint = "; decimals need a point" if len(cells) > len(columns) else ""
            return (
                f"row {number} has {len(cells)} cells, the header has {len(columns)}: "
                f"{reprlib.repr(line)}{hint}"
            )
        for cell, (name, kind) in zip(cells, columns.items(), strict=True):
            if not _PATTERNS[kind].fullmatch(cell):
                what = "an integer" if kind is int else "a number"
                return f"`{name}` of row {number} is not {what}, got {reprlib.repr(cell)}"
    return None


_PATTERNS = {
    int: re.compile(r"[+-]?\d{1,18}", re.ASCII),
    float: re.compile(r"[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|nan|inf(inity)?)", re.I | re.ASCII),
}
"""Cells that numpy reads; the numbers among them that are not finite are refused apart."""
