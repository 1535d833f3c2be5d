"""Reader of YAML chip descriptions, shipped or a user's own."""

import reprlib
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from photonic.checks import instance
from photonic.files import read_regular
from photonic.hardware.config import HardwareConfig, HardwareError, suggestion, validate
from photonic.hardware.schema import bare_fields
from photonic.hardware.strict_yaml import StrictYamlError, read_table
from photonic.hardware.tables import TABLE_READERS, TableError, find_table

_PRESET_PACKAGE = "hardware_configs"
_MAX_BYTES = 1_000_000
"""Size of a description; large tables stand in files of their own."""


def hardware_names() -> tuple[str, ...]:
    """Names of the shipped presets, sorted."""
    folder = resources.files(_PRESET_PACKAGE)
    files = (entry.name for entry in folder.iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in files if name.endswith(".yaml")))


def load_hardware(name_or_path: str | Path) -> HardwareConfig:
    """The description of a shipped preset or of a YAML file.

    A ``Path``, or text that ends in .yaml or .yml or holds a path separator, is a file; any other
    text is the name of a preset. In the file every number reads
    ``field: {value: 0.01, source: "Author, journal (year)"}``, and a measured table
    ``field: {file: table.csv, source: ...}`` with a path relative to the file; ``docs/chips.md``.

    Raises:
        TypeError: if the argument is neither text nor a path.
        ValueError: if no preset has this name; the nearest one is named.
        HardwareError: if the file cannot be read or one of its fields is refused.
    """
    instance("name_or_path", name_or_path, (str, Path))
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or text.endswith((".yaml", ".yml")) or "/" in text:
        path = Path(name_or_path)
        return _parse(_read(path, str(path)), str(path), path.parent)
    names = hardware_names()
    if text not in names:
        hint = suggestion(text, names).removeprefix("; ")
        raise ValueError(
            f"unknown hardware {text!r}; {hint}{' ' if hint else ''}available: {', '.join(names)}"
        )
    folder, file = resources.files(_PRESET_PACKAGE), f"{text}.yaml"
    return _parse(_read(folder.joinpath(file), file), file, folder)


def _read(path: Traversable, origin: str) -> str:
    try:
        return read_regular(Path(str(path)), _MAX_BYTES).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise HardwareError(f"{origin}: {reason}") from error


def _parse(text: str, file: str, folder: Traversable) -> HardwareConfig:
    try:
        raw = read_table(text)
    except StrictYamlError as error:
        raise HardwareError(f"{file}: {error}") from error
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for key, entry in raw.items():
        if key not in HardwareConfig.model_fields:
            near = suggestion(key, HardwareConfig.model_fields)
            raise HardwareError(f"{file}: unknown field {reprlib.repr(key)}{near}")
        try:
            values[key], source = _value_and_source(key, entry, folder)
        except ValueError as error:
            raise HardwareError(f"{file}: field {key!r}: {error}") from error
        if source is not None:
            sources[key] = source
    return validate({**values, "sources": sources}, file)


def _value_and_source(key: str, entry: Any, folder: Traversable) -> tuple[Any, str | None]:
    """The value of one YAML field and where it comes from (None for bare text and switches)."""
    if key == "sources":
        raise ValueError("write the source beside each value")
    if not isinstance(entry, dict):
        if key not in bare_fields() or _holds_number(entry):
            raise ValueError("write {value: ..., source: ...}")
        return entry, None
    has_file = key in TABLE_READERS and "file" in entry
    content = "file" if has_file else "value"
    if set(entry) != {content, "source"}:
        choice = "'value' or 'file'" if key in TABLE_READERS else "'value'"
        raise ValueError(f"must hold exactly {choice} and 'source'")
    source, value = entry["source"], entry[content]
    if not isinstance(source, str) or not source.strip():
        raise ValueError("the source is empty")
    if value is None:
        raise ValueError("has no value; leave out what is not known")
    return _table(key, value, folder) if has_file else value, source.strip()


def _table(key: str, name: Any, folder: Traversable) -> Any:
    if not isinstance(name, str):
        raise TableError(f"'file' must be a path, got {reprlib.repr(name)}")
    return TABLE_READERS[key](find_table(folder, name))


def _holds_number(entry: Any) -> bool:
    """True for a number, or a list with one at any depth."""
    if isinstance(entry, list):
        return any(map(_holds_number, entry))
    return isinstance(entry, int | float) and not isinstance(entry, bool)
