"""JSON Schema of study files, generated from ``StudyDescription``."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from experiments.mapped import MappingSettings
from experiments.study.description import StudyDescription
from experiments.study.fields import REMEDY, SweptField, swept_fields
from experiments.study.remedies import NO_REMEDY
from photonic.calibration.recipe import METHODS

SCHEMA_FILE = "schema.json"


def study_schema() -> dict[str, Any]:
    """The schema, as shipped in ``experiments/study/schema.json``.

    It covers names, types and ranges; what depends on other fields is checked when a file is read.
    """
    schema = StudyDescription.model_json_schema(by_alias=True)
    axes = schema["properties"]["axes"]
    schema["$defs"]["Values"] = axes["additionalProperties"]
    axes["properties"] = {
        field.name: {"description": field.meaning, **_values(field)}
        for field in swept_fields().values()
    }
    axes["additionalProperties"] = False
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _values(field: SweptField) -> dict[str, Any]:
    """What an axis takes: any values, unless a few texts are known."""
    if field.name == REMEDY:
        method = f"({'|'.join(METHODS)})"
        pattern = rf"^({NO_REMEDY}|{method}( *\+ *{method})*)$"
        return _list_of({"type": "string", "pattern": pattern})
    if not field.texts:
        return {"$ref": "#/$defs/Values"}
    if field.kind == "choice":
        return _list_of({"enum": list(field.texts)})
    tile = MappingSettings.model_json_schema()["properties"]["tile"]["anyOf"]
    return {"anyOf": [{"$ref": "#/$defs/Range"}, _list_of({"anyOf": tile})]}


def _list_of(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": 1}


def schema_json() -> str:
    """The text of the shipped file."""
    return json.dumps(study_schema(), indent=2) + "\n"


def shipped_schema() -> str:
    """The shipped file."""
    return resources.files("experiments.study").joinpath(SCHEMA_FILE).read_text("utf-8")
