"""When points stop: by the first chips in order, whatever finishes first; and what is scheduled."""

import random
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from experiments.study.evaluate import Task
from experiments.study.schedule import Schedule
from experiments.study.stopping import StoppingRule, Watch

SEEDS = st.integers(0, 2**32 - 1)


def errors_of(seed: int, num_points: int, num_chips: int) -> np.ndarray:
    return 1 + np.random.default_rng(seed).normal(0, 0.2, (num_points, num_chips))


@given(seed=SEEDS, until=st.floats(0.02, 0.3), minimum=st.integers(2, 10))
def test_it_stops_at_the_first_number_that_is_enough(seed: int, until: float, minimum: int) -> None:
    (errors,) = errors_of(seed, 1, 40)

    def is_enough(n: int) -> bool:
        half = student.ppf(0.975, n - 1) * errors[:n].std(ddof=1) / np.sqrt(n)
        return bool(half <= until * errors[:n].mean())

    expected = next((n for n in range(minimum, 41) if is_enough(n)), None)
    assert StoppingRule(until, minimum).num_chips(errors) == expected


@given(seed=SEEDS, known=st.integers(0, 40))
def test_later_chips_change_no_decision(seed: int, known: int) -> None:
    (errors,) = errors_of(seed, 1, 40)
    rule = StoppingRule(0.05, 3)
    first = errors.copy()
    first[known:] = np.nan
    first[known + 1 :: 2] = 7.0  # evaluated ahead of their turn: do not count yet
    decided, final = rule.num_chips(first), rule.num_chips(errors)
    assert decided == (final if final is not None and final <= known else None)


@given(seed=SEEDS, until=st.floats(0.02, 0.3), cuts=st.lists(st.integers(0, 40), max_size=8))
def test_chips_taken_in_pieces_are_enough_at_the_same_number(
    seed: int, until: float, cuts: list[int]
) -> None:
    (errors,) = errors_of(seed, 1, 40)
    rule = StoppingRule(until, 4)
    watch = Watch(rule)
    found = [watch.extend(piece) for piece in np.split(errors, sorted(cuts))]
    assert next((n for n in found if n is not None), None) == rule.num_chips(errors)


@pytest.mark.parametrize("place", [0, 2])
def test_a_chip_without_predictions_keeps_a_point_going(place: int) -> None:
    errors = np.ones(20)
    errors[place] = np.inf
    assert StoppingRule(0.5, 8).num_chips(errors) is None
    assert StoppingRule(0.5, 8).num_chips(np.ones(20)) == 8
    assert StoppingRule(None, 8).num_chips(np.ones(20)) is None


@given(
    seed=SEEDS,
    block=st.integers(1, 9),
    window=st.integers(1, 12),
    until=st.none() | st.floats(0.05, 0.3),
)
def test_the_outcome_depends_neither_on_blocks_nor_on_order(
    seed: int, block: int, window: int, until: float | None
) -> None:
    truth = errors_of(seed, 3, 20)
    rule = StoppingRule(until, 4)
    schedule = Schedule(np.full_like(truth, np.nan), block, rule)
    finish_in_any_order(schedule, truth, window, seed)
    assert schedule.num_chips == [rule.num_chips(row) or 20 for row in truth]
    assert schedule.num_open == 0
    for point, number in enumerate(schedule.num_chips):
        assert np.array_equal(schedule.errors[point, :number], truth[point, :number])
    again = Schedule(schedule.errors, block, rule)
    assert list(again.tasks()) == []


def finish_in_any_order(schedule: Schedule, truth: np.ndarray, window: int, seed: int) -> None:
    """Some tasks run at a time; a random one of them finishes next."""
    choice, tasks = random.Random(seed), schedule.tasks()
    running, seen = list(islice(tasks, window)), set()
    while running:
        task = running.pop(choice.randrange(len(running)))
        assert task not in seen
        seen.add(task)
        schedule.finish(task, truth[task.point, task.first : task.last])
        anew = Schedule(schedule.errors, schedule.block, schedule.rule)
        assert (schedule.num_open, schedule.num_chips) == (anew.num_open, anew.num_chips)
        running += islice(tasks, 1)


def test_every_point_starts_before_any_goes_on() -> None:
    schedule = Schedule(np.full((2, 3), np.nan), 2, StoppingRule(None, 8))
    assert list(schedule.tasks()) == [Task(0, 0, 2), Task(1, 0, 2), Task(0, 2, 3), Task(1, 2, 3)]


def test_a_trimmed_block_of_a_stopped_point_is_not_evaluated_again() -> None:
    errors = np.full((1, 8), np.nan)
    errors[0, :5] = 1.0
    assert list(Schedule(errors, 4, StoppingRule(0.1, 5)).tasks()) == []
