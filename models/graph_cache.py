"""Graphs that are built once and kept on disk, for one data set and one choice of settings.

An entry appears under its name only when complete. Several processes may build the same one at a
time: all of them succeed and one entry stays. A damaged entry is built anew.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import secrets
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from models import (
    basis_order,
    canonical,
    crystal,
    frames,
    graph,
    neighbours,
    reduction,
    symmetry,
)
from models.crystal import Crystal
from models.files import PARTIAL, new_folder, remove_if_abandoned, target_name
from models.graph import CrystalGraph, GraphSettings
from models.graph_builder import build_graphs
from models.graph_store import FORMAT_VERSION, GraphStoreError, read_graphs, write_graphs

CACHE_VARIABLE = "LIGHTFRAME_CACHE"
_SOURCES = (basis_order, canonical, crystal, frames, graph, neighbours, reduction, symmetry)


class GraphCacheWarning(UserWarning):
    """Graphs could not be kept."""


def load_graphs(
    crystals: Sequence[Crystal],
    settings: GraphSettings,
    data_sha256: str,
    *,
    directory: Path | None = None,
    workers: int | None = None,
    on_graph: Callable[[], None] = lambda: None,
) -> tuple[CrystalGraph, ...]:
    """The graphs of a data set, from the cache if it has them; otherwise built and kept.

    Args:
        crystals: of the data set, in its order; at least one.
        settings: of the graphs.
        data_sha256: hash of the data set.
        directory: of the cache; None for ``cache_directory()``.
        workers: as in ``build_graphs``.
        on_graph: called once for every graph.

    Raises:
        CrystalError: as ``build_graph``.

    Warns:
        GraphCacheWarning: if no entry can be written; the graphs are returned all the same.
    """
    origin = graph_origin(settings, data_sha256, len(crystals))
    try:
        root = (cache_directory() if directory is None else directory) / "graphs"
        root.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: the user has no home directory
        _warn(error)
        return build_graphs(crystals, settings, workers=workers, on_graph=on_graph)
    entry = root / _digest(origin)
    try:
        graphs = read_graphs(entry, origin)
    except GraphStoreError:
        graphs = build_graphs(crystals, settings, workers=workers, on_graph=on_graph)
        return _keep(graphs, origin, entry)
    for _ in graphs:
        on_graph()
    return graphs


def cache_directory() -> Path:
    """Where caches of this user lie: $LIGHTFRAME_CACHE, or the place that the system has for them.

    Raises:
        RuntimeError: if the user has no home directory.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "lightframe"


def graph_origin(settings: GraphSettings, data_sha256: str, num_crystals: int) -> dict[str, Any]:
    """All that graphs depend on, the code that makes them included."""
    return {
        "format_version": FORMAT_VERSION,
        "code_sha256": _code_sha256(),
        "data_sha256": data_sha256,
        "num_crystals": num_crystals,
        "settings": settings.model_dump(mode="json"),
    }


@functools.cache
def _code_sha256() -> str:
    digest = hashlib.sha256()
    for module in _SOURCES:
        digest.update(Path(str(module.__file__)).read_bytes())
    return digest.hexdigest()


def _digest(origin: dict[str, Any]) -> str:
    text = json.dumps(origin, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _keep(
    graphs: tuple[CrystalGraph, ...], origin: dict[str, Any], entry: Path
) -> tuple[CrystalGraph, ...]:
    """Write the entry; the same graphs, mapped from it if possible."""
    try:
        for path in entry.parent.iterdir():
            if target_name(path.name):
                remove_if_abandoned(path)
        _discard_damaged(entry, origin)
        with new_folder(entry) as partial:
            write_graphs(graphs, origin, partial)
    except FileExistsError:  # another process was faster, or is at it
        pass
    except OSError as error:
        _warn(error)
    try:
        return read_graphs(entry, origin)
    except GraphStoreError:  # not there yet, or replaced just now
        return graphs


def _discard_damaged(entry: Path, origin: dict[str, Any]) -> None:
    """Give the name of an entry free, unless it is whole by now."""
    if not os.path.lexists(entry):
        return
    try:
        read_graphs(entry, origin)
    except GraphStoreError:
        discarded = entry.with_name(f"{entry.name}{PARTIAL}{secrets.token_hex(8)}")
        with suppress(FileNotFoundError):  # another process has done it
            os.rename(entry, discarded)
            remove_if_abandoned(discarded)


def _warn(error: Exception) -> None:
    warnings.warn(f"graphs are not kept: {error}", GraphCacheWarning, stacklevel=3)
