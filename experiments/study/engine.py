"""The engine: keeps workers busy with the blocks of a schedule, and stores what they find."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from distributed import Client

from experiments.study.evaluate import Task, evaluate_block
from experiments.study.flight import Evaluate, TasksInFlight
from experiments.study.inputs import Source
from experiments.study.points import Point
from experiments.study.schedule import Schedule
from experiments.study.store import StudyStore

TASKS_PER_THREAD = 2
"""One that runs and one that waits, so that a worker never idles and few run in vain."""


def run_schedule(
    client: Client,
    schedule: Schedule,
    store: StudyStore,
    source: Source,
    points: Sequence[Point],
    seed: int,
    on_block: Callable[[Task], None],
    evaluate: Evaluate = evaluate_block,
) -> None:
    """Evaluate and store all blocks of a schedule.

    Once a task has failed no other is submitted; those that had finished by then are stored first.

    Args:
        client: of the workers.
        schedule: of the chips that ``store`` does not hold yet.
        store: written by this process alone.
        source: of the inputs of every worker.
        points: settings.
        seed: of the draws of chips.
        on_block: called after each stored block.
        evaluate: run by workers, which must be able to import it.

    Raises:
        ValueError: if a point cannot be evaluated; the message names its values.
        OSError: if workers die again and again, the scheduler is lost, or nothing can be stored.
    """
    tasks, flight = schedule.tasks(), TasksInFlight(client, evaluate, source, points, seed)
    try:
        window = until_resized = TASKS_PER_THREAD * flight.num_threads()
        flight.submit(list(itertools.islice(tasks, window)))
        while flight:
            for task, predictions in flight.results():
                schedule.finish(task, store.write(task, predictions))
                on_block(task)
                until_resized -= 1
            if until_resized <= 0:  # workers of a cluster come and go
                window = until_resized = TASKS_PER_THREAD * flight.num_threads()
            if not flight.has_failed:
                flight.submit(list(itertools.islice(tasks, max(0, window - len(flight)))))
    finally:
        flight.cancel()
