"""A small network with both wirings, its bundles, and forgers of their files."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from photonic.mapping import map_linear
from photonic.program import Program
from photonic.randomness import keyed_generator

PROVENANCE = {"version": "0.1.0", "commit": "abc", "seed": 7, "dataset": {"sha256": "00"}}
FIRST_LAYER = "000_head_first.json"


def mapped(rows: int, cols: int, tile: int | str, name: str, layout: str = "clements") -> Program:
    weight = torch.from_numpy(keyed_generator(0, name).standard_normal((rows, cols)))
    return map_linear(weight, layout=layout, tile=tile, name=name)


def network() -> list[Program]:
    return [mapped(7, 9, 4, "head/first"), mapped(4, 6, "full", "head second", "reck")]


def weights_of(programs: list[Program]) -> dict[str, Tensor]:
    return {program.name: program.weight() for program in programs}


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def rehash(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Edit the manifest and give it a matching hash, as a forger would."""
    manifest = json.loads((folder / "manifest.json").read_text())
    edit(manifest)
    write_manifest(folder, json.dumps(manifest).encode())


def write_manifest(folder: Path, data: bytes) -> None:
    (folder / "manifest.json").write_bytes(data)
    line = f"{hashlib.sha256(data).hexdigest()}  manifest.json\n"
    (folder / "manifest.json.sha256").write_text(line)


def rehash_layer(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Edit the first layer file and give it a matching hash."""
    layer = json.loads((folder / FIRST_LAYER).read_text())
    edit(layer)
    write_layer(folder, json.dumps(layer).encode())


def write_layer(folder: Path, data: bytes) -> None:
    (folder / FIRST_LAYER).write_bytes(data)
    rehash(folder, lambda manifest: manifest["layers"][0]["json_file"].update(entry_of(data)))


def write_table(folder: Path, name: str, data: bytes) -> None:
    """Replace chip.csv or chip.h5 and give it a matching hash."""
    (folder / name).write_bytes(data)
    key = {"chip.csv": "csv_file", "chip.h5": "hdf5_file"}[name]
    rehash(folder, lambda manifest: manifest[key].update(entry_of(data)))


def entry_of(data: bytes) -> dict[str, Any]:
    """Size and hash of a file, as a manifest states them."""
    return {"sha256": hashlib.sha256(data).hexdigest(), "num_bytes": len(data)}


Place = tuple[str | int, ...]
"""Keys and numbers that lead to a value of a JSON record."""


def leaves(record: Any, place: Place = ()) -> Iterator[Place]:
    """Places of all values of a record; of a list only those of the first and the last entry."""
    if isinstance(record, dict):
        for key, value in record.items():
            yield from leaves(value, (*place, key))
    elif isinstance(record, list) and record:
        for number in sorted({0, len(record) - 1}):
            yield from leaves(record[number], (*place, number))
    else:
        yield place


def other_values(value: Any) -> list[Any]:
    """Values that a forger could write instead, of a type that the field may have."""
    if isinstance(value, bool):
        return [not value, None]
    if isinstance(value, int):
        return [value + 1, None]
    if isinstance(value, float):
        return [2.5 * value + 0.125, None]
    if isinstance(value, str):
        is_hash = len(value) == 64 and " " not in value
        return ["0" * 64 if is_hash else f"{value} ", None]
    return [1, "text", "0" * 64, [7], {"a": "0" * 64}, True]


def put(record: Any, place: Place, value: Any) -> None:
    """Write a value at a place of a record."""
    for key in place[:-1]:
        record = record[key]
    record[place[-1]] = value
