"""Writing of chip files: deterministic bytes, floats that read back bit by bit, all or nothing."""

import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import Tensor

from photonic.chipfile.reader import ChipExport
from photonic.chipfile.records import (
    CONVENTION,
    CSV_COLUMNS,
    LAYER_SCHEMA,
    MANIFEST_FILE,
    MANIFEST_HASH_FILE,
    PROGRAM_SCHEMA,
    SCHEMA_VERSION,
    UNITS,
    ChipFileError,
    LayerRecord,
    Manifest,
    drive_law,
    shifter_table,
)
from photonic.drive import phase_to_code, phase_to_voltage
from photonic.hardware import HardwareConfig, first_problem
from photonic.mesh_state import MESHES, nominal_commands, target_phases
from photonic.program import Program

_Grid = tuple[dict[str, Any], LayerRecord]


def export_program(
    programs: Sequence[Program],
    hardware: HardwareConfig,
    out_dir: str | Path,
    *,
    provenance: Mapping[str, Any],
) -> Path:
    """Write the settings of all phase shifters of a network.

    Args:
        programs: one per layer, with different names.
        hardware: chip that the settings are for.
        out_dir: folder to create; its parents are created too.
        provenance: origin of the weights, anything JSON holds. ``version`` and ``commit`` become
            ``created_by``.

    Returns:
        The folder, with a manifest and per layer a JSON and a CSV file.

    Raises:
        FileExistsError: if ``out_dir`` exists.
        ValueError: if names repeat, a mesh is too large, or the drive cannot reach a phase.
        ChipFileError: if the provenance is not JSON.
    """
    names = [program.name for program in programs]
    if len(set(names)) < len(names):
        raise ValueError(f"layers must have different names, got {names}")
    rest = dict(provenance)
    creator = {key: rest.pop(key, None) for key in ("version", "commit")}
    header = {
        "schema": PROGRAM_SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "created_by": {"program": "lightframe", **creator},
        "provenance": rest,
        "units": UNITS,
        "convention": CONVENTION.model_dump(),
        "hardware": hardware.model_dump(),
        "drive": drive_law(hardware).model_dump(),
    }
    layers = ((_grid(program), _record(program, hardware)) for program in programs)
    return _write_folder(header, layers, Path(out_dir))


def write_export(export: ChipExport, out_dir: str | Path) -> Path:
    """Write an export that was read; the bytes equal those it was read from.

    Raises:
        FileExistsError: if ``out_dir`` exists.
    """
    manifest = export.manifest
    header = manifest.model_dump(by_alias=True, exclude={"layers"})
    grids = (entry.model_dump(exclude={"json_file", "csv_file"}) for entry in manifest.layers)
    return _write_folder(header, zip(grids, export.layers, strict=True), Path(out_dir))


def matrix_sha256(weight: Tensor) -> str:
    """SHA-256 of a matrix as float64, little endian, row by row."""
    array = weight.detach().cpu().numpy().astype("<f8")
    return hashlib.sha256(array.tobytes()).hexdigest()


def _grid(program: Program) -> dict[str, Any]:
    """The manifest entry of a layer, without its files."""
    tile_rows, tile_cols = program.scale.shape
    return {
        "name": program.name,
        "out_features": program.out_features,
        "in_features": program.in_features,
        "tile_rows": tile_rows,
        "tile_cols": tile_cols,
        "u_layout": program.u_layout.to_dict(),
        "v_layout": program.v_layout.to_dict(),
        "scale": program.scale.tolist(),
        "source_matrix_sha256": matrix_sha256(program.weight()),
    }


def _record(program: Program, hardware: HardwareConfig) -> LayerRecord:
    """The settings of a layer."""

    def flat(phases: Mapping[str, Tensor]) -> NDArray[np.float64]:
        return torch.cat([phases[mesh] for mesh in MESHES], dim=-1).flatten().numpy()

    command = flat(nominal_commands(program, hardware).phases)
    has_law, has_codes = hardware.has_drive_law, hardware.dac_bits is not None
    return LayerRecord(
        schema_name=LAYER_SCHEMA,
        schema_version=SCHEMA_VERSION,
        name=program.name,
        shifters=shifter_table(program.u_layout, program.v_layout),
        phase_rad=flat(target_phases(program)).tolist(),
        phase_cmd_rad=command.tolist(),
        voltage_v=phase_to_voltage(command, hardware).tolist() if has_law else None,
        dac_code=phase_to_code(command, hardware).tolist() if has_codes else None,
    )


def _write_folder(header: dict[str, Any], layers: Iterable[_Grid], out_dir: Path) -> Path:
    """Write into a temporary sibling folder and rename it at the end."""
    if out_dir.exists():
        raise FileExistsError(f"{out_dir} exists; chip files are never overwritten")
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    folder = out_dir.with_name(f".{out_dir.name}.{secrets.token_hex(4)}")
    folder.mkdir()
    try:
        entries = [_write_layer(folder, i, grid, record) for i, (grid, record) in enumerate(layers)]
        try:
            manifest = Manifest.model_validate({**header, "layers": entries})
        except ValidationError as error:
            raise ChipFileError(f"{MANIFEST_FILE}: {first_problem(error)}") from error
        data = json.dumps(manifest.model_dump(by_alias=True), indent=1, allow_nan=False) + "\n"
        entry = _write_file(folder, MANIFEST_FILE, data)
        _write_file(folder, MANIFEST_HASH_FILE, f"{entry['sha256']}  {MANIFEST_FILE}\n")
        os.rename(folder, out_dir)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return out_dir


def _write_layer(
    folder: Path, index: int, grid: dict[str, Any], record: LayerRecord
) -> dict[str, Any]:
    """Write both files of a layer; return its manifest entry."""
    stem = f"{index:03d}_" + re.sub(r"[^A-Za-z0-9_-]+", "_", record.name)
    values = _value_texts(record)
    json_file = _write_file(folder, f"{stem}.json", _layer_json(record, values))
    csv_file = _write_file(folder, f"{stem}.csv", _layer_csv(record, values, grid["tile_cols"]))
    return {**grid, "json_file": json_file, "csv_file": csv_file}


def _write_file(folder: Path, name: str, text: str) -> dict[str, str]:
    data = text.encode()
    (folder / name).write_bytes(data)
    return {"path": name, "sha256": hashlib.sha256(data).hexdigest()}


def _value_texts(record: LayerRecord) -> dict[str, list[str] | None]:
    """Values as shortest texts that read back bit by bit; each number is formatted once."""
    phase = list(map(repr, record.phase_rad))
    is_same = record.phase_cmd_rad == record.phase_rad
    return {
        "phase_rad": phase,
        "phase_cmd_rad": phase if is_same else list(map(repr, record.phase_cmd_rad)),
        "voltage_v": None if record.voltage_v is None else list(map(repr, record.voltage_v)),
        "dac_code": None if record.dac_code is None else list(map(str, record.dac_code)),
    }


def _layer_json(record: LayerRecord, values: dict[str, list[str] | None]) -> str:
    head = record.model_dump(by_alias=True, exclude=set(values))
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    for key, texts in values.items():
        lines.append(f'"{key}": ' + ("null" if texts is None else f"[{','.join(texts)}]"))
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _layer_csv(record: LayerRecord, values: dict[str, list[str] | None], tile_cols: int) -> str:
    """One line per shifter, ``CSV_COLUMNS``; texts of a tile are made once and repeated."""
    table = record.shifters
    size, total = len(table.mesh), len(record.phase_rad)
    tiles = total // size
    empty = [""] * total
    blocks = [divmod(tile, tile_cols) for tile in range(tiles)]
    mzi = ["" if number is None else str(number) for number in table.mzi]
    columns = {
        "id": list(map(str, range(total))),
        "column": list(map(str, table.column)) * tiles,
        "mode": list(map(str, table.mode)) * tiles,
        "role": table.role * tiles,
        **{key: empty if texts is None else texts for key, texts in values.items()},
        "channel": list(map(str, range(size))) * tiles,
        "tile_row": [text for row, _ in blocks for text in [str(row)] * size],
        "tile_col": [text for _, col in blocks for text in [str(col)] * size],
        "mesh": table.mesh * tiles,
        "mzi": mzi * tiles,
    }
    rows = zip(*(columns[name] for name in CSV_COLUMNS), strict=True)
    return "\n".join([",".join(CSV_COLUMNS), *map(",".join, rows)]) + "\n"
