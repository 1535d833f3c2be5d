"""JSON Schema of study files, generated from ``StudyDescription``."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from experiments.study.description import StudyDescription
from experiments.study.fields import swept_fields

SCHEMA_FILE = "schema.json"


def study_schema() -> dict[str, Any]:
    """The schema, as shipped in ``experiments/study/schema.json``.

    It covers names, types and ranges; what depends on other fields is checked when a file is read.
    """
    schema = StudyDescription.model_json_schema(by_alias=True)
    axes = schema["properties"]["axes"]
    schema["$defs"]["Values"] = axes["additionalProperties"]
    values = {"$ref": "#/$defs/Values"}
    fields = swept_fields().values()
    axes["properties"] = {field.name: {"description": field.meaning, **values} for field in fields}
    axes["additionalProperties"] = False
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def schema_json() -> str:
    """The text of the shipped file."""
    return json.dumps(study_schema(), indent=2) + "\n"


def shipped_schema() -> str:
    """The shipped file."""
    return resources.files("experiments.study").joinpath(SCHEMA_FILE).read_text("utf-8")
