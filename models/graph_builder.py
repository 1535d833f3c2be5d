"""Graphs of many crystals, in this process or in several."""

from __future__ import annotations

import functools
import multiprocessing
import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor

from models.crystal import Crystal
from models.graph import CrystalGraph, GraphSettings, SymmetryWarning, build_graph

CRYSTALS_PER_WORKER = 20_000
"""From how many on a further process pays: it takes seconds to start, as long as these graphs."""
CHUNK = 64
"""Crystals that a process is handed at a time."""


def build_graphs(
    crystals: Sequence[Crystal],
    settings: GraphSettings,
    *,
    workers: int | None = None,
    on_graph: Callable[[], None] = lambda: None,
) -> tuple[CrystalGraph, ...]:
    """The graphs of all crystals, in their order and the same for any number of workers.

    Args:
        crystals: any.
        settings: of the graphs.
        workers: processes; 1 stays in this one, None takes as many as pay, one per core at most.
            Processes are spawned, not forked, because threads of torch may be running; a script
            that asks for several must therefore be importable (``if __name__ == "__main__":``).
        on_graph: called after every graph.

    Raises:
        ValueError: if ``workers`` is less than 1.
        CrystalError: as ``build_graph``.
    """
    if workers is not None and workers < 1:
        raise ValueError(f"`workers` must be at least 1, got {workers}")
    count = _worthwhile(len(crystals)) if workers is None else min(workers, len(crystals))
    graphs = []
    if count <= 1:
        for crystal in crystals:
            graphs.append(build_graph(crystal, settings))
            on_graph()
        return tuple(graphs)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=context) as pool:
        build = functools.partial(_build_and_listen, settings=settings)
        for graph, complaints in pool.map(build, crystals, chunksize=CHUNK):
            for text in complaints:
                warnings.warn(text, SymmetryWarning, stacklevel=2)
            graphs.append(graph)
            on_graph()
    return tuple(graphs)


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _worthwhile(num_crystals: int) -> int:
    # Workers of a pool (a scheduler's, for instance) may have no processes of their own.
    if multiprocessing.current_process().daemon:
        return 1
    return min(available_cores(), num_crystals // CRYSTALS_PER_WORKER)


def _build_and_listen(
    crystal: Crystal, settings: GraphSettings
) -> tuple[CrystalGraph, tuple[str, ...]]:
    """The graph and the warnings about it, which nobody would see in a worker."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", SymmetryWarning)
        graph = build_graph(crystal, settings)
    return graph, tuple(str(entry.message) for entry in caught)
