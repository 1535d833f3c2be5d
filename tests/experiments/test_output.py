"""Output directories and run records."""

from pathlib import Path

import numpy as np
import pytest

from experiments.output import OutputDirectory, refuse_existing, write_atomic
from experiments.record import RunRecord


def test_the_name_appears_only_when_complete(tmp_path: Path) -> None:
    output = OutputDirectory(tmp_path / "out", {"a": 1})
    output.array("part", lambda: np.arange(3))
    write_atomic(output.partial / "result.txt", b"done")
    assert not (tmp_path / "out").exists()
    assert output.finish() == tmp_path / "out"
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["result.txt"]


def test_parts_are_computed_once(tmp_path: Path) -> None:
    first = OutputDirectory(tmp_path / "out", {"a": 1})
    first.array("part", lambda: np.arange(3))
    again = OutputDirectory(tmp_path / "out", {"a": 1})
    assert np.array_equal(again.array("part", lambda: pytest.fail("computed twice")), np.arange(3))


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    with pytest.raises(FileExistsError, match="nothing was overwritten"):
        refuse_existing(tmp_path)
    OutputDirectory(tmp_path / "out", {"a": 1})
    with pytest.raises(FileExistsError, match="unfinished run with other settings"):
        OutputDirectory(tmp_path / "out", {"a": 2})


def test_record_names_versions_and_round_trips() -> None:
    record = RunRecord.capture("lightframe x", {"a": 1}, 3, {"dielectric": "00"})
    assert {"lightframe", "torch", "numpy", "python"} <= record.versions.keys()
    assert RunRecord.model_validate_json(record.model_dump_json()) == record
    assert record.commit is None or len(record.commit) == 40
