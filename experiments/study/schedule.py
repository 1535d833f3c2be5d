"""Schedule: which block of chips comes next, and which points have enough."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from experiments.study.evaluate import Task
from experiments.study.stopping import StoppingRule


class Schedule:
    """The blocks of a study, the first block of every point before the second of any.

    Args:
        errors: (P, C) error of each chip, NaN where none has been evaluated; copied.
        block: chips of a task.
        rule: when a point has enough chips.
    """

    def __init__(self, errors: NDArray[np.float64], block: int, rule: StoppingRule) -> None:
        self.errors = errors.copy()
        self.block = block
        self.rule = rule
        self._enough = [rule.num_chips(row) for row in self.errors]

    @property
    def num_chips(self) -> list[int]:
        """(P,) chips that count at each point: all, or as many as are enough."""
        return [self.errors.shape[1] if n is None else n for n in self._enough]

    @property
    def num_open(self) -> int:
        """Number of chips that are still to be evaluated, unless points stop earlier."""
        return sum(
            int(np.isnan(row[:number]).sum())
            for row, number in zip(self.errors, self.num_chips, strict=True)
        )

    def tasks(self) -> Iterator[Task]:
        """Blocks that are still needed when they are asked for."""
        num_points, num_chips = self.errors.shape
        for first in range(0, num_chips, self.block):
            last = min(first + self.block, num_chips)
            for point in range(num_points):
                if self._needs(point, first, last):
                    yield Task(point, first, last)

    def _needs(self, point: int, first: int, last: int) -> bool:
        enough = self._enough[point]
        counted = last if enough is None else min(last, enough)
        return bool(np.isnan(self.errors[point, first:counted]).any())

    def finish(self, task: Task, errors: NDArray[np.float64]) -> None:
        """Take note of the (n,) errors of a finished task."""
        self.errors[task.point, task.first : task.last] = errors
        self._enough[task.point] = self.rule.num_chips(self.errors[task.point])
