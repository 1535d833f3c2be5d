"""What differs between a study and the one that a directory was started with."""

from __future__ import annotations

from typing import Any

from experiments.record import RunRecord, differences

_WHERE_AND_WHEN = {"command", "created", "commit", "is_dirty"}
"""Not compared: the hash of the code says more than the commit."""
_PLACES = ("mapped", "hardware")
"""Paths in a description; what lies there is compared instead."""


def changes(before: RunRecord, now: RunRecord) -> list[str]:
    """One entry for each difference that can change results, by the name of the field."""
    return list(differences("", _identity(before), _identity(now)))


def _identity(record: RunRecord) -> dict[str, Any]:
    known = record.model_dump(mode="json", exclude=_WHERE_AND_WHEN)
    config = known.pop("config")
    study = {name: value for name, value in config["study"].items() if name not in _PLACES}
    return {**known, **config, "study": study, "order_of_axes": list(study["axes"])}
