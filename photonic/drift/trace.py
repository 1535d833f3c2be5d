"""Reader of measured temperature traces: CSV files with the header time_s,temperature_k."""

import math
import reprlib
from pathlib import Path

HEADER = "time_s,temperature_k"
MAX_BYTES = 10_000_000


def read_trace(path: Path) -> tuple[tuple[float, float], ...]:
    """Pairs (time [s], temperature [K]) of a CSV file, times ascending.

    The first line reads ``time_s,temperature_k``; every other line holds two numbers.

    Args:
        path: UTF-8 file of less than 10 MB.

    Raises:
        ValueError: in one line that names the file and its line, if it cannot be read or used.
    """
    header, *lines = _read(path).rstrip().split("\n")
    if header.replace(" ", "").strip() != HEADER:
        raise ValueError(f"{path}: line 1: must read {HEADER}, got {reprlib.repr(header)}")
    trace: list[tuple[float, float]] = []
    for number, line in enumerate(lines, start=2):
        try:
            trace.append(_point(line, trace[-1][0] if trace else -math.inf))
        except ValueError as error:
            raise ValueError(f"{path}: line {number}: {error}") from None
    if not trace:
        raise ValueError(f"{path}: line 2: holds no temperatures")
    return tuple(trace)


def _read(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES)
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ValueError(f"{path}: {reason}") from error
    if len(data) == MAX_BYTES:
        raise ValueError(f"{path}: must be smaller than {MAX_BYTES // 1_000_000} MB")
    return text


def _point(line: str, previous_s: float) -> tuple[float, float]:
    """Time and temperature of one line."""
    try:
        time_s, temperature_k = map(float, line.split(","))
    except ValueError:
        raise ValueError(f"must hold two numbers, got {reprlib.repr(line)}") from None
    if not (math.isfinite(time_s) and math.isfinite(temperature_k)):
        raise ValueError(f"numbers must be finite, got {reprlib.repr(line)}")
    if time_s <= previous_s:
        raise ValueError(f"times must ascend, got {time_s:g} after {previous_s:g}")
    return time_s, temperature_k
