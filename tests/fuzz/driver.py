"""Inputs by number, hand-made ones first, then spoilt files; run, counted, offenders kept."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random

import torch

from tests.fuzz import Files, Subject
from tests.fuzz.hostile import hostile_inputs
from tests.fuzz.mutations import Content, Special, spoilt
from tests.fuzz.subjects import subjects
from tests.fuzz.workers import Result, results

SPARSE = 1 << 40
"""Bytes of a file of nothing."""


class Corpus:
    """All real files, and the inputs that are made of them.

    Args:
        seed: of all changes; an input is known by seed and number.
    """

    def __init__(self, seed: int) -> None:
        torch.set_num_threads(1)
        self.seed = seed
        self.subjects = subjects()
        self._by_name = {subject.name: subject for subject in self.subjects}
        self._hostile = list(hostile_inputs())

    @property
    def num_hostile(self) -> int:
        """Inputs made by hand; they have the first numbers."""
        return len(self._hostile)

    def input(self, number: int) -> tuple[Subject, Files]:
        """The reader and the files of an input."""
        if number < len(self._hostile):
            name, changed = self._hostile[number]
            subject = self._by_name[name]
            return subject, {**subject.files, **changed}
        rng = Random(f"{self.seed}/{number}")
        [subject] = rng.choices(self.subjects, [s.weight for s in self.subjects])
        files: Files = dict(subject.files)
        name = rng.choice(sorted(files))
        files[name] = spoilt(name, subject.files[name], rng)
        if rng.random() < 0.7:
            subject.seal(files)
        return subject, files

    def run(self, number: int) -> None:
        """Read an input in a folder of its own."""
        subject, files = self.input(number)
        self.read(subject, files)

    def read(self, subject: Subject, files: Files) -> None:
        """Read files in a folder of their own; raises what the reader raises."""
        place = Path(tempfile.mkdtemp(prefix="lightframe-fuzz-"))
        try:
            write(files, place)
            subject.read(place)
        finally:
            shutil.rmtree(place, ignore_errors=True)


def write(files: Files, place: Path) -> None:
    """Put the files of an input into a folder."""
    for name, content in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            _put_special(content, path)


def _put_special(content: Content, path: Path) -> None:
    targets = {Special.DEVICE: "/dev/zero", Special.LOOP: path, Special.NOWHERE: path / "none"}
    if content is Special.PIPE:
        os.mkfifo(path)
    elif content is Special.FOLDER:
        path.mkdir()
    elif content is Special.SPARSE:
        path.touch()
        os.truncate(path, SPARSE)
    elif isinstance(content, Special):
        path.symlink_to(targets[content])


def fuzz(
    corpus: Corpus,
    numbers: Iterable[int],
    num_workers: int,
    offenders: Path | None,
    on_result: Callable[[Result], None] = lambda result: None,
) -> Counter[str]:
    """Outcomes of inputs, counted.

    Args:
        corpus: of files.
        numbers: of the inputs.
        num_workers: processes.
        offenders: folder for the files and messages of inputs that were neither read nor refused.
        on_result: called with every result.
    """
    counts: Counter[str] = Counter()
    for result in results(corpus.run, iter(numbers), num_workers):
        counts[result.outcome] += 1
        if offenders is not None and result.outcome not in ("read", "refused"):
            _keep(corpus, result, offenders)
        on_result(result)
    return counts


def _keep(corpus: Corpus, result: Result, offenders: Path) -> None:
    subject, files = corpus.input(result.number)
    folder = offenders / f"{result.outcome}-{subject.name.replace(' ', '-')}-{result.number}"
    shutil.rmtree(folder, ignore_errors=True)
    write(files, folder / "input")
    (folder / "message.txt").write_text(f"{subject.name}\n{result}\n{result.detail}\n")


def summary(counts: Counter[str]) -> str:
    """The line that a run ends with."""
    return (
        f"fuzz: {counts.total():,} inputs: read {counts['read']:,}, "
        f"refused {counts['refused']:,}, {counts['traceback']} tracebacks, {counts['hang']} hangs, "
        f"{counts['memory']} above 2 GB"
    )
