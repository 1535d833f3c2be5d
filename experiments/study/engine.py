"""The engine: keeps workers busy with the blocks of a schedule, and stores what they find."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from typing import Any

import numpy as np
from distributed import Client, Future, KilledWorker, as_completed
from numpy.typing import NDArray

from experiments.study.evaluate import Task, evaluate_block
from experiments.study.inputs import Source
from experiments.study.points import Point
from experiments.study.schedule import Schedule
from experiments.study.store import StudyStore

Evaluate = Callable[[Source, Point, int, Task], NDArray[np.float64]]
"""Source, point, seed and task to the (num_chips, B) predictions of a block."""
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
    running: dict[Future[Any], Task] = {}

    def submit(task: Task) -> Future[Any]:
        # Not pure: results are kept in the store, never by their hash in the scheduler.
        future = client.submit(evaluate, source, points[task.point], seed, task, pure=False)
        running[future] = task
        return future

    tasks, window = schedule.tasks(), _window(client)
    finished = as_completed(map(submit, list(itertools.islice(tasks, window))))
    try:
        for number, future in enumerate(finished, start=1):
            task = running.pop(future)
            predictions = _result(future, points[task.point])
            schedule.finish(task, store.write(task, predictions))
            on_block(task)
            if number % window == 0:  # workers of a cluster come and go
                window = _window(client)
            missing = max(0, window - len(running))
            finished.update(map(submit, list(itertools.islice(tasks, missing))))
    finally:
        client.cancel(list(running))


def _window(client: Client) -> int:
    """Number of tasks that keep the workers there are busy."""
    return TASKS_PER_THREAD * max(1, sum(client.nthreads().values()))


def _result(future: Future[Any], point: Point) -> NDArray[np.float64]:
    try:
        predictions: NDArray[np.float64] = future.result()
        return predictions
    except KilledWorker as error:
        raise ChildProcessError(
            f"{error.allowed_failures + 1} workers died one after the other at ({point}); finished "
            "blocks are kept"
        ) from error
    except CancelledError as error:
        raise ConnectionError("the scheduler was lost; finished blocks are kept") from error
    except ValueError as error:
        raise ValueError(f"at ({point}): {error}") from error
