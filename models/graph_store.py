"""Graphs as a directory of plain arrays: mapped into memory, checked before use, no code in it.

``manifest.json`` holds what the graphs were made from and the size and hash of every array. Nothing
is believed that does not fit to it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from models.crystal import MAX_ATOMIC_NUMBER
from models.files import create_file
from models.graph import CrystalGraph

MANIFEST_FILE = "manifest.json"
FORMAT = "lightframe-graphs"
FORMAT_VERSION = 1

_ARRAYS: dict[str, tuple[Any, tuple[int | None, ...]]] = {
    "counts": (np.int64, (None, 3)),
    "numbers": (np.int64, (None,)),
    "edge_index": (np.int64, (2, None)),
    "edge_vector": (np.float64, (None, 3)),
    "frames": (np.float64, (None, 3, 3)),
    "has_frame_fallback": (np.bool_, (None,)),
}
"""Name to dtype and shape. ``counts`` are sites, edges and frames of each graph; the others hold
all graphs one after the other."""


class GraphStoreError(ValueError):
    """A directory that does not hold the graphs that it should; the message says why."""


class ArrayFile(BaseModel):
    """One array of a store."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    num_bytes: int
    sha256: str


class Manifest(BaseModel):
    """Contents of ``manifest.json``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: str
    format_version: int
    origin: dict[str, Any]
    """What the graphs were made from."""
    arrays: dict[str, ArrayFile]


def write_graphs(graphs: Sequence[CrystalGraph], origin: dict[str, Any], directory: Path) -> None:
    """Write all graphs into an existing, empty directory; the manifest comes last.

    Args:
        graphs: at least one.
        origin: JSON-able description of what they were made from.
        directory: target.
    """
    counts = [(g.num_sites, g.edge_vector.shape[0], g.frames.shape[0]) for g in graphs]
    arrays = {
        "counts": np.array(counts, dtype=np.int64),
        "numbers": np.concatenate([graph.numbers for graph in graphs]),
        "edge_index": np.concatenate([graph.edge_index for graph in graphs], axis=1),
        "edge_vector": np.concatenate([graph.edge_vector for graph in graphs]),
        "frames": np.concatenate([graph.frames for graph in graphs]),
        "has_frame_fallback": np.array([graph.has_frame_fallback for graph in graphs]),
    }
    files = {}
    for name, array in arrays.items():
        path = directory / f"{name}.npy"
        with open(path, "xb") as file:
            np.save(file, array, allow_pickle=False)
        files[name] = ArrayFile(num_bytes=path.stat().st_size, sha256=_file_sha256(path))
    manifest = Manifest(format=FORMAT, format_version=FORMAT_VERSION, origin=origin, arrays=files)
    text = json.dumps(manifest.model_dump(mode="json"), indent=1)
    create_file(directory / MANIFEST_FILE, [f"{text}\n".encode()])


def read_graphs(directory: Path, origin: dict[str, Any]) -> tuple[CrystalGraph, ...]:
    """The graphs of a store, as read-only views of mapped files.

    Args:
        directory: written by ``write_graphs``.
        origin: what the graphs must have been made from.

    Raises:
        GraphStoreError: if a file is missing, truncated or changed, or of another origin.
    """
    try:
        manifest = Manifest.model_validate_json((directory / MANIFEST_FILE).read_bytes())
    except (OSError, ValidationError):
        raise GraphStoreError(f"{directory}: no valid {MANIFEST_FILE}") from None
    if (manifest.format, manifest.format_version) != (FORMAT, FORMAT_VERSION):
        raise GraphStoreError(f"{directory}: another format than {FORMAT} {FORMAT_VERSION}")
    if manifest.origin != origin or manifest.arrays.keys() != _ARRAYS.keys():
        raise GraphStoreError(f"{directory}: graphs of another origin")
    arrays = {name: _map(directory / f"{name}.npy", manifest.arrays[name]) for name in _ARRAYS}
    _check(directory, arrays)
    return _cut(arrays)


def _map(path: Path, expected: ArrayFile) -> NDArray[Any]:
    """The mapped array of a file of this size and hash, as a plain array."""
    try:
        size, digest = path.stat().st_size, _file_sha256(path)
    except OSError as error:
        raise GraphStoreError(f"{path} cannot be read: {error}") from None
    if size != expected.num_bytes:
        raise GraphStoreError(f"{path} is truncated")
    if digest != expected.sha256:
        raise GraphStoreError(f"{path} is damaged (sha256 differs)")
    try:
        # As a plain view: every slice of a memmap object would cost microseconds.
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise GraphStoreError(f"{path} is no plain array: {error}") from None


def _check(directory: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Refuse arrays that do not fit together, or hold what no graph can hold."""
    for name, (dtype, shape) in _ARRAYS.items():
        array = arrays[name]
        fits = array.ndim == len(shape) and all(
            wanted in (None, size) for wanted, size in zip(shape, array.shape, strict=True)
        )
        if array.dtype != dtype or not fits:
            raise GraphStoreError(f"{directory}: {name} has an unexpected dtype or shape")
    counts, index = arrays["counts"], arrays["edge_index"]
    sizes = (arrays["numbers"].size, index.shape[1], arrays["frames"].shape[0])
    is_whole = (
        (counts > 0).all()
        and tuple(counts.sum(axis=0)) == sizes
        and arrays["edge_vector"].shape[0] == sizes[1]
        and arrays["has_frame_fallback"].size == len(counts)
    )
    if not is_whole:
        raise GraphStoreError(f"{directory}: the arrays do not fit together")
    numbers, num_sites = arrays["numbers"], np.repeat(counts[:, 0], counts[:, 1])
    if index.min() < 0 or (index >= num_sites).any():
        raise GraphStoreError(f"{directory}: edges lead to sites that do not exist")
    if numbers.min() < 1 or numbers.max() > MAX_ATOMIC_NUMBER:
        raise GraphStoreError(f"{directory}: unknown elements")


def _cut(arrays: dict[str, NDArray[Any]]) -> tuple[CrystalGraph, ...]:
    ends = np.cumsum(arrays["counts"], axis=0)
    spans = zip((ends - arrays["counts"]).tolist(), ends.tolist(), strict=True)
    fallbacks = arrays["has_frame_fallback"].tolist()
    return tuple(
        CrystalGraph(
            arrays["numbers"][start[0] : end[0]],
            arrays["edge_index"][:, start[1] : end[1]],
            arrays["edge_vector"][start[1] : end[1]],
            arrays["frames"][start[2] : end[2]],
            has_fallback,
        )
        for (start, end), has_fallback in zip(spans, fallbacks, strict=True)
    )


def _file_sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
