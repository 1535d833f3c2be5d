"""Reading of bundles: nothing is returned unless every hash and every field is right."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, ValidationError

from photonic.chipfile.layer import (
    DEAD,
    OK,
    STUCK,
    ChipExport,
    LayerSettings,
    shifter_name,
    shifter_table,
)
from photonic.chipfile.records import (
    BUNDLE_SCHEMA,
    LAYER_SCHEMA,
    MANIFEST_FILE,
    MANIFEST_HASH_FILE,
    SCHEMA_VERSION,
    ChipFileError,
    Header,
    LayerEntry,
    LayerGrid,
    LayerRecord,
    Manifest,
    ShifterTable,
)
from photonic.chipfile.safe_files import (
    MAX_MANIFEST_BYTES,
    check_hashed,
    parse_object,
    read_hashed,
    read_small,
)
from photonic.chipfile.words import drive_words
from photonic.drive_laws.law_set import LawSet
from photonic.drive_laws.records import DriveLawError
from photonic.hardware import HardwareConfig, first_problem

_Model = TypeVar("_Model", bound=BaseModel)

_MIN_BYTES_PER_SHIFTER = 10
"""Five lists of at least one digit and a comma; a shorter file claims too many shifters."""
_LISTS = 400_000
_OBJECTS = 100_000


def read_export(folder: str | Path) -> ChipExport:
    """The validated content of a bundle.

    Args:
        folder: folder that ``write_export`` wrote.

    Returns:
        Header and layers.

    Raises:
        ChipFileError: if a file is missing, a link, or differs from its hash, or does not satisfy
            the schema; in one line.
    """
    folder = Path(folder)
    manifest = _read_manifest(folder)
    _check_manifest(manifest)
    layers = tuple(_read_layer(folder, entry, manifest.hardware) for entry in manifest.layers)
    for file in (manifest.csv_file, manifest.hdf5_file):
        if file is not None:
            check_hashed(folder, file)
    header = Header.model_construct(
        **{name: getattr(manifest, name) for name in Header.model_fields}
    )
    return ChipExport(header, layers)


def manifest_sha256(folder: str | Path) -> str:
    """Hash of the manifest, which fixes all other files.

    Raises:
        ChipFileError: if it cannot be read.
    """
    data = read_small(Path(folder), MANIFEST_FILE, MAX_MANIFEST_BYTES)
    return hashlib.sha256(data).hexdigest()


def csv_sha256(folder: str | Path) -> str:
    """Hash that the manifest of a bundle states for its CSV file."""
    return _read_manifest(Path(folder)).csv_file.sha256


def _read_manifest(folder: Path) -> Manifest:
    expected = read_small(folder, MANIFEST_HASH_FILE, 1000).decode("utf-8", "replace").split()
    data = read_small(folder, MANIFEST_FILE, MAX_MANIFEST_BYTES)
    if expected != [hashlib.sha256(data).hexdigest(), MANIFEST_FILE]:
        raise ChipFileError(f"{MANIFEST_FILE}: edited or truncated: its SHA-256 differs")
    raw = parse_object(
        data, MANIFEST_FILE, max_objects=_OBJECTS, max_lists=_LISTS, max_items=len(data)
    )
    name, version = raw.get("schema"), raw.get("schema_version")
    if version == 1:
        raise ChipFileError(
            f"{MANIFEST_FILE}: schema version 1 is no longer read; write the files again with  "
            "lightframe export MAPPED --out BUNDLE"
        )
    if name != BUNDLE_SCHEMA or version != SCHEMA_VERSION or isinstance(version, bool):
        raise ChipFileError(
            f"{MANIFEST_FILE}: expected {BUNDLE_SCHEMA} version {SCHEMA_VERSION}, "
            f"got {str(name)[:80]!r} version {str(version)[:80]}"
        )
    if "convention" not in raw:
        raise ChipFileError(f"{MANIFEST_FILE}: has no convention block; the phases are ambiguous")
    return _validate(Manifest, raw, MANIFEST_FILE)


def _check_manifest(manifest: Manifest) -> None:
    if manifest.drive != drive_words(manifest.hardware):
        raise ChipFileError(f"{MANIFEST_FILE}: the drive laws do not belong to the hardware")
    files = [entry.json_file.path for entry in manifest.layers]
    if len(set(files)) < len(files) or len({e.name for e in manifest.layers}) < len(files):
        raise ChipFileError(f"{MANIFEST_FILE}: two layers share a name or a file")
    first_id = 0
    for entry in manifest.layers:
        _check_grid(entry)
        if entry.first_id != first_id:
            raise ChipFileError(
                f"{MANIFEST_FILE}: layer {entry.name!r}: must begin with shifter {first_id}, "
                f"got {entry.first_id}"
            )
        first_id += entry.num_shifters
    if first_id != manifest.num_shifters or not first_id:
        raise ChipFileError(f"{MANIFEST_FILE}: its layers do not hold `num_shifters` shifters")


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
    # Before any mesh of this size is built; a mesh holds one output phase per mode at least.
    modes = entry.u_layout.num_modes + entry.v_layout.num_modes + 2 * entry.num_attenuators
    columns = max(_columns(entry, "u_layout"), _columns(entry, "v_layout"))
    shortest = _MIN_BYTES_PER_SHIFTER * entry.num_shifters
    if entry.num_shifters < modes * entry.num_tiles or entry.json_file.num_bytes < shortest:
        raise ChipFileError(f"{layer}: its file is too short for its shifters")
    if columns * min(entry.u_layout.num_modes, entry.v_layout.num_modes) > 8 * entry.num_shifters:
        raise ChipFileError(f"{layer}: its meshes do not fit its shifters")


def _columns(entry: LayerEntry, name: str) -> int:
    """A bound of the columns of a mesh; 0 for one that needs no bound."""
    layout = getattr(entry, name)
    if layout.kind in ("clements", "reck"):
        # N^2 shifters: the number of modes follows from the number of shifters.
        return 0 if layout.num_modes**2 <= entry.num_shifters else 8 * entry.num_shifters + 1
    return layout.depth or 0


def _read_layer(folder: Path, entry: LayerEntry, hardware: HardwareConfig) -> LayerSettings:
    """The settings of one layer, checked against the manifest."""
    file = entry.json_file.path
    data = read_hashed(folder, entry.json_file)
    raw = parse_object(
        data,
        file,
        max_objects=_OBJECTS,
        max_lists=_LISTS,
        max_items=100 * entry.num_shifters + _OBJECTS,
    )
    del data
    if raw.get("schema") != LAYER_SCHEMA:
        raise ChipFileError(f"{file}: is not a layer of a bundle")
    record = _validate(LayerRecord, raw, file)
    del raw
    if (record.name, record.first_id) != (entry.name, entry.first_id):
        raise ChipFileError(
            f"{file}: is of layer {record.name!r} from shifter {record.first_id}, "
            f"expected {entry.name!r} from {entry.first_id}"
        )
    table = _slots(entry)
    if record.shifters != table:
        raise ChipFileError(f"{file}: its shifters are not those of the layouts in the manifest")
    _check_columns(file, record, entry, hardware)
    return _settings(file, record, entry, hardware)


def _slots(entry: LayerEntry) -> ShifterTable:
    layer = f"{MANIFEST_FILE}: layer {entry.name!r}"
    try:
        table = shifter_table(entry.u_layout.wiring(), entry.v_layout.wiring())
    except ValueError as error:
        raise ChipFileError(f"{layer}: {error}") from error
    if len(table.role) * entry.num_tiles != entry.num_shifters:
        raise ChipFileError(f"{layer}: `num_shifters` does not fit its tiles and meshes")
    return table


def _check_columns(
    file: str, record: LayerRecord, entry: LayerGrid, hardware: HardwareConfig
) -> None:
    for key in _COLUMNS:
        values = getattr(record, key)
        if isinstance(values, list) and len(values) != entry.num_shifters:
            raise ChipFileError(
                f"{file}: `{key}` must hold {entry.num_shifters} values, got {len(values)}"
            )
    if (record.dac_code is not None) != (hardware.dac_bits is not None):
        raise ChipFileError(f"{file}: `dac_code` contradicts the converter of the hardware")
    if record.dac_code and max(record.dac_code) >= 2 ** (hardware.dac_bits or 0):
        raise ChipFileError(f"{file}: `dac_code` exceeds {hardware.dac_bits} bit")
    for key, ids in (
        ("stuck", record.status.stuck),
        ("dead", record.status.dead),
        ("clipped", record.clipped),
    ):
        first, end = entry.first_id, entry.first_id + entry.num_shifters
        if any(not first <= number < end for number in ids):
            raise ChipFileError(f"{file}: `{key}` names a shifter of another layer")


_COLUMNS = (
    *("phase_rad", "phase_cmd_rad", "bias_rad", "drive_v", "drive_ma", "power_mw"),
    *("dac_code", "dac_module", "dac_channel"),
)


def _settings(
    file: str, record: LayerRecord, entry: LayerEntry, hardware: HardwareConfig
) -> LayerSettings:
    """The record as arrays."""
    try:
        laws = None
        if record.calibration:
            laws = LawSet.of(record.calibration, entry.first_id, entry.num_shifters)
    except DriveLawError as error:
        raise ChipFileError(f"{file}: {error}") from error
    numbers: dict[str, Any] = {}
    for key in _COLUMNS:
        values = getattr(record, key)
        kind = np.int64 if key.startswith("dac_") else np.float64
        numbers[key] = None if values is None else np.array(values, dtype=kind)
    _check_drive(file, numbers, laws, entry)
    bias = np.zeros(entry.num_shifters) if laws is None else laws.bias_rad
    if (numbers.pop("bias_rad") != bias).any():
        raise ChipFileError(f"{file}: `bias_rad` is not `p0` of its calibration laws")
    status = np.full(entry.num_shifters, OK, dtype=np.uint8)
    for number, ids in ((STUCK, record.status.stuck), (DEAD, record.status.dead)):
        status[np.array(ids, dtype=np.int64) - entry.first_id] = number
    fields = entry.model_dump(exclude={"json_file"})
    return LayerSettings(
        grid=LayerGrid.model_validate(fields),
        laws=laws,
        status=status,
        clipped=np.array(record.clipped, dtype=np.int64),
        **numbers,
    )


def _check_drive(
    file: str, numbers: dict[str, Any], laws: LawSet | None, entry: LayerEntry
) -> None:
    """The quantity of each law is given, and nothing without laws."""
    if laws is None:
        if numbers["drive_v"] is not None or numbers["drive_ma"] is not None:
            raise ChipFileError(f"{file}: has drives but no calibration laws")
        return
    is_current = laws.is_current
    for key, is_needed in (("drive_v", ~is_current), ("drive_ma", is_current)):
        values = numbers[key]
        missing = is_needed if values is None else is_needed & np.isnan(values)
        if missing.any():
            name = shifter_name(entry, _slots(entry), int(missing.argmax()))
            raise ChipFileError(f"{file}: `{key}` of {name} is missing")


def _validate(kind: type[_Model], raw: dict[str, Any], file: str) -> _Model:
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        raise ChipFileError(f"{file}: {first_problem(error)}") from error
