"""The store of a study: whole or not at all, labelled, and clear about what went wrong."""

import json
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from experiments.lock import locked
from experiments.record import RunRecord
from experiments.study import open_study, store_format
from experiments.study.changes import changes
from experiments.study.description import StudyError
from experiments.study.evaluate import Task
from experiments.study.store import STORE, StudyStore

NUM_POINTS, NUM_CHIPS, NUM_CRYSTALS = 2, 5, 3
PREDICTIONS = np.random.default_rng(0).normal(2, 1, (NUM_POINTS, NUM_CHIPS, NUM_CRYSTALS))
QUANTITIES = ("error", "deviation", "prediction")


@pytest.fixture(scope="module")
def study_record() -> RunRecord:
    study = {"mapped": "here", "axes": {"phase_noise_rad": [0.0, 0.1]}, "chips": NUM_CHIPS}
    return RunRecord.capture("test", {"study": study, "code_sha256": "0"}, 4, {"d": "1"})


def new_store(folder: Path, record: RunRecord, block: int = 2) -> StudyStore:
    unit = {"units": "eV"}
    crystals = xr.Dataset(
        {"label": ("crystal", np.ones(3), unit), "digital": ("crystal", np.full(3, 1.5), unit)},
        coords={"crystal": ["a", "bc", "d"]},
        attrs={"label_name": "gap"},
    )
    points = {"phase_noise_rad": xr.Variable("point", [0.0, 0.1], {"units": "rad"})}
    return StudyStore.create(
        folder, crystals, points, record, QUANTITIES, num_chips=NUM_CHIPS, block=block
    )


def fill(store: StudyStore, predictions: np.ndarray = PREDICTIONS) -> None:
    for point in range(NUM_POINTS):
        for first in range(0, NUM_CHIPS, store.block):
            last = min(first + store.block, NUM_CHIPS)
            store.write(Task(point, first, last), predictions[point, first:last])


def test_what_is_read_is_what_was_found(tmp_path: Path, study_record: RunRecord) -> None:
    store = new_store(tmp_path, study_record)
    fill(store)
    store.finish([NUM_CHIPS] * NUM_POINTS)
    results = open_study(tmp_path)
    assert results["error"].dims == ("point", "chip", "crystal")
    assert np.array_equal(results["prediction"], PREDICTIONS)
    assert np.array_equal(results["error"], PREDICTIONS - 1)
    assert np.array_equal(results["deviation"], PREDICTIONS - 1.5)
    assert np.array_equal(results["mae"], np.abs(PREDICTIONS - 1).mean(-1))
    assert np.array_equal(results["deviation_rms"], np.sqrt(((PREDICTIONS - 1.5) ** 2).mean(-1)))
    assert results["mae"].attrs["units"] == results["label"].attrs["units"] == "eV"
    assert results["phase_noise_rad"].attrs["units"] == "rad"
    assert list(results["crystal"].values) == ["a", "bc", "d"]
    assert results.attrs["is_complete"] == 1
    assert RunRecord.model_validate_json(results.attrs["record"]) == study_record


def test_metadata_stand_in_one_place(tmp_path: Path, study_record: RunRecord) -> None:
    new_store(tmp_path, study_record)
    text = json.loads((tmp_path / STORE / ".zmetadata").read_text())
    assert "record" in text["metadata"][".zattrs"]
    assert {f"{name}/.zarray" for name in (*QUANTITIES, "mae")} <= text["metadata"].keys()


def test_results_do_not_depend_on_the_chunks(tmp_path: Path, study_record: RunRecord) -> None:
    opened = []
    for block in (1, 2, 3, 7):
        folder = tmp_path / str(block)
        folder.mkdir()
        store = new_store(folder, study_record, block)
        fill(store)
        store.finish([NUM_CHIPS, 3])
        opened.append(open_study(folder).load())
    for other in opened[1:]:
        xr.testing.assert_identical(opened[0], other)
    assert np.isnan(opened[0]["prediction"][1, 3:]).all()
    assert np.isnan(opened[0]["mae"][1, 3:]).all()
    assert np.isfinite(opened[0]["mae"][1, :3]).all()


def test_a_chunk_is_a_task_and_others_wait(tmp_path: Path, study_record: RunRecord) -> None:
    store = new_store(tmp_path, study_record)
    store.write(Task(1, 2, 4), PREDICTIONS[1, 2:4])
    again = StudyStore(tmp_path)
    assert again.block == 2
    expected = np.zeros((NUM_POINTS, NUM_CHIPS), bool)
    expected[1, 2:4] = True
    assert np.array_equal(~np.isnan(again.errors), expected)
    written = [p for p in (tmp_path / STORE / "error").rglob("*") if p.is_file()]
    assert [p.relative_to(tmp_path / STORE / "error").as_posix() for p in sorted(written)][2:] == [
        "1/1/0"
    ]
    assert open_study(tmp_path).attrs["is_complete"] == 0


def test_a_chip_that_overflows_is_evaluated_and_infinitely_wrong(
    tmp_path: Path, study_record: RunRecord
) -> None:
    predictions = PREDICTIONS.copy()
    predictions[0, 1] = np.nan
    store = new_store(tmp_path, study_record)
    fill(store, predictions)
    assert np.isinf(store.errors[0, 1])
    assert not np.isnan(store.errors).any()


@contextmanager
def full_disk() -> Iterator[None]:
    """No file may grow beyond a few bytes: the system refuses writes as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_costs_nothing_that_is_finished(
    tmp_path: Path, study_record: RunRecord
) -> None:
    store = new_store(tmp_path, study_record)
    kept = store.write(Task(0, 0, 2), PREDICTIONS[0, :2])
    with (
        full_disk(),
        pytest.raises(OSError, match=r"cannot be written .*; finished blocks are kept"),
    ):
        store.write(Task(0, 2, 4), PREDICTIONS[0, 2:4])
    again = StudyStore(tmp_path)
    assert np.array_equal(again.errors[0, :2], kept)
    assert np.isnan(again.errors[0, 2:]).all()
    fill(again)
    assert not np.isnan(again.errors).any()


def test_a_block_of_which_a_part_is_missing_is_not_finished(
    tmp_path: Path, study_record: RunRecord
) -> None:
    """Whatever array cannot be written, ``mae`` must not say that the block is there."""
    store = new_store(tmp_path, study_record)
    in_the_way = tmp_path / STORE / "deviation_rms" / "0" / "0"
    in_the_way.mkdir(parents=True)
    with pytest.raises(OSError, match="cannot be written"):
        store.write(Task(0, 0, 2), PREDICTIONS[0, :2])
    assert np.isnan(store.errors).all()


def test_a_store_that_could_not_be_made_is_not_there(
    tmp_path: Path, study_record: RunRecord
) -> None:
    with full_disk(), pytest.raises(OSError, match="cannot be written"):
        new_store(tmp_path, study_record)
    assert not (tmp_path / STORE).exists()
    fill(new_store(tmp_path, study_record))


def test_a_study_that_is_too_large_for_a_store_is_not_begun(
    tmp_path: Path, study_record: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = NUM_POINTS * NUM_CHIPS
    monkeypatch.setattr(store_format, "MOST_EVALUATIONS", most - 1)
    with pytest.raises(StudyError, match=f"at most {most - 1} chips of all points, not {most}"):
        new_store(tmp_path, study_record)
    assert not list(tmp_path.iterdir())


def test_other_directories_hold_no_study(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"holds no study \(results.zarr is missing\)"):
        open_study(tmp_path)
    (tmp_path / STORE).mkdir()
    with pytest.raises(StudyError, match=r"not readable \(.zmetadata is missing\)"):
        open_study(tmp_path)


HOLD = """
import sys, time
from pathlib import Path
from experiments.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_the_lock_of_a_living_process_holds_and_that_of_a_dead_one_does_not(tmp_path: Path) -> None:
    root = Path(__file__).parent.parent.parent
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=root
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        message = f"is being written by process {holder.pid} on "
        with pytest.raises(FileExistsError, match=message), locked(tmp_path):
            pytest.fail("locked twice")
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    with locked(tmp_path):
        assert (tmp_path / "lock").is_file()


def test_changes_are_named_and_places_and_times_are_not(study_record: RunRecord) -> None:
    study = study_record.config["study"]
    moved = {**study_record.config, "study": {**study, "mapped": "elsewhere"}}
    same = {"command": "other", "created": "later", "config": moved}
    assert changes(study_record, study_record.model_copy(update=same)) == []
    other = {"seed": 5, "config": {**study_record.config, "code_sha256": "1"}}
    assert changes(study_record, study_record.model_copy(update=other)) == [
        "code_sha256 (was 0, is 1)",
        "seed (was 4, is 5)",
    ]
    more = {**study_record.config, "study": {**study, "chips": 9}}
    found = changes(study_record, study_record.model_copy(update={"config": more}))
    assert found == [f"study.chips (was {NUM_CHIPS}, is 9)"]
