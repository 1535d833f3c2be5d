"""Output directories and run records."""

import os
import resource
from pathlib import Path

import numpy as np
import pytest

from experiments.output import OutputDirectory, is_finished, prepare_file, refuse_existing
from experiments.record import RunRecord
from photonic.files import write_atomic


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_the_name_appears_only_when_complete(tmp_path: Path) -> None:
    with OutputDirectory(tmp_path / "out", {"a": 1}) as output:
        output.vector("part", 3, lambda: np.zeros(3))
        write_atomic(output.partial / "result.txt", b"done")
        assert not (tmp_path / "out").exists()
        assert output.finish() == tmp_path / "out"
    assert names(tmp_path / "out") == {"result.txt"}
    assert names(tmp_path) == {"out"}


def test_parts_are_computed_once(tmp_path: Path) -> None:
    with OutputDirectory(tmp_path / "out", {"a": 1}) as first:
        first.vector("part", 3, lambda: np.ones(3))
    with OutputDirectory(tmp_path / "out", {"a": 1}) as again:
        stored = again.vector("part", 3, lambda: pytest.fail("computed twice"))
    assert np.array_equal(stored, np.ones(3))


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY", None])
def test_damaged_parts_are_computed_anew(tmp_path: Path, damage: bytes | None) -> None:
    with OutputDirectory(tmp_path / "out", {"a": 1}) as output:
        output.vector("part", 3, lambda: np.ones(3))
        part = output.partial / "part.npy"
        if damage is None:
            np.save(part, np.ones(1))  # another shape would broadcast silently
        else:
            part.write_bytes(damage)
        assert np.array_equal(output.vector("part", 3, lambda: np.zeros(3)), np.zeros(3))


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing")
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(FileExistsError, match="nothing was overwritten"):
            refuse_existing(path)
    with OutputDirectory(tmp_path / "out", {"a": {"b": 1}}) as output:
        output.vector("part", 1, lambda: np.zeros(1))
    message = r"unfinished run with other settings .* \(a\.b \(was 1, is 2\)\)"
    with (
        pytest.raises(FileExistsError, match=message),
        OutputDirectory(tmp_path / "out", {"a": {"b": 2}}),
    ):
        pytest.fail("begun")
    assert names(tmp_path / "out.partial") == {"lock", "part.npy"}


@pytest.mark.parametrize("name", ["run.json", "lock", "thesis.tex"])
def test_a_folder_of_the_user_with_our_name_is_kept(tmp_path: Path, name: str) -> None:
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / name).write_text("mine")
    with (
        pytest.raises(FileExistsError, match=r"not begun by this|not a lock of this program"),
        OutputDirectory(tmp_path / "out", {"a": 1}),
    ):
        pytest.fail("begun")
    assert (tmp_path / "out.partial" / name).read_text() == "mine"
    assert names(tmp_path / "out.partial") == {name}


def test_a_run_that_did_nothing_yet_leaves_the_name_free(tmp_path: Path) -> None:
    with OutputDirectory(tmp_path / "out", {"a": 1}):
        pass
    with OutputDirectory(tmp_path / "out", {"a": 2}) as output:
        output.finish()
    assert names(tmp_path / "out") == set()


def test_a_run_that_fails_leaves_only_what_it_has_kept(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), OutputDirectory(tmp_path / "out", {}):
        _ = 1 / 0
    assert names(tmp_path) == set()
    with pytest.raises(ZeroDivisionError), OutputDirectory(tmp_path / "out", {}) as output:
        output.vector("part", 1, lambda: np.zeros(1))
        _ = 1 / 0
    assert names(tmp_path / "out.partial") == {"lock", "part.npy"}


@pytest.mark.parametrize("largest", [16, 1000])
def test_a_full_disk_at_the_start_leaves_nothing(tmp_path: Path, largest: int) -> None:
    """Not even the lock can be written, or what the run is about."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, hard))
    try:
        with (
            pytest.raises(OSError, match="File too large"),
            OutputDirectory(tmp_path / "out", {"a": "b" * 2000}),
        ):
            pytest.fail("begun")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert names(tmp_path) == set()


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with OutputDirectory(tmp_path / "out", {"a": 1}):
        message = f"out.partial is being written by process {os.getpid()} on"
        with (
            pytest.raises(FileExistsError, match=message),
            OutputDirectory(tmp_path / "out", {"a": 1}),
        ):
            pytest.fail("begun twice")


def test_links_are_refused_wherever_they_are(tmp_path: Path) -> None:
    """Nothing outside is written, emptied or removed."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "part.npy").write_text("mine")
    partial = tmp_path / "out.partial"
    with OutputDirectory(tmp_path / "out", {"a": 1}) as output:
        output.vector("part", 1, lambda: np.zeros(1))
        (partial / "deep").mkdir()
    kept = (partial / "lock").read_bytes()
    for place, target in {
        partial / "part.npy": outside / "part.npy",
        partial / "deep" / "folder": outside,
        partial / "lock": outside / "part.npy",
    }.items():
        place.unlink(missing_ok=True)
        place.symlink_to(target)
        with (
            pytest.raises(FileExistsError, match=r"is a link|not a lock of this program"),
            OutputDirectory(tmp_path / "out", {"a": 1}),
        ):
            pytest.fail("begun")
        place.unlink()
    (partial / "lock").write_bytes(kept)
    os.rename(partial, tmp_path / "elsewhere")
    partial.symlink_to(tmp_path / "elsewhere")
    with (
        pytest.raises(FileExistsError, match="is a link"),
        OutputDirectory(tmp_path / "out", {"a": 1}),
    ):
        pytest.fail("begun")
    assert (outside / "part.npy").read_text() == "mine" and names(outside) == {"part.npy"}


def test_a_hard_link_to_a_file_of_the_user_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    (tmp_path / "out.partial").mkdir()
    os.link(tmp_path / "mine", tmp_path / "out.partial" / "lock")
    with (
        pytest.raises(FileExistsError, match="not a lock of this program"),
        OutputDirectory(tmp_path / "out", {"a": 1}),
    ):
        pytest.fail("begun")
    assert (tmp_path / "mine").read_text() == ""


def test_what_killed_writers_left_inside_is_removed(tmp_path: Path) -> None:
    with OutputDirectory(tmp_path / "out", {"a": 1}) as output:
        output.vector("part", 1, lambda: np.zeros(1))
        (output.partial / f"part.npy.partial-{'0' * 16}").write_text("half")
        (output.partial / "deep").mkdir()
        (output.partial / "deep" / f"x.partial-{'0' * 16}").mkdir()
    with OutputDirectory(tmp_path / "out", {"a": 1}) as output:
        assert names(output.partial) == {"lock", "part.npy", "deep"}
        assert names(output.partial / "deep") == set()


def test_a_finish_that_was_killed_is_completed_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with OutputDirectory(tmp_path / "out", {"a": 1}) as output, monkeypatch.context() as patch:
        output.vector("part", 1, lambda: np.zeros(1))
        write_atomic(output.partial / "result.txt", b"done")
        patch.setattr("experiments.output._drop_parts", lambda directory: None)
        output.finish()
    assert names(tmp_path / "out") == {"lock", "part.npy", "result.txt"}
    with (
        pytest.raises(FileExistsError, match="out exists; nothing was overwritten"),
        OutputDirectory(tmp_path / "out", {"a": 1}),
    ):
        pytest.fail("begun")
    assert names(tmp_path / "out") == {"result.txt"}


def test_finished_folders_of_the_user_are_not_tidied(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for name in ("lock", "data.npy"):
        (tmp_path / "out" / name).write_text("mine")
    assert is_finished(tmp_path / "out")
    assert names(tmp_path / "out") == {"lock", "data.npy"}


def test_a_file_is_prepared_with_its_folder(tmp_path: Path) -> None:
    prepare_file(tmp_path / "new" / "file.json")
    assert (tmp_path / "new").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError, match="nothing was overwritten"):
        prepare_file(tmp_path / "file")


def test_record_names_versions_and_round_trips() -> None:
    record = RunRecord.capture("lightframe x", {"a": 1}, 3, {"dielectric": "00"})
    assert {"lightframe", "torch", "numpy", "python"} <= record.versions.keys()
    assert RunRecord.model_validate_json(record.model_dump_json()) == record
    assert record.commit is None or len(record.commit) == 40
