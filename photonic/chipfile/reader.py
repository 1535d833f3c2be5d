"""Reading of chip files: nothing is returned unless every hash and every field is right."""

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from photonic.chipfile.records import (
    MANIFEST_FILE,
    MANIFEST_HASH_FILE,
    PROGRAM_SCHEMA,
    SCHEMA_VERSION,
    ChipFileError,
    FileEntry,
    LayerEntry,
    LayerRecord,
    Manifest,
    drive_law,
    shifter_table,
)
from photonic.hardware import HardwareConfig, first_problem

_Record = TypeVar("_Record", bound=BaseModel)


@dataclass(frozen=True)
class ChipExport:
    """An export as it stands in its files."""

    manifest: Manifest
    """Conventions, hardware, layouts, scales."""
    layers: tuple[LayerRecord, ...]
    """Settings, in the order of the manifest."""


def read_export(folder: str | Path) -> ChipExport:
    """The validated content of a folder of chip files.

    Args:
        folder: folder that ``export_program`` wrote.

    Returns:
        Manifest and layers.

    Raises:
        ChipFileError: if a file is missing, differs from its hash, lacks the convention block, or
            does not satisfy the schema.
    """
    folder = Path(folder)
    expected = _read_bytes(folder, MANIFEST_HASH_FILE).decode("utf-8", "replace").split()
    data = _read_bytes(folder, MANIFEST_FILE)
    if expected != [hashlib.sha256(data).hexdigest(), MANIFEST_FILE]:
        raise ChipFileError(f"{MANIFEST_FILE}: edited or truncated: its SHA-256 differs")
    raw = _parse(data, MANIFEST_FILE)
    if raw.get("schema") != PROGRAM_SCHEMA or raw.get("schema_version") != SCHEMA_VERSION:
        found = f"{raw.get('schema')!r} version {raw.get('schema_version')!r}"
        raise ChipFileError(
            f"{MANIFEST_FILE}: expected {PROGRAM_SCHEMA} version {SCHEMA_VERSION}, got {found}"
        )
    if "convention" not in raw:
        raise ChipFileError(f"{MANIFEST_FILE}: has no convention block; the phases are ambiguous")
    manifest = _validate(Manifest, raw, MANIFEST_FILE)
    if manifest.drive != drive_law(manifest.hardware):
        raise ChipFileError(f"{MANIFEST_FILE}: the drive laws do not belong to the hardware")
    layers = (_read_layer(folder, entry, manifest.hardware) for entry in manifest.layers)
    return ChipExport(manifest, tuple(layers))


def _read_layer(folder: Path, entry: LayerEntry, hardware: HardwareConfig) -> LayerRecord:
    """The settings of one layer, checked against the manifest."""
    _read_hashed(folder, entry.csv_file)
    file = entry.json_file.path
    record = _validate(LayerRecord, _parse(_read_hashed(folder, entry.json_file), file), file)
    if record.name != entry.name:
        raise ChipFileError(f"{file}: is of layer {record.name!r}, expected {entry.name!r}")
    try:
        table = shifter_table(entry.u_layout.wiring(), entry.v_layout.wiring())
    except ValueError as error:
        raise ChipFileError(f"{MANIFEST_FILE}: layer {entry.name!r}: {error}") from error
    if record.shifters != table:
        raise ChipFileError(f"{file}: its shifters are not those of the layouts in the manifest")
    _check_grid(entry)
    _check_columns(file, record, entry.tile_rows * entry.tile_cols * len(table.mesh), hardware)
    return record


def _check_columns(file: str, record: LayerRecord, total: int, hardware: HardwareConfig) -> None:
    for key in ("phase_rad", "phase_cmd_rad", "voltage_v", "dac_code"):
        values = getattr(record, key)
        if values is not None and len(values) != total:
            raise ChipFileError(f"{file}: `{key}` must hold {total} values, got {len(values)}")
    is_known = {"voltage_v": hardware.has_drive_law, "dac_code": hardware.dac_bits is not None}
    for key, is_there in is_known.items():
        if (getattr(record, key) is not None) != is_there:
            raise ChipFileError(f"{file}: `{key}` contradicts the drive of the hardware")
    if record.dac_code and max(record.dac_code) >= 2**hardware.dac_bits:
        raise ChipFileError(f"{file}: `dac_code` exceeds {hardware.dac_bits} bit")


def _check_grid(entry: LayerEntry) -> None:
    layer = f"{MANIFEST_FILE}: layer {entry.name!r}"
    if [len(row) for row in entry.scale] != [entry.tile_cols] * entry.tile_rows:
        raise ChipFileError(f"{layer}: `scale` does not fit its tiles")
    for tiles, size, features in (
        (entry.tile_rows, entry.u_layout.num_modes, entry.out_features),
        (entry.tile_cols, entry.v_layout.num_modes, entry.in_features),
    ):
        if tiles != math.ceil(features / size):
            raise ChipFileError(f"{layer}: {tiles} tiles of {size} do not fit {features} features")


def _read_hashed(folder: Path, file: FileEntry) -> bytes:
    data = _read_bytes(folder, file.path)
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise ChipFileError(f"{file.path}: edited or truncated: its SHA-256 differs")
    return data


def _read_bytes(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise ChipFileError(f"{name}: {error.strerror} (in {folder})") from error


def _parse(data: bytes, file: str) -> dict[str, Any]:
    try:
        raw = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ChipFileError(f"{file}: not valid JSON: {error}") from error
    if not isinstance(raw, dict):
        raise ChipFileError(f"{file}: must be a JSON object")
    return raw


def _validate(kind: type[_Record], raw: dict[str, Any], file: str) -> _Record:
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        raise ChipFileError(f"{file}: {first_problem(error)}") from error
