"""The engine on tasks that do nothing: what is submitted, gathered, stored, and raised when."""

import time
from collections.abc import Iterator

import numpy as np
import pytest
from distributed import Client, LocalCluster

from experiments.study import engine, flight
from experiments.study.engine import run_schedule
from experiments.study.evaluate import Task
from experiments.study.flight import TasksInFlight
from experiments.study.inputs import Source
from experiments.study.points import Point
from experiments.study.schedule import Schedule
from experiments.study.stopping import StoppingRule
from tests.experiments.engine_inputs import (
    RAN,
    SOURCE,
    WINDOW,
    Floats,
    FullBatches,
    Memory,
    numbered,
    points,
    schedule,
    threads_here,
    value,
    wait_for_all,
)

SEED = 7


@pytest.fixture
def here() -> Iterator[tuple[Client, LocalCluster]]:
    with threads_here() as both:
        yield both


@pytest.fixture
def client(here: tuple[Client, LocalCluster]) -> Client:
    return here[0]


@pytest.fixture
def full_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "TasksInFlight", FullBatches)


def nothing(task: Task) -> None:
    """On a block."""


def tasks_of(number: int) -> list[Task]:
    return [Task(0, n, n + 1) for n in range(number)]


def num_messages(cluster: LocalCluster) -> int:
    """Messages with new tasks that the scheduler has taken."""
    events = cluster.scheduler.get_events("scheduler")
    return sum(1 for _, event in events if event.get("action") == "update-graph")


@pytest.mark.parametrize(("num_points", "chips", "block"), [(1, 1, 1), (3, 50, 4), (20, 25, 1)])
def test_every_result_goes_to_its_task(
    client: Client, num_points: int, chips: int, block: int
) -> None:
    store, plan, seen = Memory(), schedule(num_points, chips, block), list[Task]()
    at = points(num_points)
    run_schedule(client, plan, store, SOURCE, at, SEED, seen.append, numbered)
    expected = {
        task: [value(at[task.point], SEED, chip) for chip in range(task.first, task.last)]
        for task in schedule(num_points, chips, block).tasks()
    }
    assert store.kept == expected
    assert seen == list(store.kept)
    assert len(RAN) == len(expected)
    assert plan.num_open == 0


def test_tasks_travel_together(here: tuple[Client, LocalCluster]) -> None:
    """As many as one message takes, each with its own arguments."""
    client, cluster = here
    few = TasksInFlight(client, numbered, SOURCE, points(1), SEED)
    few.submit(tasks_of(20))
    wait_for_all(few)
    assert num_messages(cluster) == 1
    RAN.clear()
    number = 2 * flight.TOGETHER + 1
    tasks = TasksInFlight(client, numbered, SOURCE, points(1), SEED)
    tasks.submit([])
    tasks.submit(tasks_of(number))
    wait_for_all(tasks)
    assert num_messages(cluster) == 1 + 3
    assert sorted(RAN, key=lambda task: task.first) == tasks_of(number)
    pieces = []
    while tasks:
        pieces.append(len(list(tasks.results())))
    assert pieces == [1, flight.TOGETHER, flight.TOGETHER]


def test_results_that_are_large_come_in_pieces(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flight, "TRANSFER_BYTES", 3 * 24 + 23)
    tasks = TasksInFlight(client, numbered, SOURCE, points(1), SEED)
    tasks.submit(tasks_of(8))
    wait_for_all(tasks)
    assert [len(list(tasks.results())) for _ in range(4)] == [1, 3, 3, 1]
    assert not tasks


def test_no_result_is_kept_from_an_equal_task(client: Client) -> None:
    flights = [TasksInFlight(client, numbered, SOURCE, points(1), SEED) for _ in range(2)]
    for each in flights:
        each.submit(tasks_of(5))
    for each in flights:
        wait_for_all(each)
    assert len(RAN) == 10


def test_what_is_in_flight_does_not_grow(here: tuple[Client, LocalCluster]) -> None:
    client, cluster = here
    held: list[tuple[int, int]] = []

    def look(task: Task) -> None:
        held.append((len(client.futures), len(cluster.scheduler.tasks)))

    run_schedule(client, schedule(4, 100), Memory(), SOURCE, points(4), SEED, look, numbered)
    futures, tasks = np.max(held, axis=0)
    assert futures <= WINDOW + 1  # the one whose result is being stored
    assert tasks <= 3 * WINDOW  # some have been released, and the message is on its way
    assert_idle(client, cluster)


def assert_idle(client: Client, cluster: LocalCluster) -> None:
    """Neither the driver nor the scheduler holds a task, soon."""
    for _ in range(1000):
        if cluster.scheduler.tasks:
            time.sleep(0.02)
    assert not cluster.scheduler.tasks
    assert not client.futures


def test_a_window_follows_the_workers() -> None:
    """From one thread to three and back."""
    in_flight: list[int] = []
    with threads_here(1) as (client, cluster):

        def rescale(task: Task) -> None:
            in_flight.append(len(client.futures))
            for at, number in ((10, 3), (100, 1)):
                if len(in_flight) == at:
                    cluster.scale(number)
                    while len(client.nthreads()) != number:
                        time.sleep(0.01)

        run_schedule(client, schedule(1, 200), Memory(), SOURCE, points(1), SEED, rescale, numbered)
    assert max(in_flight[:10]) <= 2 + 1
    assert 3 + 1 < max(in_flight[10:100]) <= 6 + 1
    assert max(in_flight[120:]) <= 2 + 1


@pytest.mark.usefixtures("full_batches")
def test_a_point_that_has_enough_in_the_middle_of_a_batch_starts_no_more(client: Client) -> None:
    """All chips of the first point agree, those of the second never do."""
    rule, store = StoppingRule(0.1, 3), Memory()
    plan = Schedule(np.full((2, 40), np.nan), 1, rule)
    run_schedule(client, plan, store, SOURCE, points(2), SEED, nothing, agreeing)
    assert plan.num_chips == [3, 40]
    assert plan.num_open == 0
    ran = [sum(task.point == point for task in RAN) for point in range(2)]
    assert ran[1] == 40
    assert 3 <= ran[0] <= (WINDOW + 1 + 1) // 2 + 1  # what had been submitted with the first three
    assert set(store.kept) == set(RAN)


def agreeing(source: Source, point: Point, seed: int, task: Task) -> Floats:
    """(1, 1) the same number at the first point, at others one that alternates."""
    RAN.append(task)
    return np.array([[1.0 if point.time_s == 0 else 1.0 + 0.9 * (-1) ** task.first]])


@pytest.mark.usefixtures("full_batches")
@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError, r"^at \(time_s = 1.0\): task \(1, 1\)$"),
        (FileNotFoundError, r"^task \(1, 1\)$"),
        (ZeroDivisionError, r"^task \(1, 1\)$"),
    ],
)
def test_what_a_task_raises_is_raised_after_the_others_are_stored(
    here: tuple[Client, LocalCluster], error: type[Exception], message: str
) -> None:
    """It fails in a batch of eight, before most of the others; nothing is submitted then."""
    client, cluster = here
    store, evaluate = Memory(), {e.__name__: f for e, f in FAILING.items()}[error.__name__]
    with pytest.raises(error, match=message):
        run_schedule(client, schedule(2, 40), store, SOURCE, points(2), SEED, nothing, evaluate)
    assert len(RAN) == WINDOW + 1  # one result came alone and made place for another
    assert set(store.kept) == set(RAN) - {Task(1, 1, 2)}
    assert_idle(client, cluster)


def _fail(error: type[Exception], point: Point, seed: int, task: Task) -> Floats:
    found = numbered(SOURCE, point, seed, task)
    if (task.point, task.first) == (1, 1):
        raise error("task (1, 1)")
    return found


def value_error(source: Source, point: Point, seed: int, task: Task) -> Floats:
    return _fail(ValueError, point, seed, task)


def file_error(source: Source, point: Point, seed: int, task: Task) -> Floats:
    return _fail(FileNotFoundError, point, seed, task)


def other_error(source: Source, point: Point, seed: int, task: Task) -> Floats:
    return _fail(ZeroDivisionError, point, seed, task)


FAILING = {
    ValueError: value_error,
    FileNotFoundError: file_error,
    ZeroDivisionError: other_error,
}


@pytest.mark.usefixtures("full_batches")
def test_two_that_fail_in_a_batch_are_one_error(client: Client) -> None:
    store = Memory()
    with pytest.raises(ValueError, match=r"^at \(time_s = 0.0\): chip [24]$"):
        run_schedule(client, schedule(1, 40), store, SOURCE, points(1), SEED, nothing, even_fails)
    assert sorted(task.first for task in store.kept) == [0, 1, 3, 5, 6, 7, 8]


def even_fails(source: Source, point: Point, seed: int, task: Task) -> Floats:
    if task.first in (2, 4):
        raise ValueError(f"chip {task.first}")
    return numbered(source, point, seed, task)


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_end_forced_here_leaves_nothing_behind(
    here: tuple[Client, LocalCluster], error: type[BaseException]
) -> None:
    """Ctrl-C, or a disk that is full; what waits is not started."""
    client, cluster = here
    store = Memory()

    def stop(task: Task) -> None:
        if len(store.kept) == 20:
            raise error("enough")

    with pytest.raises(error, match="enough") as kept:  # with all that its frames refer to
        run_schedule(client, schedule(2, 500), store, SOURCE, points(2), SEED, stop, numbered)
    assert kept.traceback
    assert len(store.kept) == 20
    assert_idle(client, cluster)
    assert len(RAN) <= 20 + 2 * WINDOW
