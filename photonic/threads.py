"""Share independent items among threads: as many as torch uses, and no more.

Kernels are plain functions without the interpreter lock. Their threads block while they have
nothing to do and never spin, so they do not compete with torch's own. ``torch.set_num_threads`` and
OMP_NUM_THREADS are honoured through torch, NUMBA_NUM_THREADS as a further limit. Results do not
depend on the number of threads, because an item does not know which thread it runs on.
"""

import itertools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

import numba
import torch

_Result = TypeVar("_Result")


def num_threads() -> int:
    """Threads that kernels may use."""
    return max(1, min(torch.get_num_threads(), numba.config.NUMBA_NUM_THREADS))


def share(work: Callable[[int, int], None], num_items: int, *, grain: int = 1) -> None:
    """Call ``work(first, last)`` on ranges that cover 0 .. num_items - 1.

    Args:
        work: handles a range of items; releases the interpreter lock for most of its time.
        num_items: number of items.
        grain: fewest items worth a thread.
    """
    parts = max(1, min(num_threads(), num_items // max(1, grain)))
    bounds = [num_items * part // parts for part in range(parts + 1)]
    own, *rest = itertools.pairwise(bounds)
    others: list[Future[None]] = []
    try:
        others += (_pool(os.getpid()).submit(work, *bound) for bound in rest)
        work(*own)
    finally:
        # Whatever happens, no thread writes on after the call.
        errors = [error for other in others if (error := other.exception())]
    for error in errors:
        raise error


def call_all(tasks: Sequence[Callable[[], _Result]], *, grain: int = 1) -> list[_Result]:
    """Results of independent tasks in order, neighbours in the list on the same thread.

    Args:
        tasks: release the interpreter lock for most of their time.
        grain: fewest tasks worth a thread.
    """
    results: dict[int, _Result] = {}

    def work(first: int, last: int) -> None:
        for number in range(first, last):
            results[number] = tasks[number]()

    share(work, len(tasks), grain=grain)
    return [results[number] for number in range(len(tasks))]


@lru_cache(maxsize=1)
def _pool(process: int) -> ThreadPoolExecutor:
    """Idle threads of this process; a forked child makes its own."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="lightframe")
