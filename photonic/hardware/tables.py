"""Reader of the CSV tables that a chip description names: crosstalk matrix, temperature trace.

A table lies in the folder of its description or below. Numbers are plain decimals; what else a
programming language would take for a number is refused.
"""

import math
import re
import reprlib
from collections.abc import Callable
from importlib.resources.abc import Traversable
from itertools import pairwise
from pathlib import Path, PureWindowsPath

from photonic.files import read_regular

Table = tuple[tuple[float, ...], ...]

MAX_BYTES = 32_000_000
MAX_ROWS = 1024
"""Rows of a crosstalk matrix: the shifters of a mesh of 32 modes."""
MAX_TIMES = 200_000
"""Lines of a temperature trace."""
TRACE_HEADER = "time_s,temperature_k"

_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class TableError(ValueError):
    """A table that cannot be used; one line naming file and line."""


def find_table(folder: Traversable, name: str) -> Traversable:
    """The file of a table.

    Args:
        folder: folder of the description.
        name: path of the table relative to it.

    Raises:
        TableError: if the path is absolute or leads out of the folder, also through a link, or is
            not a file.
    """
    # The Windows rules know both separators, drives and roots.
    parts = PureWindowsPath(name)
    is_inside = bool(parts.parts) and not (parts.drive or parts.root or ".." in parts.parts)
    path = folder.joinpath(*parts.parts) if is_inside else folder
    if isinstance(path, Path) and isinstance(folder, Path):
        try:
            is_inside = is_inside and path.resolve().is_relative_to(folder.resolve())
        except (OSError, RuntimeError, ValueError):  # links in a circle, a name with a null
            raise TableError(f"{reprlib.repr(name)}: no such file") from None
    if not is_inside:
        raise TableError(f"{reprlib.repr(name)} must lie in the folder of the description")
    try:
        is_file = path.is_file()
    except OSError:  # a name that is too long
        is_file = False
    if not is_file:
        raise TableError(f"{name if name.isprintable() else reprlib.repr(name)}: no such file")
    return path


def read_square(path: Traversable) -> Table:
    """Square matrix of a CSV file without header: one row per line.

    Raises:
        TableError: if the file cannot be read or is not a square of finite numbers.
    """
    lines = _lines(path, MAX_ROWS)
    return tuple(
        _numbers(path, number, line, len(lines)) for number, line in enumerate(lines, start=1)
    )


def read_trace(path: Traversable) -> Table:
    """Pairs (time [s], temperature [K]) of a CSV file with the header time_s,temperature_k.

    Raises:
        TableError: if the file cannot be read, the header or a number is refused, or the times do
            not ascend.
    """
    header, *lines = _lines(path, MAX_TIMES + 1)
    if [cell.strip() for cell in header.split(",")] != TRACE_HEADER.split(","):
        raise TableError(
            f"{path.name}, line 1: must read {TRACE_HEADER}, got {reprlib.repr(header)}"
        )
    trace = tuple(_numbers(path, number, line, 2) for number, line in enumerate(lines, start=2))
    if not trace:
        raise TableError(f"{path.name}: holds no temperatures")
    for number, (earlier, later) in enumerate(pairwise(trace), start=3):
        if later[0] <= earlier[0]:
            raise TableError(
                f"{path.name}, line {number}: times must ascend, "
                f"got {later[0]:g} after {earlier[0]:g}"
            )
    return trace


TABLE_READERS: dict[str, Callable[[Traversable], Table]] = {
    "crosstalk_rows": read_square,
    "temperature_trace": read_trace,
}
"""Fields whose numbers may stand in a CSV file, and what reads it."""


def _lines(path: Traversable, most: int) -> list[str]:
    try:
        text = read_regular(Path(str(path)), MAX_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise TableError(f"{path.name}: {reason}") from error
    lines = text.rstrip().split("\n")
    if len(lines) > most:
        raise TableError(f"{path.name}: holds more than {most} lines")
    return lines


def _numbers(path: Traversable, number: int, line: str, count: int) -> tuple[float, ...]:
    cells = [cell.strip() for cell in line.split(",")]
    where = f"{path.name}, line {number}"
    if len(cells) != count:
        raise TableError(f"{where}: must hold {count} numbers, got {reprlib.repr(line)}")
    for cell in cells:
        if not _DECIMAL.fullmatch(cell) or not math.isfinite(float(cell)):
            raise TableError(f"{where}: must hold finite numbers, got {reprlib.repr(cell)}")
    return tuple(map(float, cells))
