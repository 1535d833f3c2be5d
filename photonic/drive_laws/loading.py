"""Reader of files with measured calibration laws: YAML, JSON, with CSV files beside them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from photonic.drive_laws.numeric_csv import NumericCsvError, read_numeric_csv
from photonic.drive_laws.records import DriveLawError, LawRecord
from photonic.files import open_regular
from photonic.hardware import first_problem
from photonic.hardware.strict_yaml import StrictYamlError, read_table
from photonic.hardware.tables import TableError, find_table

MAX_YAML_BYTES = 4_000_000
"""YAML is read slowly; large calibrations stand in CSV or JSON files."""
MAX_JSON_BYTES = 400_000_000
CSV_COLUMNS = ("p0", "p1", "p2", "p3", "min_drive", "max_drive", "resistance_ohm")
"""Columns of a CSV file of coefficients, beside ``id``."""


def load_laws(path: str | Path) -> tuple[LawRecord, ...]:
    """Calibration laws of a file.

    The file holds one key, ``laws``, a list of ``LawRecord``. In place of ``ids`` and coefficients
    an entry may name ``file``, a CSV file in the same folder or below, with the columns id and any
    of ``CSV_COLUMNS``. Later entries override earlier ones; ``docs/chip_files.md``.

    Raises:
        DriveLawError: naming the file and what is wrong with it.
    """
    path = Path(path)
    raw = _read(path)
    if set(raw) != {"laws"} or not isinstance(raw["laws"], list) or not raw["laws"]:
        raise DriveLawError(f"{path.name}: must hold `laws`, a list of laws, and nothing else")
    return tuple(_record(path, number, entry) for number, entry in enumerate(raw["laws"]))


def _read(path: Path) -> dict[Any, Any]:
    is_json = path.suffix.lower() == ".json"
    limit = MAX_JSON_BYTES if is_json else MAX_YAML_BYTES
    try:
        with open_regular(path, is_link_followed=False) as stream:
            data = stream.read(min(limit, os.fstat(stream.fileno()).st_size) + 1)
    except OSError as error:
        raise DriveLawError(f"{path.name}: {error.strerror}") from error
    if len(data) > limit:
        raise DriveLawError(f"{path.name}: larger than {limit:,} bytes")
    try:
        raw = orjson.loads(data) if is_json else read_table(data.decode("utf-8"))
    except (ValueError, StrictYamlError) as error:
        raise DriveLawError(f"{path.name}: {str(error).splitlines()[0]}") from error
    if not isinstance(raw, dict):
        raise DriveLawError(f"{path.name}: must be a table of fields")
    return raw


def _record(path: Path, number: int, entry: Any) -> LawRecord:
    where = f"{path.name}: law {number}"
    if not isinstance(entry, dict):
        raise DriveLawError(f"{where}: must be a table of fields")
    try:
        fields = {**entry, **_csv_fields(path, entry)}
        fields.pop("file", None)
        return LawRecord.model_validate(fields)
    except ValidationError as error:
        raise DriveLawError(f"{where}: {first_problem(error)}") from error
    except (TableError, NumericCsvError) as error:
        raise DriveLawError(f"{where}: {error}") from error


def _csv_fields(path: Path, entry: dict[Any, Any]) -> dict[str, Any]:
    """Ids and coefficients of the CSV file that an entry names."""
    if "file" not in entry:
        return {}
    if not isinstance(entry["file"], str):
        raise TableError("`file` must be a path")
    file = find_table(path.parent, entry["file"])
    kinds: dict[str, Any] = {"id": int, **dict.fromkeys(CSV_COLUMNS, float)}
    columns = read_numeric_csv(Path(str(file)), kinds)
    if "id" not in columns:
        raise TableError(f"{entry['file']}: has no column `id`")
    double = ({"ids"} | columns.keys()) & entry.keys()
    if double:
        raise TableError(f"`{sorted(double)[0]}` is given twice, here and in {entry['file']}")
    return {"ids": columns.pop("id").tolist()} | {k: v.tolist() for k, v in columns.items()}
