"""Blocks that fit into memory: counted, refused in time, and true of a process of its own."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.study.description import StudyError
from experiments.study.memory import MemoryNeed, measure_need, parse_memory, peak_bytes
from experiments.study.run import DEFAULT_BLOCK, Workers
from experiments.study.store import StudyStore
from tests.experiments.study_inputs import start, study, study_file

TELL_PEAK = """
import atexit
from experiments.study.memory import peak_bytes
atexit.register(lambda: print("peak", peak_bytes()))
"""


@given(
    fixed=st.integers(0, 10**10),
    chip=st.integers(0, 10**8),
    spare=st.integers(0, 10**10),
    most=st.integers(1, 64),
)
def test_the_largest_block_fits_and_the_next_does_not(
    fixed: int, chip: int, spare: int, most: int
) -> None:
    need, limit = MemoryNeed(fixed, chip), fixed + spare
    block = need.largest_block(limit, most)
    assert 1 <= block <= most
    assert need.with_block(block) <= limit
    assert block == most or need.with_block(block + 1) > limit


def test_too_little_memory_is_refused_with_what_is_needed() -> None:
    with pytest.raises(ValueError, match=r"one chip on these crystals takes 1\.86 GiB"):
        MemoryNeed(2 * 10**9, 1).largest_block(10**9, 4)


@pytest.mark.parametrize("text", ["4GX", "many", "-1GB", "10 kB", ""])
def test_a_size_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"--memory takes .*{re.escape(repr(text))}"):
        parse_memory(text)


def test_sizes_are_read() -> None:
    assert (parse_memory("4GB"), parse_memory("512 MiB")) == (4 * 10**9, 512 * 2**20)


def test_a_chip_needs_its_weights_and_its_predictions(tmp_path: Path) -> None:
    small = study(tmp_path)
    need = measure_need(small.source, small.points[0], 0)
    model = small.inputs.mapped.model
    assert need.chip_bytes > sum(p.nbytes for p in model.network.parameters())
    assert 10**8 < need.fixed_bytes <= peak_bytes()


def test_blocks_follow_the_memory_and_leave_every_process_some(tmp_path: Path) -> None:
    def block(name: str, chips: int, **workers: int) -> int:
        small = study(tmp_path, axes={"phase_noise_rad": [0.1]}, chips=chips)
        small.run(tmp_path / name, Workers(**workers), is_resumed=False)
        return StudyStore(tmp_path / name).block

    plenty = 10**12
    assert block("usual", 5) == DEFAULT_BLOCK
    assert block("eight", 8, memory_bytes=plenty) == 2
    assert block("asked", 8, memory_bytes=plenty, block=8) == 8
    with pytest.raises(ValueError, match="is too little"):
        block("none", 8, memory_bytes=10**6)


def test_a_resumed_study_needs_the_memory_of_its_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = study(tmp_path, chips=4)
    small.run(tmp_path / "out", Workers(block=4), is_resumed=False)
    need = MemoryNeed(10**9, 10**8)
    monkeypatch.setattr("experiments.study.run.measure_need", lambda *_: need)
    enough, too_little = (Workers(memory_bytes=need.with_block(block)) for block in (4, 3))
    small.run(tmp_path / "out", enough, is_resumed=True)
    with pytest.raises(StudyError, match=r"blocks of 4 chips, --memory allows 3"):
        small.run(tmp_path / "out", too_little, is_resumed=True)


@pytest.mark.slow
def test_a_process_stays_within_its_memory(tmp_path: Path) -> None:
    """What a small process says it needs is what it gets along with."""
    path = study_file(tmp_path, axes={"phase_noise_rad": [0.1]}, chips=64)
    refused = start("sweep", path, "--out", tmp_path / "none", "--memory", "2MB")
    message = refused.communicate()[1]
    found = re.search(r"takes (\d+\.\d+) MiB", message)
    assert refused.returncode == 2 and found, message
    need = float(found.group(1)) * 2**20
    limit = int(1.2 * need)
    process = start(
        "sweep", path, "--out", tmp_path / "out", "--memory", str(limit), preparation=TELL_PEAK
    )
    output = process.communicate()[0]
    assert process.returncode == 0
    assert StudyStore(tmp_path / "out").block == 16
    assert int(output.rsplit("peak ", 1)[1]) <= 1.2 * limit
