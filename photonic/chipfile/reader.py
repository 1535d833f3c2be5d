"""Reading of bundles: nothing is returned unless every hash and every field is right."""

from __future__ import annotations

import hashlib
import math
import os
import reprlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, ValidationError

from photonic.chipfile.inputs import channels_sha256, laws_sha256
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
    CSV_FILE,
    HDF5_FILE,
    LAYER_SCHEMA,
    MANIFEST_FILE,
    MANIFEST_HASH_FILE,
    SCHEMA_VERSION,
    ChipFileError,
    FileEntry,
    Header,
    LayerEntry,
    LayerGrid,
    LayerRecord,
    Manifest,
    ShifterTable,
    layer_file,
)
from photonic.chipfile.safe_files import (
    MAX_MANIFEST_BYTES,
    check_hashed,
    parse_object,
    read_hashed,
    read_small,
)
from photonic.chipfile.words import CONVENTION_TEXT, UNITS, drive_words
from photonic.drive_laws.law_set import LawSet
from photonic.drive_laws.records import DriveLawError
from photonic.hardware import HardwareConfig, first_problem

_Model = TypeVar("_Model", bound=BaseModel)

_MIN_BYTES_PER_SHIFTER = 10
"""Five lists of at least one digit and a comma; a shorter file claims too many shifters."""
_LISTS = 400_000
_OBJECTS = 100_000


def read_export(folder: str | Path) -> ChipExport:
    """The content of a bundle, as its JSON files state it.

    ``checked_export`` compares the numbers with each other and with the tables too.

    Args:
        folder: folder that ``write_export`` wrote.

    Returns:
        Header and layers.

    Raises:
        ChipFileError: if a file is missing, a link, or differs from its hash, or does not satisfy
            the schema, or the folder holds a file that the manifest does not name; in one line.
    """
    folder = Path(folder)
    return read_bundle(folder, read_manifest(folder))


def read_bundle(folder: Path, manifest: Manifest) -> ChipExport:
    """The content of a bundle whose manifest was read; errors as ``read_export``."""
    _check_manifest(manifest)
    _check_folder(folder, manifest)
    layers = tuple(_read_layer(folder, entry, manifest.hardware) for entry in manifest.layers)
    for file in (manifest.csv_file, manifest.hdf5_file):
        if file is not None:
            check_hashed(folder, file)
    _check_inputs(manifest, layers)
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


def read_manifest(folder: Path, sha256: str | None = None) -> Manifest:
    """The manifest of a bundle, validated field by field.

    Args:
        folder: folder of the bundle.
        sha256: hash that was kept elsewhere; None trusts the one beside the manifest.

    Raises:
        ChipFileError: if it cannot be read, differs from its hash, or is of another schema.
    """
    expected = read_small(folder, MANIFEST_HASH_FILE, 1000)
    data = read_small(folder, MANIFEST_FILE, MAX_MANIFEST_BYTES)
    found = hashlib.sha256(data).hexdigest()
    if sha256 is not None and sha256.strip().lower() != found:
        raise ChipFileError(
            f"{MANIFEST_FILE}: its SHA-256 is {found}, not {reprlib.repr(sha256)}: not the bundle "
            "that the hash was kept of"
        )
    if expected != f"{found}  {MANIFEST_FILE}\n".encode():
        raise ChipFileError(f"{MANIFEST_FILE}: edited or truncated: its SHA-256 differs")
    raw = parse_object(
        data, MANIFEST_FILE, max_objects=_OBJECTS, max_lists=_LISTS, max_items=len(data)
    )
    name, version = raw.get("schema"), raw.get("schema_version")
    if type(version) is int and 1 <= version < SCHEMA_VERSION:
        raise ChipFileError(
            f"{MANIFEST_FILE}: schema version {version} is no longer read; write the files again "
            "with  lightframe export MAPPED --out BUNDLE"
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
    for name, known in (("convention_text", CONVENTION_TEXT), ("units", UNITS)):
        if getattr(manifest, name) != known:
            raise ChipFileError(f"{MANIFEST_FILE}: `{name}` is not what this schema means")
    is_free = manifest.chip is None and not manifest.hardware.is_precompensated
    if manifest.branch == "nearest" and not is_free:
        raise ChipFileError(f"{MANIFEST_FILE}: `branch` nearest: these commands have one branch")
    files = [entry.json_file.path for entry in manifest.layers]
    if len(set(files)) < len(files) or len({e.name for e in manifest.layers}) < len(files):
        raise ChipFileError(f"{MANIFEST_FILE}: two layers share a name or a file")
    first_id = 0
    for number, entry in enumerate(manifest.layers):
        _check_grid(entry)
        if entry.first_id != first_id:
            raise ChipFileError(
                f"{MANIFEST_FILE}: layer {entry.name!r}: must begin with shifter {first_id}, "
                f"got {entry.first_id}"
            )
        _check_name(entry.json_file, layer_file(number, entry.name))
        first_id += entry.num_shifters
    if first_id != manifest.num_shifters or not first_id:
        raise ChipFileError(f"{MANIFEST_FILE}: its layers do not hold `num_shifters` shifters")


def _check_folder(folder: Path, manifest: Manifest) -> None:
    """Files have their names, and there are no others."""
    _check_name(manifest.csv_file, CSV_FILE)
    files = [manifest.csv_file, *(entry.json_file for entry in manifest.layers)]
    if manifest.hdf5_file is not None:
        _check_name(manifest.hdf5_file, HDF5_FILE)
        files.append(manifest.hdf5_file)
    known = {MANIFEST_FILE, MANIFEST_HASH_FILE, *(file.path for file in files)}
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name not in known:
                raise ChipFileError(
                    f"{reprlib.repr(entry.name)} does not belong to the bundle {folder}"
                )


def _check_name(file: FileEntry, name: str) -> None:
    if file.path != name:
        raise ChipFileError(f"{MANIFEST_FILE}: {file.path!r} must be called {name!r}")


def _check_inputs(manifest: Manifest, layers: Sequence[LayerSettings]) -> None:
    """What follows from the settings of all layers is as the manifest states it."""
    stated = {
        "laws_sha256": laws_sha256(layers, manifest.hardware),
        "channels_sha256": channels_sha256(layers),
        "is_clipped": any(len(layer.clipped) for layer in layers),
    }
    for name, value in stated.items():
        if getattr(manifest, name) != value:
            raise ChipFileError(f"{MANIFEST_FILE}: `{name}` is not that of the layers")
    chip = manifest.chip
    if chip is not None and len(chip.weight_norm) != len(layers):
        raise ChipFileError(f"{MANIFEST_FILE}: `weight_norm` must hold {len(layers)} values")


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
