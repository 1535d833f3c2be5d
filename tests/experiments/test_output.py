"""Output directories and run records."""

from pathlib import Path

import numpy as np
import pytest

from experiments.output import OutputDirectory, prepare_file, refuse_existing, write_atomic
from experiments.record import RunRecord


def test_the_name_appears_only_when_complete(tmp_path: Path) -> None:
    output = OutputDirectory(tmp_path / "out", {"a": 1})
    output.vector("part", 3, lambda: np.zeros(3))
    write_atomic(output.partial / "result.txt", b"done")
    assert not (tmp_path / "out").exists()
    assert output.finish() == tmp_path / "out"
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["result.txt"]


def test_parts_are_computed_once(tmp_path: Path) -> None:
    first = OutputDirectory(tmp_path / "out", {"a": 1})
    first.vector("part", 3, lambda: np.ones(3))
    again = OutputDirectory(tmp_path / "out", {"a": 1})
    stored = again.vector("part", 3, lambda: pytest.fail("computed twice"))
    assert np.array_equal(stored, np.ones(3))


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY", None])
def test_damaged_parts_are_computed_anew(tmp_path: Path, damage: bytes | None) -> None:
    output = OutputDirectory(tmp_path / "out", {"a": 1})
    output.vector("part", 3, lambda: np.ones(3))
    part = output.partial / "part.npy"
    if damage is None:
        np.save(part, np.ones(1))  # another shape would broadcast silently
    else:
        part.write_bytes(damage)
    assert np.array_equal(output.vector("part", 3, lambda: np.zeros(3)), np.zeros(3))


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    with pytest.raises(FileExistsError, match="nothing was overwritten"):
        refuse_existing(tmp_path)
    OutputDirectory(tmp_path / "out", {"a": 1}).vector("part", 1, lambda: np.zeros(1))
    with pytest.raises(FileExistsError, match="unfinished run with other settings"):
        OutputDirectory(tmp_path / "out", {"a": 2})


def test_a_run_that_did_nothing_yet_leaves_the_name_free(tmp_path: Path) -> None:
    OutputDirectory(tmp_path / "out", {"a": 1})
    OutputDirectory(tmp_path / "out", {"a": 2}).finish()
    assert (tmp_path / "out").is_dir()


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
