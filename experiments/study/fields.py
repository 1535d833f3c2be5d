"""What a study can vary: figures of a chip description, time, layout of the tiles and remedies."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args

from experiments.mapped import MappingSettings
from photonic import HardwareConfig
from photonic.singular_order import SINGULAR_ORDERS

TIME = "time_s"
REMEDY = "remedy"
LAYOUT = ("mesh", "tile", "order")
"""Axes that lay the programs out anew: fields of ``MappingSettings``."""
_NOT_SWEPT = ("name", "description")
_UNIT = re.compile(r"\[([^\]]+)\]")


@dataclass(frozen=True)
class SweptField:
    """A field that can be an axis.

    Attributes:
        name: in ``HardwareConfig``, ``time_s``, ``remedy`` or one of ``LAYOUT``.
        kind: what its values are; a range is possible for numbers and integers.
        unit: of its values; "1" for pure numbers, choices and switches.
        meaning: one sentence.
        texts: that it takes, beside numbers if it is of these; empty if that is checked elsewhere.
    """

    name: str
    kind: Literal["number", "integer", "choice", "switch"]
    unit: str
    meaning: str
    texts: tuple[str, ...] = ()

    def check(self, value: object) -> None:
        """Refuse a value of an axis of ``LAYOUT``; all others know themselves what they take.

        Raises:
            ValueError: naming the axis.
        """
        is_number = isinstance(value, int) and not isinstance(value, bool) and value >= 1
        if self.texts and value not in self.texts and not (self.kind == "integer" and is_number):
            takes = ["a number of modes"] * (self.kind == "integer") + list(self.texts)
            raise ValueError(f"axis {self.name!r} takes {', '.join(takes)}, got {value!r}")


_MESHES = get_args(MappingSettings.model_fields["mesh"].annotation)
_OF_PROGRAMS = (
    SweptField(TIME, "number", "s", "Time since the calibration [s]."),
    SweptField("mesh", "choice", "1", "Wiring of the meshes that are mapped onto.", _MESHES),
    SweptField("tile", "integer", "1", "Modes per tile; full maps whole matrices.", ("full",)),
    SweptField(
        "order", "choice", "1", "Which attenuator holds which singular value.", SINGULAR_ORDERS
    ),
    SweptField(
        REMEDY, "choice", "1", "Methods of the calibration of every chip, joined by +, or none."
    ),
)
"""What is no figure of a chip: its use."""


@cache
def swept_fields() -> dict[str, SweptField]:
    """Every field that can be an axis, by name.

    ``mesh`` is the wiring that programs are mapped for; that of a chip description limits it.
    """
    fields = {field.name: field for field in _OF_PROGRAMS}
    for name, schema in HardwareConfig.model_json_schema()["properties"].items():
        kind = _kind(schema)
        if kind is not None and name not in (*_NOT_SWEPT, *fields):
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
