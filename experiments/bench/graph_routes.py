"""Ways from a crystal to its edges or its whole graph, and pools of processes that take them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING

import numpy as np

from models.crystal import Crystal
from models.datasets import dataset_names, load_dataset
from models.graph import GraphSettings, build_graph
from models.neighbours import GROWTH, REACH, nearest_edges

if TYPE_CHECKING:
    from pymatgen.core import Structure

CHUNKS_PER_PROCESS = 8
"""Shares of the crystals that each process of a pool takes, so that all end at about one time."""
Route = Callable[[Sequence[Crystal], GraphSettings], Callable[[], int]]
"""From crystals and settings to a function that makes all edges or graphs and counts the edges."""


def shipped_crystals() -> list[Crystal]:
    """Crystals of all shipped data sets."""
    return [crystal for name in dataset_names() for crystal in load_dataset(name).crystals]


def spread(crystals: list[Crystal], count: int | None) -> list[Crystal]:
    """``count`` of the crystals at equal steps; all of them for None, or if there are no more."""
    if count is None or count >= len(crystals):
        return crystals
    return [crystals[i] for i in np.linspace(0, len(crystals) - 1, count).astype(int)]


def whole_graphs(crystals: Sequence[Crystal], settings: GraphSettings) -> Callable[[], int]:
    """Checks, canonical cell, symmetry, neighbours and frames."""
    return lambda: sum(build_graph(c, settings).edge_vector.shape[0] for c in crystals)


def edges_alone(crystals: Sequence[Crystal], settings: GraphSettings) -> Callable[[], int]:
    """The k nearest neighbours with ties in the cell as given."""
    k, tie = settings.num_neighbours, settings.tie_tolerance
    return lambda: sum(nearest_edges(c, k, tie)[0].shape[1] for c in crystals)


def pymatgen_objects(crystals: Sequence[Crystal], settings: GraphSettings) -> Callable[[], int]:
    """The k nearest of ``Structure.get_all_neighbors``, without ties, in the cell as given."""
    structures = [crystal.to_structure() for crystal in crystals]
    return lambda: sum(_nearest_objects(s, settings.num_neighbours) for s in structures)


def pymatgen_arrays(crystals: Sequence[Crystal], settings: GraphSettings) -> Callable[[], int]:
    """The same from the bare arrays of ``Structure.get_neighbor_list``."""
    structures = [crystal.to_structure() for crystal in crystals]
    return lambda: sum(_nearest_arrays(s, settings.num_neighbours) for s in structures)


ROUTES: dict[str, Route] = {
    "whole graph": whole_graphs,
    "edges alone": edges_alone,
    "pymatgen get_all_neighbors": pymatgen_objects,
    "pymatgen get_neighbor_list": pymatgen_arrays,
}


def _first_radius(structure: Structure, k: int) -> float:
    return REACH * (3 * (k + 1) * structure.volume / len(structure) / (4 * math.pi)) ** (1 / 3)


def _nearest_objects(structure: Structure, k: int) -> int:
    radius = _first_radius(structure, k)
    while min(map(len, neighbours := structure.get_all_neighbors(radius))) < k:
        radius *= GROWTH
    total = 0
    for receiver in neighbours:
        order = np.argsort([neighbour.nn_distance for neighbour in receiver], kind="stable")[:k]
        edges = [(receiver[n].index, receiver[n].image) for n in order]
        total += len(edges)
    return total


def _nearest_arrays(structure: Structure, k: int) -> int:
    radius = _first_radius(structure, k)
    num_sites = len(structure)
    while True:
        receiver, sender, image, length = structure.get_neighbor_list(radius)
        degrees = np.bincount(receiver, minlength=num_sites)
        if degrees.min() >= k:
            break
        radius *= GROWTH
    order = np.lexsort((length, receiver))
    starts = np.cumsum(degrees) - degrees
    nearest = order[(starts[:, None] + np.arange(k)).ravel()]
    return len(np.column_stack([receiver[nearest], sender[nearest], image[nearest]]))


class ProcessRates:
    """A pool of processes that have everything loaded and compiled before they are timed.

    Args:
        processes: number of them.
        samples: name to route and number of shipped crystals, as in ``spread``.
        settings: of the graphs.
    """

    def __init__(
        self,
        processes: int,
        samples: dict[str, tuple[str, int | None]],
        settings: GraphSettings,
    ) -> None:
        self.num_shares = processes * CHUNKS_PER_PROCESS
        self._pool = ProcessPoolExecutor(
            processes, get_context("spawn"), _prepare, (samples, self.num_shares, settings)
        )

    def __enter__(self) -> ProcessRates:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def seconds(self, sample: str) -> float:
        """Wall time of a sample; each process has done a part of it before, untimed."""
        list(self._pool.map(_warm, [sample] * self.num_shares))
        start = time.perf_counter()
        list(self._pool.map(_take, [sample] * self.num_shares, range(self.num_shares)))
        return time.perf_counter() - start


_SHARES: dict[str, list[Callable[[], int]]] = {}
"""Of a process of the pool: the shares of each sample."""


def _prepare(
    samples: dict[str, tuple[str, int | None]], num_shares: int, settings: GraphSettings
) -> None:
    everything = shipped_crystals()
    for name, (route, count) in samples.items():
        crystals = spread(everything, count)
        _SHARES[name] = [
            ROUTES[route](crystals[n::num_shares], settings) for n in range(num_shares)
        ]


def _warm(sample: str) -> int:
    return _SHARES[sample][0]()


def _take(sample: str, share: int) -> int:
    return _SHARES[sample][share]()
