"""What differs between a study and the one that a directory was started with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from experiments.record import RunRecord

_WHERE_AND_WHEN = {"command", "created", "commit", "is_dirty"}
"""Not compared: the hash of the code says more than the commit."""
_PLACES = ("mapped", "hardware")
"""Paths in a description; what lies there is compared instead."""
_MISSING = object()
_SHOWN = 60


def changes(before: RunRecord, now: RunRecord) -> list[str]:
    """One entry for each difference that can change results, by the name of the field."""
    return list(_differences("", _identity(before), _identity(now)))


def _identity(record: RunRecord) -> dict[str, Any]:
    known = record.model_dump(mode="json", exclude=_WHERE_AND_WHEN)
    config = known.pop("config")
    study = {name: value for name, value in config["study"].items() if name not in _PLACES}
    return {**known, **config, "study": study, "order_of_axes": list(study["axes"])}


def _differences(name: str, before: Any, now: Any) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted(before.keys() | now.keys()):
            inner = f"{name}.{key}" if name else key
            yield from _differences(inner, before.get(key, _MISSING), now.get(key, _MISSING))
    elif before != now:
        yield f"{name} (was {_shown(before)}, is {_shown(now)})"


def _shown(value: Any) -> str:
    if value is _MISSING:
        return "absent"
    text = str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
