"""JSON Schema of the YAML files that describe chips, generated from ``HardwareConfig``.

It covers names, types and ranges of single fields. Fields that need or exclude each other are
checked when a file is read.
"""

from functools import cache
from typing import Any

from photonic.hardware.config import HardwareConfig
from photonic.hardware.tables import TABLE_READERS

_Schema = dict[str, Any]
_SOURCE = {"$ref": "#/$defs/source"}


def hardware_schema() -> dict[str, Any]:
    """The schema, as shipped in ``hardware_configs/schema.json``.

    A number reads {value, source}, a measured table {file, source}; text and switches may stand
    alone.
    """
    fields = _field_schemas()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Lightframe chip description",
        "description": "Each number has a source: author, journal and year, or assumed.",
        "type": "object",
        "properties": {name: _property(name, field) for name, field in fields.items()},
        "required": ["name"],
        "additionalProperties": False,
        "$defs": {
            "source": {
                "description": "Author, journal (year), table; derived from ...; or assumed.",
                "type": "string",
                "pattern": r"\S",
            }
        },
    }


@cache
def bare_fields() -> frozenset[str]:
    """Names of the fields that may stand without a source: text, switches and lists of text."""
    return frozenset(name for name, field in _field_schemas().items() if not _is_number(field))


def _field_schemas() -> dict[str, _Schema]:
    """Schema of the value of each field, as the model states it."""
    properties = HardwareConfig.model_json_schema()["properties"]
    return {name: _stated(field) for name, field in properties.items() if name != "sources"}


def _stated(field: _Schema) -> _Schema:
    """A field without title and default; None, which a file says by leaving the field out."""
    kept = {key: part for key, part in field.items() if key not in ("title", "default")}
    variants = [part for part in kept.pop("anyOf", ()) if part != {"type": "null"}]
    for variant in variants:
        kept |= variant
    return kept | {"description": " ".join(kept.get("description", "").split())}


def _property(name: str, field: _Schema) -> _Schema:
    value = {key: part for key, part in field.items() if key != "description"}
    forms = [_with_source("value", value)]
    if name in TABLE_READERS:
        forms.append(_with_source("file", {"type": "string", "minLength": 1}))
    if name in bare_fields():
        forms.append(value)
    form = forms[0] if len(forms) == 1 else {"anyOf": forms}
    return {"description": field["description"], **form}


def _with_source(key: str, value: _Schema) -> _Schema:
    return {
        "type": "object",
        "properties": {key: value, "source": _SOURCE},
        "required": [key, "source"],
        "additionalProperties": False,
    }


def _is_number(schema: _Schema) -> bool:
    """True if a number occurs in a value."""
    nested = (*schema.get("prefixItems", ()), *([schema["items"]] if "items" in schema else ()))
    return schema.get("type") in ("number", "integer") or any(map(_is_number, nested))
