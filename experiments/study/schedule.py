"""Schedule: which block of chips comes next, and which points have enough."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from experiments.study.evaluate import Task
from experiments.study.stopping import StoppingRule, Watch

_STRIDE = 1024
"""Chips that are looked at together."""


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
        self._known = [_first_open(row, 0) for row in self.errors]
        self._watches = [Watch(rule) for _ in self.errors]
        self._enough = [
            watch.extend(row[:known])
            for watch, row, known in zip(self._watches, self.errors, self._known, strict=True)
        ]
        self._num_open = sum(
            self._open(point, 0, self.errors.shape[1]) for point in range(len(self.errors))
        )

    @property
    def num_chips(self) -> list[int]:
        """(P,) chips that count at each point: all, or as many as are enough."""
        return [self.errors.shape[1] if n is None else n for n in self._enough]

    @property
    def num_open(self) -> int:
        """Number of chips that are still to be evaluated, unless points stop earlier."""
        return self._num_open

    def tasks(self) -> Iterator[Task]:
        """Blocks that are still needed when they are asked for."""
        num_points, num_chips = self.errors.shape
        for first in range(0, num_chips, self.block):
            last = min(first + self.block, num_chips)
            for point in range(num_points):
                if self._needs(point, first, last):
                    yield Task(point, first, last)

    def _needs(self, point: int, first: int, last: int) -> bool:
        return self._open(point, first, last) > 0

    def _open(self, point: int, first: int, last: int) -> int:
        """Chips of a range that count and have not been evaluated."""
        enough = self._enough[point]
        counted = last if enough is None else min(last, enough)
        return int(np.isnan(self.errors[point, first:counted]).sum())

    def finish(self, task: Task, errors: NDArray[np.float64]) -> None:
        """Take note of the (n,) errors of a finished task.

        Only what the task changes is looked at: a study has up to a million chips at a point.
        """
        point, row = task.point, self.errors[task.point]
        self._num_open -= self._open(point, task.first, task.last)
        row[task.first : task.last] = errors
        self._num_open += self._open(point, task.first, task.last)
        before, known = self._known[point], _first_open(row, self._known[point])
        if self._enough[point] is None and known > before:
            enough = self._watches[point].extend(row[before:known])
            if enough is not None:
                self._num_open -= int(np.isnan(row[enough:]).sum())
                self._enough[point] = enough
        self._known[point] = known


def _first_open(row: NDArray[np.float64], start: int) -> int:
    """Number of the first chip from ``start`` on that has not been evaluated."""
    for first in range(start, len(row), _STRIDE):
        is_open = np.isnan(row[first : first + _STRIDE])
        if is_open.any():
            return first + int(is_open.argmax())
    return len(row)
