"""What a study can vary: every number, choice and switch of a chip description, and the time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from photonic import HardwareConfig

TIME = "time_s"
_NOT_SWEPT = ("name", "description")
_UNIT = re.compile(r"\[([^\]]+)\]")


@dataclass(frozen=True)
class SweptField:
    """A field that can be an axis.

    Attributes:
        name: in ``HardwareConfig``, or ``time_s``.
        kind: what its values are; a range is possible for numbers and integers.
        unit: of its values; "1" for pure numbers, choices and switches.
        meaning: one sentence.
    """

    name: str
    kind: Literal["number", "integer", "choice", "switch"]
    unit: str
    meaning: str


@cache
def swept_fields() -> dict[str, SweptField]:
    """Every field that can be an axis, by name."""
    fields = {TIME: SweptField(TIME, "number", "s", "Time since the calibration [s].")}
    for name, schema in HardwareConfig.model_json_schema()["properties"].items():
        kind = _kind(schema)
        if kind is not None and name not in _NOT_SWEPT:
            meaning = " ".join(schema["description"].split())
            fields[name] = SweptField(name, kind, _unit(meaning), meaning)
    return fields


def _kind(schema: dict[str, Any]) -> Literal["number", "integer", "choice", "switch"] | None:
    """What the values of a field are; None for tables and other structures."""
    for variant in schema.get("anyOf", (schema,)):
        if "enum" in variant:
            return "choice"
        match variant.get("type"):
            case "number":
                return "number"
            case "integer":
                return "integer"
            case "boolean":
                return "switch"
    return None


def _unit(meaning: str) -> str:
    """The unit in brackets, "dB" of "[dB of power]"."""
    found = _UNIT.search(meaning)
    return "1" if found is None else found.group(1).split(" of ")[0].split(",")[0]
