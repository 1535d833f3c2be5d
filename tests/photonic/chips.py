"""A small network with both wirings, its bundles, and forgers of their files."""

import hashlib
import json
from collections.abc import Callable
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
    entry = {"sha256": hashlib.sha256(data).hexdigest(), "num_bytes": len(data)}
    rehash(folder, lambda manifest: manifest["layers"][0]["json_file"].update(entry))
