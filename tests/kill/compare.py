"""Outputs as names and bytes, without what says when and how long."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

CLOCKS = {"command", "created", "commit", "is_dirty"} | {
    *("seconds", "wall_seconds", "epoch_seconds", "seconds_per_epoch"),
}
"""Keys of JSON files that say how, when and from which sources, and of durations."""


def contents(out: Path) -> dict[str, bytes]:
    """Every file of an output by its path; a link counts as what it says."""
    if not out.is_dir():
        return {out.name: _without_times(out)}
    return {
        str(path.relative_to(out)): _without_times(path)
        for path in sorted(out.rglob("*"))
        if not path.is_dir()
    }


def difference(expected: dict[str, bytes], found: dict[str, bytes]) -> str | None:
    """The first difference of two outputs in words; None if they are identical."""
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            return f"{name} is missing"
        if name not in expected:
            return f"{name} is left over"
        if expected[name] != found[name]:
            return f"{name} has other bytes"
    return None


def _without_times(path: Path) -> bytes:
    data = path.read_bytes()
    if path.name == "lock":  # of a study: which process wrote last
        return b"lock"
    if path.suffix == ".json" or path.name in (".zattrs", ".zmetadata"):
        return json.dumps(_timeless(json.loads(data))).encode()
    if path.name == "metrics.csv":  # seconds in the last column
        return b"\n".join(line.rpartition(b",")[0] for line in data.splitlines())
    if path.suffix == ".md":  # hours of trainings, and seconds per epoch after the parameters
        return re.sub(rb"\b\d+\.\d\d h\b|(?<=,\d\d\d \| )\d+\.\d\d(?= \|)", b"", data)
    return data


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(item) for key, item in value.items() if key not in CLOCKS}
    if isinstance(value, str) and value.startswith("{"):  # a record inside of an attribute
        return _timeless(json.loads(value))
    if isinstance(value, list):
        return [_timeless(item) for item in value]
    return value
