"""What a study keeps: on disk in time, whole blocks alone, one line where it cannot write."""

import fcntl
import os
import resource
import struct
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from experiments.study import durable, open_study
from experiments.study.description import StudyError
from experiments.study.durable import PeriodicSync, sync_file_system
from experiments.study.evaluate import Task
from experiments.study.run import Study
from experiments.study.store import STORE, StudyStore
from tests.experiments.study_inputs import HERE, start, study, study_file

AXES = {"phase_noise_rad": [0.01, 0.1]}
FINDINGS = np.linspace(1.0, 2.0, 2 * 4).reshape(2, 4)
"""Predictions of three crystals, and a weight error."""
NO_PRIVILEGES = """
import ctypes
header, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
assert ctypes.CDLL(None).capset(header, none) == 0
"""
"""The rights of the owner of files alone, for the superuser as well."""
_FIEMAP, _UNWRITTEN_YET = 0xC020660B, 0x4
"""Linux: the request for where a file lies on the disk, and the mark of data in memory alone."""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return study(tmp_path_factory.mktemp("small"), axes=AXES)


@pytest.fixture(scope="module")
def results(small: Study, tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    return small.run(tmp_path_factory.mktemp("out") / "here", HERE, is_resumed=False).load()


def data(results: xr.Dataset) -> xr.Dataset:
    """Without the record, which holds the command and the time of a run."""
    return results.load().drop_attrs(deep=False)


def new_store(small: Study, folder: Path) -> StudyStore:
    folder.mkdir()
    return small.start(folder, HERE)


def is_in_memory_alone(path: Path) -> bool:
    """Whether some of a file has no place on the disk yet."""
    request = bytearray(struct.pack("=QQLLLL", 0, 2**64 - 1, 0, 1, 1, 0) + bytes(56))
    with path.open("rb") as file:
        try:
            fcntl.ioctl(file, _FIEMAP, request)
        except OSError:
            pytest.skip("this file system does not say where its files lie")
    flags = struct.unpack_from("=L", request, 32 + 40)[0]
    return bool(flags & _UNWRITTEN_YET)


def test_finished_blocks_reach_the_disk(
    small: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = new_store(small, tmp_path / "late")
    late.write(Task(0, 0, 2), FINDINGS)
    waiting = tmp_path / "late" / STORE / "mae" / "0" / "0"
    if not is_in_memory_alone(waiting):
        pytest.skip("this file system keeps nothing back")
    monkeypatch.setattr(PeriodicSync.__init__, "__defaults__", (0.0,))
    prompt = new_store(small, tmp_path / "prompt")
    prompt.write(Task(0, 0, 2), FINDINGS)
    for name in ("error", "deviation", "weight_error", "deviation_rms", "mae"):
        chunk = tmp_path / "prompt" / STORE / name / "0" / "0"
        assert not is_in_memory_alone(chunk / "0" if chunk.is_dir() else chunk), name
    for name in (".zmetadata", "label/0"):
        assert not is_in_memory_alone(tmp_path / "late" / STORE / name), name


def test_the_word_that_all_is_done_is_on_the_disk(small: Study, tmp_path: Path) -> None:
    store = new_store(small, tmp_path / "out")
    for task in (Task(point, first, first + 2) for point in (0, 1) for first in (0, 2)):
        store.write(task, FINDINGS)
    store.finish([4, 4])
    for name in ("mae/0/0", ".zattrs", ".zmetadata"):
        assert not is_in_memory_alone(tmp_path / "out" / STORE / name), name


def test_a_disk_is_not_waited_for_all_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that takes 2 s is not asked again for the next 40 s."""
    now, asked = [100.0], []

    def slow(path: Path) -> None:
        asked.append(now[0])
        now[0] += 2.0

    monkeypatch.setattr(durable.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(durable, "sync_file_system", slow)
    sync = PeriodicSync(tmp_path)
    for _ in range(100):
        now[0] += 1.0
        sync.if_due()
    assert asked == [105.0, 147.0, 189.0]


def test_a_place_that_is_not_there_cannot_be_synchronised(tmp_path: Path) -> None:
    sync_file_system(tmp_path)
    with pytest.raises(FileNotFoundError, match="none"):
        sync_file_system(tmp_path / "none")


@pytest.mark.parametrize("damage", ["missing", "empty", "empty last array"])
def test_a_block_that_was_cut_off_is_evaluated_again(
    small: Study,
    results: xr.Dataset,
    tmp_path: Path,
    damage: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As files are after a machine has stopped: under their names, but without their content."""
    out = tmp_path / "out"
    small.run(out, HERE, is_resumed=False)
    name = "mae/1/1" if damage == "empty last array" else "error/1/1/0"
    chunk, others = out / STORE / name, sorted((out / STORE).glob("deviation/*/*/0"))
    before = {path: path.stat().st_mtime_ns for path in others}
    chunk.unlink()
    if damage != "missing":
        chunk.touch()
    left = chunk.with_name("0.1f.partial")
    left.write_bytes(b"half")
    fault = "missing" if damage == "missing" else "its length is wrong"
    with pytest.raises(StudyError, match=rf"{name} is broken \({fault}\); --resume evaluates it"):
        open_study(out).load()
    again = small.run(out, HERE, is_resumed=True)
    assert f"broken on disk, made again: {name} ({fault})\n" in capsys.readouterr().out
    assert not left.exists()
    xr.testing.assert_identical(data(again), data(results))
    changed = [path for path in others if path.stat().st_mtime_ns != before[path]]
    assert [path.relative_to(out / STORE).as_posix() for path in changed] == ["deviation/1/1/0"]


def test_chips_without_predictions_are_not_taken_for_broken_ones(
    small: Study, tmp_path: Path
) -> None:
    store = new_store(small, tmp_path / "out")
    store.write(Task(0, 0, 2), np.full((2, 4), np.nan))
    again = StudyStore(tmp_path / "out")
    assert again.repair(xr.Dataset) == {}
    assert np.isinf(again.errors[0, :2]).all()
    store.finish([1, 0])
    assert StudyStore(tmp_path / "out").repair(xr.Dataset) == {}
    again = StudyStore(tmp_path / "out").errors
    assert np.isinf(again[0, 0]) and np.isnan(again[0, 1:]).all()


def test_what_a_run_left_that_was_killed_at_its_start_is_replaced(
    small: Study, results: xr.Dataset, tmp_path: Path
) -> None:
    for number, is_resumed in enumerate((False, True)):
        out = tmp_path / str(number)
        new_store(small, out)
        unfinished = f"{STORE}.partial-{number:016x}"
        (out / STORE).rename(out / unfinished)
        (out / unfinished / "mae" / ".zarray").write_text("half")
        (out / unfinished / ".zattrs").unlink()
        found = small.run(out, HERE, is_resumed=is_resumed)
        xr.testing.assert_identical(data(found), data(results))
        assert not (out / unfinished).exists()


@pytest.mark.parametrize("name", ["lock", STORE])
def test_links_in_a_study_are_refused(small: Study, tmp_path: Path, name: str) -> None:
    """Nothing outside is emptied, written or deleted."""
    for place in ("outside", "out"):
        (tmp_path / place).mkdir()
    (tmp_path / "outside" / "file").write_text("mine")
    target = tmp_path / "outside" / ("file" if name == "lock" else "")
    (tmp_path / "out" / name).symlink_to(target)
    with pytest.raises(FileExistsError, match="link"):
        small.run(tmp_path / "out", HERE, is_resumed=True)
    assert (tmp_path / "out" / name).is_symlink()
    assert [p.read_text() for p in (tmp_path / "outside").iterdir()] == ["mine"]


@pytest.mark.parametrize("largest", [16, 4000])
def test_a_study_that_fails_at_its_start_leaves_nothing(
    small: Study, tmp_path: Path, largest: int
) -> None:
    """Files cannot grow, as on a full disk: not even for the lock, or for the store."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, hard))
    try:
        with pytest.raises(OSError, match="cannot be written"):
            small.run(tmp_path / "out", HERE, is_resumed=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_written_is_one_line(tmp_path: Path, small: Study) -> None:
    """Nothing that is there is lost, and nothing is begun."""
    path, out = study_file(tmp_path, axes=AXES), tmp_path / "out"
    store = new_store(small, out)
    kept = store.write(Task(0, 0, 2), FINDINGS)
    forbidden = tmp_path / "forbidden"
    forbidden.mkdir()
    places = {forbidden: ["--out", forbidden / "new"], out: ["--out", out, "--resume"]}
    places[out / STORE] = places[out]
    for closed, options in places.items():
        _forbid(closed)
        done = start("sweep", path, *options, preparation=NO_PRIVILEGES)
        errors = done.communicate()[1]
        _allow(closed)
        assert done.returncode == 2, errors
        assert errors.count("\n") == 1 and errors.startswith("lightframe: error: "), errors
        assert "ermission denied" in errors and str(closed) in errors
    assert np.array_equal(StudyStore(out).errors[0, :2], kept)
    assert open_study(out).attrs["is_complete"] == 0
    assert not (forbidden / "new").exists()


def _forbid(path: Path) -> None:
    for folder in (path, *(p for p in path.rglob("*") if p.is_dir())):
        os.chmod(folder, 0o500)


def _allow(path: Path) -> None:
    for folder in (path, *(p for p in path.rglob("*") if p.is_dir())):
        os.chmod(folder, 0o700)
