"""Reader of YAML chip descriptions, shipped or a user's own."""

import reprlib
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from photonic.hardware.config import HardwareConfig, HardwareError, suggestion, validate

_PRESET_PACKAGE = "hardware_configs"


def hardware_names() -> tuple[str, ...]:
    """Names of the shipped presets, sorted."""
    folder = resources.files(_PRESET_PACKAGE)
    files = (entry.name for entry in folder.iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in files if name.endswith(".yaml")))


def load_hardware(name_or_path: str | Path) -> HardwareConfig:
    """The description of a shipped preset or of a YAML file.

    A ``Path``, or text that ends in .yaml or .yml or holds a path separator, is a file; any other
    text is the name of a preset. In the file every number reads
    ``field: {value: 0.01, source: "Author, journal (year)"}``.

    Raises:
        ValueError: if no preset has this name; the nearest one is named.
        HardwareError: if the file cannot be read or one of its fields is refused.
    """
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or text.endswith((".yaml", ".yml")) or "/" in text:
        path = Path(name_or_path)
        return _parse(_read(path), str(path))
    names = hardware_names()
    if text not in names:
        hint = suggestion(text, names).removeprefix("; ")
        raise ValueError(
            f"unknown hardware {text!r}; {hint}{' ' if hint else ''}available: {', '.join(names)}"
        )
    file = f"{text}.yaml"
    return _parse(resources.files(_PRESET_PACKAGE).joinpath(file).read_text("utf-8"), file)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise HardwareError(f"{path}: {reason}") from error


def _parse(text: str, file: str) -> HardwareConfig:
    try:
        raw = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise HardwareError(f"{file}: not valid YAML{where}: {reason}") from error
    if not isinstance(raw, dict):
        raise HardwareError(f"{file}: must be a table of fields")
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for key, entry in raw.items():
        if key not in HardwareConfig.model_fields:
            near = suggestion(key, HardwareConfig.model_fields)
            raise HardwareError(f"{file}: unknown field {reprlib.repr(key)}{near}")
        values[key], source = _value_and_source(file, key, entry)
        if source is not None:
            sources[key] = source
    return validate({**values, "sources": sources}, file)


def _value_and_source(file: str, key: Any, entry: Any) -> tuple[Any, str | None]:
    """The value of one YAML field and where it comes from (None for text and switches)."""
    if key == "sources":
        raise HardwareError(f"{file}: field 'sources': write the source beside each value")
    if not isinstance(entry, dict):
        if isinstance(entry, int | float) and not isinstance(entry, bool):
            raise HardwareError(f"{file}: field {key!r}: write {{value: ..., source: ...}}")
        return entry, None
    if set(entry) != {"value", "source"}:
        raise HardwareError(f"{file}: field {key!r}: must hold exactly 'value' and 'source'")
    source = entry["source"]
    if not isinstance(source, str) or not source.strip():
        raise HardwareError(f"{file}: field {key!r}: the source is empty")
    return entry["value"], source.strip()
