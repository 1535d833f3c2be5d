"""Tasks that workers have: submitted, awaited and gathered many at a time.

A scheduler takes many tasks in one message several times faster than each in a message of its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
from distributed import CancelledError, Client, Future, KilledWorker, as_completed
from distributed.client import ClosedClientError
from numpy.typing import NDArray

from experiments.study.evaluate import Task
from experiments.study.inputs import Source
from experiments.study.points import Point

TOGETHER = 250
"""Tasks in a message, at most: the scheduler answers nobody while it takes them in."""
TRANSFER_BYTES = 64_000_000
"""Of the results in a message, about, at most: the scheduler holds them all at once."""
_LOST = "the scheduler was lost; finished blocks are kept"

Floats = NDArray[np.float64]
Evaluate = Callable[[Source, Point, int, Task], Floats]
"""Source, point, seed and task to the (num_chips, B) predictions of a block."""


class TasksInFlight:
    """Tasks that were submitted and whose results were not gathered yet; true while there are any.

    Args:
        client: of the workers.
        evaluate: run by workers, which must be able to import it.
        source: of the inputs of every worker.
        points: settings.
        seed: of the draws of chips.
    """

    def __init__(
        self,
        client: Client,
        evaluate: Evaluate,
        source: Source,
        points: Sequence[Point],
        seed: int,
    ) -> None:
        self._client, self._evaluate = client, evaluate
        self._source, self._points, self._seed = source, points, seed
        self._tasks: dict[Future[Any], Task] = {}
        self._completed = as_completed(loop=client.loop)
        self._ready: deque[Future[Any]] = deque()
        self._failed: Future[Any] | None = None
        self._result_bytes = TRANSFER_BYTES  # unknown, so that the first result comes alone

    def __len__(self) -> int:
        return len(self._tasks)

    @property
    def has_failed(self) -> bool:
        """Whether ``results`` will raise what a task has raised."""
        return self._failed is not None

    def num_threads(self) -> int:
        """Threads of the workers there are now, at least one.

        Raises:
            ConnectionError: if the scheduler is lost.
        """
        with self._scheduler():
            return max(1, sum(self._client.nthreads().values()))

    def submit(self, tasks: Sequence[Task]) -> None:
        """Hand tasks to the workers.

        Raises:
            ConnectionError: if the scheduler is lost.
        """
        for first in range(0, len(tasks), TOGETHER):
            some = tasks[first : first + TOGETHER]
            points = [self._points[task.point] for task in some]
            always = [self._source] * len(some), points, [self._seed] * len(some)
            with self._scheduler():
                # Not pure: results are kept in the store, never by their hash in the scheduler.
                futures = self._client.map(
                    self._evaluate, *always, some, pure=False, batch_size=None
                )
            self._tasks.update(zip(futures, some, strict=True))
            self._completed.update(futures)

    def results(self) -> Iterator[tuple[Task, Floats]]:
        """Results of some tasks that have finished; waits for one.

        What a task has raised is raised here, but only when nothing else that has finished is left.

        Raises:
            ValueError: if a point cannot be evaluated; the message names its values.
            ChildProcessError: if workers die again and again.
            ConnectionError: if the scheduler is lost.
        """
        if not self._ready:
            self._ready.extend(self._completed.next_batch(block=self._failed is None))
        if self._failed is not None and not self._ready:
            _raise(self._failed, self._points[self._tasks[self._failed].point])
        number = min(len(self._ready), TOGETHER, max(1, TRANSFER_BYTES // self._result_bytes))
        some = {future.key: future for future in (self._ready.popleft() for _ in range(number))}
        with self._scheduler():
            found = self._client.gather(some, errors="skip")  # None in place of one that failed
        for key, future in some.items():
            predictions = found.pop(key)
            if predictions is None:
                self._failed = self._failed or future
            else:
                self._result_bytes = max(1, predictions.nbytes)
                yield self._tasks.pop(future), predictions

    def cancel(self) -> None:
        """Forget all tasks; those that have not started will not."""
        with suppress(OSError, ClosedClientError):  # a scheduler that is lost has forgotten them
            self._client.cancel(list(self._tasks))

    @contextmanager
    def _scheduler(self) -> Iterator[None]:
        """What a client raises without a scheduler, in one line."""
        try:
            yield
        except Exception as error:
            has_given_up = self._client.status in ("closing", "closed")
            if has_given_up or isinstance(error, OSError | CancelledError):
                raise ConnectionError(_LOST) from error
            raise


def _raise(future: Future[Any], point: Point) -> None:
    """Raise what a failed task has raised, saying where."""
    try:
        future.result()
    except CancelledError as error:
        raise ConnectionError(_LOST) from error
    except KilledWorker as error:
        raise ChildProcessError(
            f"{error.allowed_failures + 1} workers died one after the other at ({point}); finished "
            "blocks are kept"
        ) from error
    except ValueError as error:
        raise ValueError(f"at ({point}): {error}") from error
