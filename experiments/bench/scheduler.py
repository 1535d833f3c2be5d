"""The benchmark of the head of a study: its engine and a scheduler, with tasks that do nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from distributed import Client
from numpy.typing import NDArray

from experiments.bench.scheduler_cluster import (
    LOG_LENGTH,
    Usage,
    crowded_cluster,
    usage_of_scheduler,
    usage_of_workers,
)
from experiments.bench.study_store import StoreCost
from experiments.console import console, print_table
from experiments.number_text import json_text
from experiments.record import RunRecord
from experiments.study.engine import run_schedule
from experiments.study.evaluate import Task
from experiments.study.inputs import Source
from experiments.study.points import Point
from experiments.study.schedule import Schedule
from experiments.study.stopping import StoppingRule
from experiments.study.store import WEIGHT_ERROR, StudyStore
from photonic import load_hardware
from photonic.files import write_atomic

RESULT_FILE = "scheduler.json"
CHIPS_OF_POINT = 1000
"""Chips at each point of the pretended study, at most."""
_HASH = "0" * 64
_FIRST_MARK = 100

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class HeadLoad:
    """What the first tasks of a run have cost its processes.

    Attributes:
        tasks: number of tasks.
        workers: connected to the scheduler.
        slots: tasks that all workers claim to run at once.
        seconds: [s] since the first was submitted.
        scheduler_s: [s] processor time of the scheduler.
        driver_s: [s] that of the process which submits, gathers and stores.
        pretended_s: [s] that of all pretended workers together.
        store_s: [s] wall time of the driver in the store.
        scheduler_peak: [bytes] largest resident memory of the scheduler so far.
        driver_peak: [bytes] that of the driver, with all that it did before.
        received: [bytes] that reached the scheduler.
        sent: [bytes] that left it.
    """

    tasks: int
    workers: int
    slots: int
    seconds: float
    scheduler_s: float
    driver_s: float
    pretended_s: float
    store_s: float
    scheduler_peak: int
    driver_peak: int
    received: int
    sent: int

    @property
    def rate(self) -> float:
        """Tasks per second of wall time, all processes on this machine."""
        return self.tasks / self.seconds

    @property
    def scheduler_share(self) -> float:
        """Processor time of the scheduler over wall time."""
        return self.scheduler_s / self.seconds

    @property
    def scheduler_rate(self) -> float:
        """Tasks per second at which one core for the scheduler alone is full."""
        return self.tasks / self.scheduler_s

    @property
    def driver_rate(self) -> float:
        """Tasks per second at which one core for the driver alone is full."""
        return self.tasks / self.driver_s


def empty_block(source: Source, point: Point, seed: int, task: Task) -> Floats:
    """(num_chips, B) zeros in place of predictions, for ``source.crystals`` crystals.

    It takes what ``evaluate_block`` takes, so that messages are as long as those of a study.
    """
    return np.zeros((task.num_chips, source.crystals or 1))


class TimedStore(StudyStore):
    """A study's store that counts the seconds of ``write``.

    Attributes:
        seconds: [s] so far.
    """

    seconds = 0.0

    def write(self, task: Task, predictions: Floats) -> Floats:
        """As of ``StudyStore``."""
        start = time.perf_counter()
        errors = super().write(task, predictions)
        self.seconds += time.perf_counter() - start
        return errors


class NoStore(TimedStore):
    """A store that keeps nothing; what is left is the cost of the scheduler."""

    def __init__(self) -> None:
        pass

    def write(self, task: Task, predictions: Floats) -> Floats:
        """(num_chips,) zeros."""
        return np.zeros(len(predictions))


def pretended_store(directory: Path, num_tasks: int, block: int, crystals: int) -> TimedStore:
    """An empty store in an existing directory, for as many whole tasks as were asked for at least.

    Args:
        directory: to create it in.
        num_tasks: of the study.
        block: chips of a task.
        crystals: of an evaluation.
    """
    units = {"units": "eV"}
    columns = {name: ("crystal", np.zeros(crystals), units) for name in ("label", "digital")}
    names = np.array([str(number) for number in range(crystals)])
    frame = xr.Dataset(columns, coords={"crystal": names}, attrs={"label_name": "none"})
    num_points, num_chips = study_shape(num_tasks, block)
    points = {"time_s": xr.Variable("point", np.zeros(num_points), {"units": "s"})}
    record = RunRecord.capture(
        "lightframe bench scheduler", {"study": {"axes": {"time_s": [0.0]}}}, 0, {}
    )
    quantities = ("error", "deviation", WEIGHT_ERROR)
    StudyStore.create(
        directory, frame, points, record, quantities, num_chips=num_chips, block=block
    )
    return TimedStore(directory)


def study_shape(num_tasks: int, block: int) -> tuple[int, int]:
    """Points and chips of a study of at least ``num_tasks`` tasks, all of the same size."""
    blocks = min(num_tasks, max(1, CHIPS_OF_POINT // block))
    return -(-num_tasks // blocks), blocks * block


def next_mark(mark: int) -> int:
    """The number after ``mark`` in 1, 2, 5, 10, 20, 50, 100, ..."""
    return mark * 5 // 2 if str(mark).startswith("2") else mark * 2


def measure_scheduler(
    num_tasks: int,
    num_workers: int,
    threads: int,
    block: int,
    crystals: int,
    directory: Path | None = None,
    on_mark: Callable[[HeadLoad], None] = lambda load: None,
    log_length: int = LOG_LENGTH,
) -> list[HeadLoad]:
    """What the head of a study costs after 100, 200, 500, 1,000, ... and all of its tasks.

    Args:
        num_tasks: of the study, rounded up to whole points.
        num_workers: pretended workers.
        threads: that each of them claims.
        block: chips of a task.
        crystals: of an evaluation; results have ``block`` times as many numbers.
        directory: of a store that keeps the results; None keeps none.
        on_mark: called with each entry as it is found.
        log_length: messages that dask remembers of each connection.

    Raises:
        OSError: if the processes do not start, or the store cannot be written.
    """
    shape = study_shape(num_tasks, block)
    if directory is None:
        store: TimedStore = NoStore()
    else:
        store = pretended_store(directory, num_tasks, block, crystals)
    with crowded_cluster(num_workers, threads, empty_block, log_length) as client:
        meter = _Meter(client, store, num_workers, num_workers * threads, on_mark)
        run_empty(client, store, shape, block, crystals, meter.on_block)
        meter.mark()
    return meter.loads


def run_empty(
    client: Client,
    store: StudyStore,
    shape: tuple[int, int],
    block: int,
    crystals: int,
    on_block: Callable[[Task], None],
) -> Schedule:
    """Run the engine of studies on empty tasks, and return the finished schedule.

    Args:
        client: of any workers.
        store: takes the results.
        shape: points and chips.
        block: chips of a task.
        crystals: of an evaluation.
        on_block: called after each task.
    """
    source = Source("mapped", _HASH, _HASH, _HASH, crystals)
    hardware = load_hardware("soi_typical")
    points = [Point({"time_s": float(p)}, hardware, float(p)) for p in range(shape[0])]
    schedule = Schedule(np.full(shape, np.nan), block, StoppingRule(None, 1))
    run_schedule(client, schedule, store, source, points, 0, on_block, empty_block)
    return schedule


class _Meter:
    """Counts tasks and looks at all processes at 100, 200, 500, 1,000, ... of them."""

    def __init__(
        self,
        client: Client,
        store: TimedStore,
        workers: int,
        slots: int,
        on_mark: Callable[[HeadLoad], None],
    ) -> None:
        self.loads: list[HeadLoad] = []
        self._client, self._store, self._on_mark = client, store, on_mark
        self._size = (workers, slots)
        self._tasks, self._next = 0, _FIRST_MARK
        self._before = self._usages()
        self._start = time.perf_counter()

    def _usages(self) -> tuple[Usage, Usage, Usage]:
        return usage_of_scheduler(self._client), Usage.here(), usage_of_workers(self._client)

    def on_block(self, task: Task) -> None:
        self._tasks += 1
        if self._tasks == self._next:
            self._next = next_mark(self._next)
            self.mark()

    def mark(self) -> None:
        if self.loads and self.loads[-1].tasks == self._tasks:
            return
        seconds = time.perf_counter() - self._start
        now = self._usages()
        scheduler_s, driver_s, pretended_s = (
            after.cpu_s - before.cpu_s for before, after in zip(self._before, now, strict=True)
        )
        load = HeadLoad(
            tasks=self._tasks,
            workers=self._size[0],
            slots=self._size[1],
            seconds=seconds,
            scheduler_s=scheduler_s,
            driver_s=driver_s,
            pretended_s=pretended_s,
            store_s=self._store.seconds,
            scheduler_peak=now[0].peak_bytes,
            driver_peak=now[1].peak_bytes,
            received=now[0].received - self._before[0].received,
            sent=now[0].sent - self._before[0].sent,
        )
        self.loads.append(load)
        self._on_mark(load)


def print_head_loads(loads: list[HeadLoad]) -> None:
    """Table of all marks; times are processor times of one task."""
    rows = [
        (
            f"{load.tasks:,}",
            f"{load.workers:,} x {load.slots // load.workers}",
            f"{load.rate:,.0f}",
            f"{load.scheduler_share:.0%}",
            *(
                f"{1e3 * seconds / load.tasks:.2f}"
                for seconds in (load.scheduler_s, load.driver_s, load.pretended_s, load.store_s)
            ),
            f"{(load.received + load.sent) / load.tasks / 1e3:.1f}",
            f"{load.scheduler_peak / 1e6:.0f}",
            f"{load.driver_peak / 1e6:.0f}",
        )
        for load in loads
    ]
    header = (
        *("tasks", "workers", "tasks/s", "sched. core", "sched. ms", "driver ms", "workers ms"),
        *("store ms", "kB/task", "sched. MB", "driver MB"),
    )
    print_table("Empty tasks through the engine of studies", header, rows)


def print_store_cost(cost: StoreCost) -> None:
    """What chunks cost, one line each."""
    console.print(
        f"store of {cost.chunks:,} tasks: {1e3 * cost.write_s / cost.chunks:.2f} ms to write one "
        f"({1e3 * cost.write_cpu_s / cost.chunks:.2f} ms of processor), "
        f"{cost.inodes / cost.chunks:.2f} inodes, {cost.stored / cost.chunks:,.0f} bytes, "
        f"{cost.allocated / cost.chunks:,.0f} on disk; {cost.open_s:.3f} s to open, "
        f"{cost.resume_s:.2f} s to resume ({1e3 * cost.resume_s / cost.chunks:.3f} ms a task)"
    )


def write_scheduler(
    loads: list[HeadLoad], cost: StoreCost | None, record: RunRecord, directory: Path
) -> None:
    """Write ``scheduler.json`` into an existing directory."""
    data = {
        "record": record.model_dump(mode="json"),
        "loads": [asdict(load) | {"rate": load.rate} for load in loads],
        "store": None if cost is None else asdict(cost),
    }
    write_atomic(directory / RESULT_FILE, (json_text(data) + "\n").encode())
