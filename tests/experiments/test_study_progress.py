"""The bar of a study: what it says at the end, and how seldom it looks at all chips."""

import io
from itertools import count

import numpy as np
import pytest
from rich.console import Console

from experiments.study import progress
from experiments.study.evaluate import Task
from experiments.study.schedule import Schedule
from experiments.study.stopping import StoppingRule


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=120)
    monkeypatch.setattr(progress, "console", console)
    return text


def run(schedule: Schedule) -> None:
    with progress.study_progress(schedule) as on_block:
        for task in schedule.tasks():
            schedule.finish(task, np.arange(task.first, task.last, dtype=float))
            on_block(task)


def last_line(screen: io.StringIO) -> str:
    return screen.getvalue().split("\r")[-1]


@pytest.mark.parametrize(("step_s", "looks"), [(0.0, 2), (0.01, 11), (1.0, 101)])
def test_all_chips_are_looked_at_ten_times_a_second(
    screen: io.StringIO, monkeypatch: pytest.MonkeyPatch, step_s: float, looks: int
) -> None:
    """At the first block, when a tenth of a second has passed, and at the end."""
    seen, clock, mean = [0], count(), progress._mean

    def counted(errors: np.ndarray) -> str:
        seen[0] += 1
        return mean(errors)

    monkeypatch.setattr(progress, "_mean", counted)
    monkeypatch.setattr(progress, "monotonic", lambda: next(clock) * step_s)
    run(Schedule(np.full((1, 200), np.nan), 2, StoppingRule(None, 1)))
    assert abs(seen[0] - looks) <= 1  # steps of 0.01 add up to a little less than 0.1
    assert "200/200" in last_line(screen)


def test_the_end_is_shown(screen: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when points stopped early, and after an error."""
    monkeypatch.setattr(progress, "monotonic", lambda: 0.0)
    with pytest.raises(OSError, match="disk"), progress.study_progress(few := stopping()) as block:
        few.finish(Task(0, 0, 2), np.array([1.0, 1.0]))
        block(Task(0, 0, 2))
        few.finish(Task(0, 2, 4), np.array([1.0, 1.0]))
        block(Task(0, 2, 4))
        raise OSError("disk")
    assert "4/4" in last_line(screen)
    assert "MAE 1 +- 0" in last_line(screen)


def stopping() -> Schedule:
    """Of a point that stops after three equal chips."""
    return Schedule(np.full((1, 8), np.nan), 2, StoppingRule(0.1, 3))
