"""Workers and schedulers that are lost while tasks are in flight: each in a process of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dask
import pytest
from distributed import Client, LocalCluster

from experiments.study import cluster
from experiments.study.cluster import START_S, connect
from experiments.study.engine import run_schedule
from experiments.study.evaluate import Task
from experiments.study.flight import TasksInFlight
from experiments.study.inputs import Source
from experiments.study.points import Point
from tests.experiments.engine_inputs import (
    SOURCE,
    Floats,
    Memory,
    numbered,
    points,
    schedule,
    wait_for_all,
)

LOST = "^the scheduler was lost; finished blocks are kept$"
_CLUSTER = """
import sys, threading
from distributed import LocalCluster
import tests.experiments.engine_inputs
port, options = int(sys.argv[1]), {"processes": False, "dashboard_address": "127.0.0.1:0"}
options |= {"protocol": "tcp", "scheduler_port": port, "memory_limit": None}
cluster = LocalCluster(n_workers=1, threads_per_worker=2, **options)
print(cluster.scheduler_address, flush=True)
threading.Event().wait()
"""


def nothing(task: Task) -> None:
    """On a block."""


@pytest.fixture
def two_processes() -> Iterator[tuple[Client, LocalCluster]]:
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", memory_limit=None
        ) as workers,
        Client(workers, timeout=START_S) as client,
    ):
        yield client, workers


def test_a_task_that_kills_workers_is_named(two_processes: tuple[Client, LocalCluster]) -> None:
    client, _ = two_processes
    store = Memory()
    message = r"^2 workers died one after the other at \(time_s = 1.0\); finished blocks are kept$"
    with pytest.raises(ChildProcessError, match=message):
        run_schedule(client, schedule(2, 3), store, SOURCE, points(2), 0, nothing, deadly)
    assert Task(0, 0, 1) in store.kept
    assert not any(task.point == 1 for task in store.kept)


def deadly(source: Source, point: Point, seed: int, task: Task) -> Floats:
    """Ends the process at the second point."""
    if task.point == 1:
        os._exit(1)
    return numbered(source, point, seed, task)


def test_a_result_lost_with_its_worker_is_found_again(
    two_processes: tuple[Client, LocalCluster],
) -> None:
    """The driver knows that tasks have finished, and has not fetched their results yet."""
    client, workers = two_processes
    flight = TasksInFlight(client, numbered, SOURCE, points(1), 0)
    flight.submit([Task(0, n, n + 1) for n in range(6)])
    wait_for_all(flight)
    holding = {address for addresses in client.who_has().values() for address in addresses}
    victim = next(w for w in workers.workers.values() if w.worker_address in holding)
    os.kill(victim.process.pid, signal.SIGKILL)
    found: dict[Task, Floats] = {}
    while flight:
        found.update(flight.results())
    assert {task: int(result[0, 0]) for task, result in found.items()} == {
        Task(0, n, n + 1): n for n in range(6)
    }


@contextmanager
def cluster_elsewhere(port: int = 0) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A scheduler and a worker in another process; the address."""
    root = Path(__file__).parent.parent.parent
    process = subprocess.Popen(
        [sys.executable, "-c", _CLUSTER, str(port)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Client, subprocess.Popen[str]]]:
    """A client of a cluster in another process."""
    monkeypatch.setattr(cluster, "CONNECT_S", 3)  # after which a client gives up
    with cluster_elsewhere() as (address, process), connect(None, address) as client:
        yield client, process


def lose(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()


@pytest.mark.parametrize("chips", [4, 400])
def test_a_lost_scheduler_is_said_and_finished_blocks_are_kept(
    elsewhere: tuple[Client, subprocess.Popen[str]], chips: int
) -> None:
    """Whether all tasks had been submitted by then or not."""
    client, process = elsewhere
    store = Memory()

    def kill_at_the_third(task: Task) -> None:
        if len(store.kept) == 3:
            lose(process)

    with pytest.raises(ConnectionError, match=LOST):
        run_schedule(
            *(client, schedule(1, chips), store, SOURCE, points(1), 0, kill_at_the_third, slow)
        )
    assert 3 <= len(store.kept) < 8


def slow(source: Source, point: Point, seed: int, task: Task) -> Floats:
    """Slow enough for some to be unfinished when the third is stored."""
    time.sleep(0.3)
    return numbered(source, point, seed, task)


def test_whatever_is_asked_of_a_lost_scheduler_says_so(
    elsewhere: tuple[Client, subprocess.Popen[str]],
) -> None:
    """Gathering, counting threads, and submitting once the client has given up."""
    client, process = elsewhere
    flight = TasksInFlight(client, numbered, SOURCE, points(1), 0)
    assert flight.num_threads() == 2
    flight.submit([Task(0, n, n + 1) for n in range(3)])
    wait_for_all(flight)
    lose(process)
    with pytest.raises(ConnectionError, match=LOST):
        while flight:
            list(flight.results())
    with pytest.raises(ConnectionError, match=LOST):
        flight.num_threads()
    while client.status != "closed":
        time.sleep(0.05)
    with pytest.raises(ConnectionError, match=LOST):
        flight.submit([Task(0, 3, 4)])
    with pytest.raises(ConnectionError, match=LOST):
        flight.num_threads()
    flight.cancel()


def test_a_scheduler_that_was_started_again_knows_no_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the same address, so that the client finds it, and gathers nothing from it."""
    monkeypatch.setattr(cluster, "CONNECT_S", START_S)
    with cluster_elsewhere() as (address, process), connect(None, address) as client:
        flight = TasksInFlight(client, numbered, SOURCE, points(1), 0)
        flight.submit([Task(0, n, n + 1) for n in range(3)])
        wait_for_all(flight)
        lose(process)
        with cluster_elsewhere(int(address.rpartition(":")[2])) as (again, _):
            assert again == address
            while client.status != "running" or not client.nthreads():
                time.sleep(0.05)
            with pytest.raises(ConnectionError, match=LOST):
                while flight:
                    list(flight.results())
