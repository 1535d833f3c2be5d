"""Writing of bundles: deterministic bytes, floats that read back bit by bit, all or nothing."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from photonic.chipfile.build import ExportOptions, Origin, build_export
from photonic.chipfile.csv_table import csv_chunks
from photonic.chipfile.hdf5_table import has_hdf5, write_hdf5
from photonic.chipfile.layer import DEAD, STUCK, ChipExport, LayerSettings
from photonic.chipfile.records import (
    CSV_FILE,
    HDF5_FILE,
    LAYER_SCHEMA,
    MANIFEST_FILE,
    MANIFEST_HASH_FILE,
    SCHEMA_VERSION,
    FileEntry,
    LayerEntry,
    Manifest,
    layer_file,
)
from photonic.files import create_file, new_folder, refuse_existing
from photonic.hardware import HardwareConfig
from photonic.program import Program

_BLOCK = 1 << 20


def export_program(
    programs: Sequence[Program],
    hardware: HardwareConfig,
    out_dir: str | Path,
    *,
    provenance: Mapping[str, Any],
    options: ExportOptions = ExportOptions(),  # noqa: B008  (frozen)
    has_table: bool | None = None,
) -> Path:
    """Write the settings of all phase shifters of a network: ``build_export``, ``write_export``.

    Args:
        programs: one per layer, with different names.
        hardware: chip that the settings are for.
        out_dir: folder to create; its parents are created too.
        provenance: origin of the weights, anything JSON holds. ``version`` and ``commit`` become
            ``created_by``.
        options: laws, channels, branch, clipping, calibration.
        has_table: as in ``write_export``.

    Returns:
        The folder.

    Raises:
        FileExistsError: if ``out_dir`` exists.
        ValueError: as ``build_export``.
    """
    refuse_existing(Path(out_dir))
    export = build_export(programs, hardware, Origin(provenance), options)
    return write_export(export, out_dir, has_table=has_table)


def write_export(export: ChipExport, out_dir: str | Path, *, has_table: bool | None = None) -> Path:
    """Write an export, built or read; the bytes of a read one equal those it was read from.

    Everything lies in ``<name>.partial-<number>`` until it is complete; a process that is killed
    leaves such a folder, without the hash of a manifest, that no reader accepts and that the next
    export to the same name removes.

    Args:
        export: settings.
        out_dir: folder to create; its parents are created too.
        has_table: write chip.h5; None writes it if h5py is installed.

    Returns:
        The folder.

    Raises:
        FileExistsError: if ``out_dir`` exists.
        ChipFileError: if chip.h5 is asked for and h5py is not installed.
    """
    out_dir = Path(out_dir)
    with new_folder(out_dir) as folder:
        _write_files(export, folder, has_hdf5() if has_table is None else has_table)
    return out_dir


def _write_files(export: ChipExport, folder: Path, has_table: bool) -> None:
    entries = []
    for number, layer in enumerate(export.layers):
        file = _write(folder, layer_file(number, layer.name), _layer_lines(layer))
        entries.append(LayerEntry(**layer.grid.model_dump(), json_file=file.model_dump()))
    csv_file, hdf5_file = _write(folder, CSV_FILE, csv_chunks(export)), None
    if has_table:
        write_hdf5(export, folder / HDF5_FILE)
        hdf5_file = _hashed(folder / HDF5_FILE)
    manifest = Manifest.model_construct(
        **dict(export.header), layers=entries, csv_file=csv_file, hdf5_file=hdf5_file
    )
    text = json.dumps(manifest.model_dump(by_alias=True), indent=1, allow_nan=False) + "\n"
    entry = _write(folder, MANIFEST_FILE, [text.encode()])
    # Last of all: without it nothing is read.
    _write(folder, MANIFEST_HASH_FILE, [f"{entry.sha256}  {MANIFEST_FILE}\n".encode()])


def _layer_lines(layer: LayerSettings) -> Iterable[bytes]:
    """The JSON file of a layer, one key per line."""
    laws = [] if layer.laws is None else layer.laws.to_records()
    bias = layer.bias_rad
    fields = {
        "schema": LAYER_SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "name": layer.name,
        "first_id": layer.grid.first_id,
        "shifters": layer.slots.model_dump(),
        "calibration": [law.model_dump(exclude_none=True) for law in laws],
        "phase_rad": layer.phase_rad,
        "phase_cmd_rad": layer.phase_cmd_rad,
        "bias_rad": float(bias[0]) if (bias == bias[0]).all() else bias,
        "drive_v": layer.drive_v,
        "drive_ma": layer.drive_ma,
        "power_mw": layer.power_mw,
        "dac_code": layer.dac_code,
        "dac_module": layer.dac_module,
        "dac_channel": layer.dac_channel,
        "status": {
            "stuck": layer.ids[layer.status == STUCK],
            "dead": layer.ids[layer.status == DEAD],
        },
        "clipped": layer.clipped,
    }
    for number, (key, value) in enumerate(fields.items()):
        start = b"{\n" if number == 0 else b",\n"
        yield start + orjson.dumps(key) + b": " + _dumps(value)
    yield b"\n}\n"


def _dumps(value: Any) -> bytes:
    """JSON; NaN becomes null."""
    if isinstance(value, np.ndarray):
        value = np.ascontiguousarray(value)
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def _write(folder: Path, name: str, chunks: Iterable[bytes]) -> FileEntry:
    digest, size = hashlib.sha256(), 0

    def counted() -> Iterable[bytes]:
        nonlocal size
        for chunk in chunks:
            digest.update(chunk)
            size += len(chunk)
            yield chunk

    create_file(folder / name, counted())
    return FileEntry(path=name, num_bytes=size, sha256=digest.hexdigest())


def _hashed(path: Path) -> FileEntry:
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        os.fsync(stream.fileno())
        while block := stream.read(_BLOCK):
            digest.update(block)
    return FileEntry(path=path.name, num_bytes=path.stat().st_size, sha256=digest.hexdigest())
