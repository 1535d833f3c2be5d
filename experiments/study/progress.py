"""Progress of a study: chips done, rate, time left, and the running error of a point."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from experiments.console import console
from experiments.study.evaluate import Task
from experiments.study.schedule import Schedule

REFRESH_S = 0.1
"""[s] between changes of the bar: all chips of a point are looked at for its mean."""


@contextmanager
def study_progress(schedule: Schedule) -> Iterator[Callable[[Task], None]]:
    """A bar over the chips that are still to be evaluated; the yielded function takes a block.

    The total shrinks as points stop early. Beside it: chips per second, and the mean error over the
    chips of the last point with its standard error.
    """
    columns = (
        TextColumn("Chips"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.fields[rate]} {task.fields[mean]}", markup=False),
    )
    done, last, shown_at = 0, None, -math.inf
    with Progress(*columns, console=console) as bar:
        shown = bar.add_task("", total=schedule.num_open, rate="", mean="")

        def show(task: Task) -> None:
            speed = bar.tasks[0].speed
            bar.update(
                shown,
                completed=done,
                total=done + schedule.num_open,
                rate="" if speed is None else f"{speed:.3g}/s",
                mean=_mean(schedule.errors[task.point]),
            )

        def advance(task: Task) -> None:
            nonlocal done, last, shown_at
            done, last, now = done + task.num_chips, task, monotonic()
            if now - shown_at >= REFRESH_S:
                shown_at = now
                show(task)

        try:
            yield advance
        finally:
            if last is not None:
                show(last)


def _mean(errors: np.ndarray) -> str:
    known = errors[np.isfinite(errors)]
    if len(known) < 2:
        return ""
    return f"MAE {known.mean():.4g} +- {known.std(ddof=1) / np.sqrt(len(known)):.1g}"
