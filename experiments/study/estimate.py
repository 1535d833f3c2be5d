"""What a study will cost, from a few evaluations that are timed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from experiments.study.closed_forms import dearest_of_kinds, expected_error
from experiments.study.description import StudyDescription
from experiments.study.evaluate import Task, evaluate_block
from experiments.study.fields import LAYOUT, REMEDY
from experiments.study.inputs import Source
from experiments.study.points import Point

PER_CHIP = 3
"""Numbers that are kept of a chip, beside those of its crystals."""


@dataclass(frozen=True)
class StudyCost:
    """Size of a study; with ``until`` at most this.

    Attributes:
        num_points: settings.
        num_evaluations: (point, chip) pairs.
        num_crystals: crystals of an evaluation.
        seconds: [s] on one worker.
        num_bytes: on disk, before compression.
    """

    num_points: int
    num_evaluations: int
    num_crystals: int
    seconds: float
    num_bytes: int


def study_cost(
    study: StudyDescription, source: Source, points: Sequence[Point], num_crystals: int
) -> StudyCost:
    """The cost, from the time of one chip at one point of every layout and remedy, and of one form.

    Remedies that measure a chip take minutes for it, here as well.
    """
    kinds: dict[tuple[object, ...], list[Point]] = {}
    for point in points:
        kind = tuple(point.values.get(name) for name in (*LAYOUT, REMEDY))
        kinds.setdefault(kind, []).append(point)
    task = Task(0, 0, 1)
    evaluate_block(source, points[0], study.seed, task)  # compiles and fills caches
    total = 0.0
    for members in kinds.values():
        start = time.perf_counter()
        evaluate_block(source, members[len(members) // 2], study.seed, task)
        total += len(members) * (time.perf_counter() - start)
    seconds = total / len(points)
    evaluations = len(points) * study.chips
    numbers = len(study.quantities) * num_crystals + PER_CHIP
    seconds = evaluations * seconds + _seconds_of_forms(study, source, points)
    return StudyCost(len(points), evaluations, num_crystals, seconds, 8 * evaluations * numbers)


def _seconds_of_forms(study: StudyDescription, source: Source, points: Sequence[Point]) -> float:
    """[s] that all closed forms take on one worker, from that of one point."""
    dearest, number = dearest_of_kinds(points)
    if dearest is None or not study.closed_forms:
        return 0.0
    start = time.perf_counter()
    expected_error(source, dearest, study.seed, Task(0, 0, 1))
    return number * (time.perf_counter() - start)
