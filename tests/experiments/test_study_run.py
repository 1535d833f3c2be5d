"""Whole studies on a small network: same bits on any workers, after kills, and for any blocks."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import xarray as xr
from distributed import Client, LocalCluster, Security

from experiments.evaluation import chip_predictions
from experiments.lock import locked
from experiments.study import cluster, run
from experiments.study.changes import changes
from experiments.study.cluster import START_S, connect
from experiments.study.description import StudyError
from experiments.study.evaluate import Task, evaluate_block
from experiments.study.run import Study, Workers
from experiments.study.store import STORE
from experiments.threads import on_threads
from photonic import Chip
from tests.experiments.study_inputs import HERE, mapped_directory, start, study, study_file

INTERRUPTED = "lightframe: interrupted; what is finished is kept"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return study(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def results(small: Study, tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    return small.run(tmp_path_factory.mktemp("out") / "here", HERE, is_resumed=False).load()


def without_command(results: xr.Dataset) -> xr.Dataset:
    """Without the record, which holds the command and the time of a run."""
    return results.load().drop_attrs(deep=False)


def test_a_study_is_what_its_chips_predict(small: Study, results: xr.Dataset) -> None:
    point = small.points[2]
    assert (point.hardware.phase_noise_rad, point.hardware.dac_bits) == (0.1, 6)
    with on_threads(1):
        chip = Chip(point.hardware, small.description.seed, 4, 0.0)
        direct = chip_predictions(small.inputs.mapped, small.inputs.held_out, chip)
    assert np.array_equal(results["error"][2, 4], direct - small.inputs.held_out.truth)
    assert list(results["dac_bits"].values) == [6, 8, 6, 8]
    assert results.attrs["is_complete"] == 1


def test_two_processes_give_the_same_bits(
    small: Study, results: xr.Dataset, tmp_path: Path
) -> None:
    workers = Workers(processes=2, block=1)
    found = small.run(tmp_path / "out", workers, is_resumed=False)
    xr.testing.assert_identical(without_command(found), without_command(results))


def test_a_cluster_that_loses_a_worker_gives_the_same_bits(
    small: Study, results: xr.Dataset, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", memory_limit=None
    ) as two:
        victim = next(iter(two.workers.values())).process.pid
        killer = threading.Thread(target=kill_after_a_block, args=(victim, out), daemon=True)
        killer.start()
        workers = Workers(scheduler=two.scheduler_address, block=1)
        found = small.run(out, workers, is_resumed=False)
        killer.join()
        assert next(iter(two.workers.values())).process.pid != victim
    xr.testing.assert_identical(without_command(found), without_command(results))


def kill_after_a_block(process: int, out: Path) -> None:
    while len(finished_chunks(out)) < 2:
        time.sleep(0.02)
    os.kill(process, signal.SIGKILL)


def test_a_block_is_its_chips_one_by_one(small: Study) -> None:
    def block(first: int, last: int) -> np.ndarray:
        return evaluate_block(small.source, small.points[1], 3, Task(1, first, last))

    assert np.array_equal(block(0, 3), np.concatenate([block(0, 1), block(1, 3)]))


def test_a_killed_study_goes_on_to_the_same_bits(
    small: Study, results: xr.Dataset, tmp_path: Path
) -> None:
    """A process of its own, killed in the middle; while it lives no other may write."""
    out = tmp_path / "out"
    process = start("sweep", study_file(tmp_path), "--out", out, "--block", "1")
    try:
        while process.poll() is None and len(finished_chunks(out)) < 2:
            time.sleep(0.02)
        process.send_signal(signal.SIGSTOP)  # or it could end while the other waits for the lock
        assert process.poll() is None, process.communicate()[1]
        with pytest.raises(FileExistsError, match=f"being written by process {process.pid}"):
            small.run(out, HERE, is_resumed=True)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    kept = finished_chunks(out)
    assert 2 <= len(kept) < 20
    with pytest.raises(FileExistsError, match="holds a study; go on with --resume"):
        small.run(out, HERE, is_resumed=False)
    continued = small.run(out, HERE, is_resumed=True)
    xr.testing.assert_identical(without_command(continued), without_command(results))
    assert {path: finished_chunks(out)[path] for path in kept} == kept


@pytest.mark.parametrize("workers", [None, 1], ids=["here", "processes"])
def test_only_this_machine_reaches_a_study_and_nobody_without_its_certificate(
    workers: int | None,
) -> None:
    """Whoever can talk to a scheduler or a worker of dask can run code in it."""
    this = psutil.Process()
    before = {socket.laddr for socket in listening(this)}
    with connect(workers, None) as client:
        processes = (this, *this.children(recursive=True))
        found = [socket.laddr for one in processes for socket in listening(one)]
        assert {address.ip for address in found} <= {"127.0.0.1"}
        assert set(found) - before
        if workers is None:
            assert client.scheduler.addr.startswith("inproc://")
            return
        of_workers = list(client.nthreads())
        assert len(of_workers) == 1
        for address in (client.scheduler.addr, *of_workers):
            assert address.startswith("tls://127.0.0.1:")
            plain = address.replace("tls://", "tcp://")
            with pytest.raises(OSError), Client(plain, timeout=1):
                pytest.fail("connected without TLS")
            with pytest.raises(OSError), Client(address, security=Security.temporary(), timeout=1):
                pytest.fail("connected with another certificate")
        assert client.submit(abs, -1).result() == 1


def listening(process: psutil.Process) -> list[Any]:
    """Sockets of a process that others can connect to."""
    return [s for s in process.net_connections() if s.status == psutil.CONN_LISTEN]


def test_a_study_that_another_process_made_meanwhile_is_not_taken_over(
    small: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at the directory and its lock."""

    @contextmanager
    def slowly_locked(directory: Path) -> Iterator[None]:
        (directory / STORE).mkdir()
        with locked(directory):
            yield

    monkeypatch.setattr(run, "locked", slowly_locked)
    with pytest.raises(FileExistsError, match="holds a study; go on with --resume"):
        small.run(tmp_path / "out", HERE, is_resumed=False)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"lock", STORE}


def test_ctrl_c_keeps_what_is_finished_and_says_so(tmp_path: Path) -> None:
    """All processes of the terminal get the signal; one line, and no traces of workers."""
    out = tmp_path / "out"
    process = start("sweep", study_file(tmp_path, chips=500), "--out", out, "--workers", "1")
    try:
        while process.poll() is None and not finished_chunks(out):
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=START_S)
    finally:
        process.kill()
        process.communicate()
    assert (process.returncode, errors) == (130, f"{INTERRUPTED}\n")
    assert finished_chunks(out)


def finished_chunks(out: Path) -> dict[Path, int]:
    """Chunks of ``mae``, and when they were written [ns]."""
    chunks = (out / STORE / "mae").glob("[0-9]*/[0-9]*")
    return {p: p.stat().st_mtime_ns for p in chunks if p.name.isdigit()}


def test_a_finished_study_has_nothing_left_to_do(small: Study, tmp_path: Path) -> None:
    few = study(tmp_path, axes={"phase_noise_rad": [0.1]}, chips=2)
    few.run(tmp_path / "out", HERE, is_resumed=True)
    before = finished_chunks(tmp_path / "out")
    few.run(tmp_path / "out", HERE, is_resumed=True)
    assert finished_chunks(tmp_path / "out") == before
    other = study(tmp_path, axes={"phase_noise_rad": [0.1]}, chips=3)
    with pytest.raises(StudyError, match=r"holds another study.*study.chips \(was 2, is 3\)"):
        other.run(tmp_path / "out", HERE, is_resumed=True)


def test_another_checkpoint_is_named(small: Study, tmp_path: Path) -> None:
    other = study(tmp_path, mapped=str(mapped_directory(seed=1)))
    names = [change.split(" ")[0] for change in changes(small.record, other.record)]
    assert names == ["checkpoint_sha256", "mapping_sha256"]


def test_a_point_stops_where_one_with_other_blocks_does(tmp_path: Path) -> None:
    early = study(tmp_path, axes={"phase_noise_rad": [0.001]}, chips=9, until=0.2, min_chips=3)
    found = [
        early.run(tmp_path / str(block), Workers(block=block), is_resumed=False) for block in (2, 5)
    ]
    xr.testing.assert_identical(*map(without_command, found))
    assert int(found[0]["mae"].notnull().sum()) == 3


def test_directories_with_other_things_are_left_alone(small: Study, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for is_resumed in (False, True):
        with pytest.raises(FileExistsError, match="nothing was overwritten"):
            small.run(tmp_path, HERE, is_resumed=is_resumed)
    with pytest.raises(NotADirectoryError):
        small.run(tmp_path / "file" / "out", HERE, is_resumed=False)


def test_the_cost_is_counted(small: Study) -> None:
    cost = small.cost()
    assert (cost.num_points, cost.num_evaluations, cost.num_crystals) == (4, 20, 3)
    assert cost.num_bytes == 8 * 20 * (2 * 3 + 3)
    assert cost.seconds > 0


def test_workers_that_cannot_be_had_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="choose one"), connect(1, "tcp://127.0.0.1:9"):
        pytest.fail("connected")
    monkeypatch.setattr(cluster, "CONNECT_S", 0.5)
    message = "no scheduler answers at tcp://127.0.0.1:9"
    with pytest.raises(ConnectionError, match=message), connect(None, "tcp://127.0.0.1:9"):
        pytest.fail("connected")
