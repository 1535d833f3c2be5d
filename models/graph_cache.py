"""Graphs that are built once and kept on disk, for one data set and one choice of settings.

An entry appears under its name only when complete. Several processes may build the same one at a
time: all of them succeed and one entry stays. A damaged entry is built anew.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
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
from models.graph import CrystalGraph, GraphSettings
from models.graph_builder import build_graphs
from models.graph_store import FORMAT_VERSION, GraphStoreError, read_graphs, write_graphs

CACHE_VARIABLE = "LIGHTFRAME_CACHE"
PARTIAL = ".partial-"
"""Between the name of an entry and a random part, while it is being written or removed."""
PARTIAL_LIFETIME_S = 24 * 3600
"""Age from which a partial entry is taken to be left over from a killed process."""
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
        _remove_leftovers(entry.parent)
        partial = _new_partial(entry)
        try:
            write_graphs(graphs, origin, partial)
            _publish(partial, origin, entry)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return read_graphs(entry, origin)
    except OSError as error:
        _warn(error)
    except GraphStoreError:  # another process has just replaced the entry
        pass
    return graphs


def _publish(partial: Path, origin: dict[str, Any], entry: Path) -> None:
    """Give a complete entry its name, unless another process was faster."""
    try:
        os.replace(partial, entry)
        return
    except OSError:  # a directory with files cannot be replaced
        if not entry.exists():
            raise
    try:
        read_graphs(entry, origin)
    except GraphStoreError:
        damaged = _new_partial(entry)
        os.replace(entry, damaged)
        os.replace(partial, entry)
        shutil.rmtree(damaged, ignore_errors=True)


def _new_partial(entry: Path) -> Path:
    return Path(tempfile.mkdtemp(prefix=entry.name + PARTIAL, dir=entry.parent))


def _remove_leftovers(root: Path) -> None:
    for path in root.glob(f"*{PARTIAL}*"):
        if time.time() - path.stat().st_mtime > PARTIAL_LIFETIME_S:
            shutil.rmtree(path, ignore_errors=True)


def _warn(error: Exception) -> None:
    warnings.warn(f"graphs are not kept: {error}", GraphCacheWarning, stacklevel=3)
