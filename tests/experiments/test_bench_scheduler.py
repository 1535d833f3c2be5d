"""The benchmark of the scheduler runs the real engine; nothing here depends on speed."""

import json
import math
from dataclasses import astuple
from pathlib import Path

import numpy as np
import psutil
import pytest
from distributed import Client, Scheduler, Security

from experiments.bench.scheduler import (
    HeadLoad,
    NoStore,
    empty_block,
    next_mark,
    pretended_store,
    run_empty,
    study_shape,
)
from experiments.bench.scheduler_cluster import crowded_cluster
from experiments.bench.study_store import measure_store
from experiments.study.cluster import connect
from experiments.study.evaluate import Task
from experiments.study.reader import open_study
from experiments.study.store import OF_CHIPS, STORE
from tests.experiments.test_cli import succeeds
from tests.experiments.test_study_run import listening

LOAD = HeadLoad(
    tasks=100,
    workers=4,
    slots=8,
    seconds=2.0,
    scheduler_s=0.5,
    driver_s=0.25,
    pretended_s=1.0,
    store_s=0.0,
    scheduler_peak=1000,
    driver_peak=2000,
    received=30,
    sent=40,
)


@pytest.mark.parametrize(
    ("tasks", "block", "expected"),
    [(100, 1, (1, 100)), (1_000_000, 1, (1000, 1000)), (7, 3, (1, 21)), (600, 4, (3, 1000))],
)
def test_a_study_has_the_tasks_that_were_asked_for(
    tasks: int, block: int, expected: tuple[int, int]
) -> None:
    points, chips = study_shape(tasks, block)
    assert (points, chips) == expected
    assert tasks <= points * chips // block < tasks + max(1, chips // block)


def test_the_engine_runs_every_empty_task_once() -> None:
    seen: list[Task] = []
    shape = study_shape(100, 2)
    with connect(None, None) as client:
        schedule = run_empty(client, NoStore(), shape, 2, 3, seen.append)
    assert schedule.num_open == 0
    assert sorted(map(astuple, seen)) == [(0, first, first + 2) for first in range(0, 200, 2)]


def test_results_of_empty_tasks_reach_the_store(tmp_path: Path) -> None:
    store = pretended_store(tmp_path, 6, block=2, crystals=3)
    with connect(None, None) as client:
        run_empty(client, store, study_shape(6, 2), 2, 3, lambda task: None)
    assert store.seconds > 0
    results = open_study(tmp_path)
    assert results["error"].shape == (1, 12, 3)
    assert not results["error"].any()
    assert not store.errors.any()


def test_the_cost_of_a_store_is_that_of_its_files(tmp_path: Path) -> None:
    """A task adds a file to three arrays of chips each, a file and a folder to two of crystals."""
    store = pretended_store(tmp_path, 10, block=2, crystals=5)
    cost = measure_store(store, 5, chunks=8)
    assert cost.chunks == 8
    files_and_folders = 8 * (3 + 2 * 2)
    assert cost.inodes == files_and_folders + 5  # and a folder of the point in each array
    folders = [tmp_path / STORE / name for name in ("error", "deviation", *OF_CHIPS)]
    files = [p for folder in folders for p in folder.glob("0/**/*") if p.is_file()]
    assert len(files) == 8 * 5
    assert cost.stored == sum(p.stat().st_size for p in files)
    assert cost.allocated >= cost.stored
    assert np.isnan(store.errors).sum() == 2 * 2


def test_rates_are_of_one_core() -> None:
    assert LOAD.rate == 50
    assert LOAD.scheduler_share == 0.25
    assert LOAD.scheduler_rate == 200
    assert LOAD.driver_rate == 400


def test_marks_are_evenly_spread() -> None:
    marks = [100]
    while marks[-1] < 1_000_000:
        marks.append(next_mark(marks[-1]))
    assert marks[:7] == [100, 200, 500, 1000, 2000, 5000, 10_000]
    assert marks[-1] == 1_000_000


@pytest.mark.slow
def test_as_many_messages_are_remembered_as_is_said() -> None:
    """By the scheduler of each worker, and by the driver of the scheduler."""

    def of_scheduler(dask_scheduler: Scheduler) -> list[tuple[int, int]]:
        logs = [comm.recent_message_log for comm in dask_scheduler.stream_comms.values()]
        return [(len(log), log.maxlen) for log in logs]

    with crowded_cluster(2, 1, empty_block, log_length=3) as client:
        run_empty(client, NoStore(), study_shape(40, 1), 1, 1, lambda task: None)
        assert client.run_on_scheduler(of_scheduler) == [(3, 3), (3, 3)]
        assert client.scheduler_comm.recent_message_log.maxlen == 3


def test_nobody_without_the_certificate_can_connect() -> None:
    with crowded_cluster(2, 1, empty_block) as client:
        this = psutil.Process()
        processes = (this, *this.children(recursive=True))
        found = [socket.laddr for one in processes for socket in listening(one)]
        assert len(found) >= 3
        assert {address.ip for address in found} == {"127.0.0.1"}
        for address in (client.scheduler.addr, *client.nthreads()):
            assert address.startswith("tls://127.0.0.1:")
            with pytest.raises(OSError), Client(address, security=Security.temporary(), timeout=1):
                pytest.fail("connected with another certificate")


@pytest.mark.slow
def test_all_processes_are_measured(tmp_path: Path) -> None:
    """Two pretended workers in a process of their own, a scheduler in another."""
    out = succeeds(
        *("bench", "scheduler", "--tasks", "120", "--workers", "2", "--block", "2"),
        *("--store", "--chunks", "3", "--log-length", "9", "--out", "out"),
        cwd=tmp_path,
    )
    assert "store of 3 tasks" in out
    data = json.loads((tmp_path / "out" / "scheduler.json").read_text())
    assert data["record"]["config"]["log_length"] == 9
    assert [load["tasks"] for load in data["loads"]] == [100, 120]
    for load in data["loads"]:
        assert all(math.isfinite(value) and value > 0 for value in load.values()), load
        assert load["workers"] == load["slots"] == 2
        assert load["received"] > 120 and load["sent"] > 120
    first, last = data["loads"]
    assert last["received"] > first["received"]
    assert last["scheduler_s"] > first["scheduler_s"]
    assert data["store"]["chunks"] == 3
    assert not list((tmp_path / "out").glob("tmp*"))
