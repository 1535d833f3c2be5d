"""A few hundred hostile inputs, and planted faults that the driver must find."""

import mmap
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.fuzz.driver import Corpus, fuzz, summary
from tests.fuzz.mutations import MUTATIONS, spoilt
from tests.fuzz.workers import BYTES, Refused, Result, results

NUM_SPOILT = 100
"""Spoilt files in a run of all tests; ``make fuzz`` reads 10,000 inputs."""


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return Corpus(seed=1)


def test_real_files_are_read(corpus: Corpus) -> None:
    """Or the spoilt ones would be refused for what was wrong before."""
    subjects = corpus.subjects

    def run(number: int) -> None:
        corpus.read(subjects[number], dict(subjects[number].files))

    # In a process of its own: threads of zarr and dask would be missing in later forks of this one.
    for result in results(run, iter(range(len(subjects))), 1):
        name = subjects[result.number].name
        may_be_refused = name.startswith("words") or name.endswith("xyz")
        assert result.outcome == "read" or may_be_refused, (name, result)


def test_hostile_inputs_are_read_or_refused(corpus: Corpus, tmp_path: Path) -> None:
    offences: list[Result] = []
    counts = fuzz(
        corpus,
        range(corpus.num_hostile + NUM_SPOILT),
        1,
        None,
        lambda result: None if result.outcome in ("read", "refused") else offences.append(result),
    )
    assert not offences, summary(counts) + "\n" + "\n".join(map(str, offences))
    assert counts["read"] > 10 and counts["refused"] > 100


def test_inputs_follow_from_seed_and_number(corpus: Corpus) -> None:
    for number in range(corpus.num_hostile, corpus.num_hostile + 50):
        assert corpus.input(number) == corpus.input(number)
    assert len({str(corpus.input(corpus.num_hostile + n)[1]) for n in range(50)}) > 45


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_every_mutation_takes_every_file(mutation, corpus: Corpus) -> None:
    for seed in range(5):
        for data in (b"", b"x", b"{}", b'{"a": [1, 2.5]}', bytes(range(256))):
            assert isinstance(mutation(data, Random(seed)), bytes)
            assert spoilt("x.safetensors", data, Random(seed)) is not None


def take_too_much() -> None:
    """Ask the system for memory; freed memory of earlier tests could serve Python's allocator."""
    try:
        mmap.mmap(-1, BYTES + (64 << 20))
    except OSError as error:
        raise MemoryError from error


def planted(number: int) -> None:
    """A reader with every fault, by the number of its input."""
    if number == 1:
        raise Refused("one line")
    if number == 2:
        raise Refused("two\nlines")
    if number == 3:
        raise Refused("long " * 200)
    if number == 4:
        [][number]
    if number == 5:
        while True:
            pass
    if number == 6:
        time.sleep(100)
    if number == 7:
        take_too_much()
    if number == 8:
        try:
            take_too_much()
        except MemoryError:
            raise Refused("not a readable structure (MemoryError)") from None
    if number == 9:
        import os

        os._exit(0)
    if number == 10:
        int("x")
    if number == 11:
        raise Refused("\x1b[31m")


def test_planted_faults_are_found() -> None:
    found = {r.number: r.outcome for r in results(planted, iter(range(13)), 2, seconds=2)}
    assert found == {
        0: "read",
        1: "refused",
        2: "traceback",
        3: "traceback",
        4: "traceback",
        5: "hang",
        6: "hang",
        7: "memory",
        8: "memory",
        9: "traceback",
        10: "traceback",
        11: "traceback",
        12: "read",
    }


def test_the_summary_counts_all() -> None:
    def run(number: int) -> None:
        if number % 3 == 0:
            raise Refused("no")

    class Few(Corpus):
        def __init__(self) -> None:
            self.run = run  # type: ignore[method-assign]

    def numbers() -> Iterator[int]:
        yield from range(9)

    counts = fuzz(Few(), numbers(), 1, None)
    assert summary(counts) == (
        "fuzz: 9 inputs: read 6, refused 3, 0 tracebacks, 0 hangs, 0 above 2 GB"
    )
