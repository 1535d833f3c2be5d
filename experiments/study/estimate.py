"""What a study will cost, from a few evaluations that are timed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from experiments.study.description import StudyDescription
from experiments.study.evaluate import Task, evaluate_block
from experiments.study.inputs import Source
from experiments.study.points import Point

PER_CHIP = 2
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
    """The cost, from the time of one chip at the first, the middle and the last point."""
    timed = [points[0], points[len(points) // 2], points[-1]]
    task = Task(0, 0, 1)
    evaluate_block(source, points[0], study.seed, task)  # compiles and fills caches
    start = time.perf_counter()
    for point in timed:
        evaluate_block(source, point, study.seed, task)
    seconds = (time.perf_counter() - start) / len(timed)
    evaluations = len(points) * study.chips
    numbers = len(study.quantities) * num_crystals + PER_CHIP
    return StudyCost(
        len(points), evaluations, num_crystals, evaluations * seconds, 8 * evaluations * numbers
    )
