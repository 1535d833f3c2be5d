"""What tests of the engine run: tasks of known results, a store in memory, and full batches."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from distributed import Client, LocalCluster
from numpy.typing import NDArray

from experiments.bench.scheduler import NoStore
from experiments.study.evaluate import Task
from experiments.study.flight import TasksInFlight
from experiments.study.inputs import Source
from experiments.study.points import Point
from experiments.study.schedule import Schedule
from experiments.study.stopping import StoppingRule
from photonic import load_hardware

NEVER = StoppingRule(None, 1)
SOURCE = Source("mapped", "0" * 64, "0" * 64, "0" * 64, None)
RAN: list[Task] = []
"""Tasks that workers of this process have run."""
THREADS = 4
WINDOW = 8

Floats = NDArray[np.float64]


class Memory(NoStore):
    """A store that keeps the first number of every chip, by task, in the order of arrival."""

    def __init__(self) -> None:
        self.kept: dict[Task, list[float]] = {}

    def write(self, task: Task, predictions: Floats) -> Floats:
        """(n,) first numbers."""
        assert task not in self.kept
        self.kept[task] = list(predictions[:, 0])
        return predictions[:, 0]


class FullBatches(TasksInFlight):
    """Looks at results only when all tasks that were submitted have finished."""

    def results(self) -> Iterator[tuple[Task, Floats]]:
        """As of ``TasksInFlight``."""
        wait_for_all(self)
        return super().results()


def wait_for_all(flight: TasksInFlight) -> None:
    """Return when all tasks have finished, and the driver knows."""
    while flight._completed.futures:
        time.sleep(0.01)


def points(number: int) -> list[Point]:
    """Points that differ in their time."""
    hardware = load_hardware("soi_typical")
    return [Point({"time_s": float(p)}, hardware, float(p)) for p in range(number)]


def schedule(num_points: int, num_chips: int, block: int = 1) -> Schedule:
    """Of a study without results, all of whose chips are needed."""
    return Schedule(np.full((num_points, num_chips), np.nan), block, NEVER)


def value(point: Point, seed: int, chip: int) -> float:
    """What ``numbered`` finds for a chip."""
    return 1000 * point.time_s + 100 * seed + chip


def numbered(source: Source, point: Point, seed: int, task: Task) -> Floats:
    """(num_chips, 3) numbers that say which point, seed and chip they stand for."""
    assert source == SOURCE
    RAN.append(task)
    chips = [value(point, seed, chip) for chip in range(task.first, task.last)]
    return np.repeat(np.array(chips)[:, None], 3, axis=1)


@contextmanager
def threads_here(number: int = THREADS) -> Iterator[tuple[Client, LocalCluster]]:
    """A cluster of one worker in this process."""
    RAN.clear()
    options: dict[str, Any] = {
        "processes": False,
        "dashboard_address": "127.0.0.1:0",
        "memory_limit": None,
    }
    with (
        LocalCluster(n_workers=1, threads_per_worker=number, **options) as cluster,
        Client(cluster) as client,
    ):
        yield client, cluster
