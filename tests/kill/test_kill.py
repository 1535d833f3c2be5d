"""A few kills of the driver, and that it sees what it is for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.kill.compare import contents, difference

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_few_kills_end_in_the_same_bits() -> None:
    command = [sys.executable, "-m", "tests.kill.driver", "--kills=3", "--jobs=train,sweep,export"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "kill: 3 of 3 identical" in done.stdout
    assert "two at once: 3 of 3 identical" in done.stdout
    assert "full disk: 3 of 3 identical" in done.stdout


def test_differences_are_seen_and_times_are_not(tmp_path: Path) -> None:
    for name, seconds in (("a", 1), ("b", 2)):
        folder = tmp_path / name / "deep"
        folder.mkdir(parents=True)
        (folder / "data.bin").write_bytes(b"same")
        (folder / "table.md").write_text(f"{seconds}.00 h\n| none | 4,062 | {seconds}.53 | 0.71 |")
        (folder / "run.json").write_text(f'{{"x": [{{"y": 1, "seconds": {seconds}}}]}}')
    expected, found = contents(tmp_path / "a"), contents(tmp_path / "b")
    assert len(expected) == 3 and difference(expected, found) is None
    assert difference(expected, {}) == "deep/data.bin is missing"
    assert difference(expected, {**found, "x": b""}) == "x is left over"
    assert b"0.71" in expected["deep/table.md"]
    other = {**found, "deep/run.json": b"{}"}
    assert difference(expected, other) == "deep/run.json has other bytes"
