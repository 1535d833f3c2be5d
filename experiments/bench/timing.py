"""Wall times on shared machines: medians of turns, thread counts, and signs of a stall."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import torch
from threadpoolctl import threadpool_limits

STALL = 3.0
"""Longest over median time from which a measurement counts as disturbed."""
SETTLING_S = 1.5
"""Idle threads of a BLAS spin for up to this long after a product, and would slow down others."""
WARMING_S = 0.05
"""Untimed calls before each timed one; idle OpenMP threads spin for up to about this long."""
_GEMM_SIZE = 1024


@dataclass(frozen=True)
class Timing:
    """Wall times of one function in all its turns, in seconds."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Median time."""
        return median(self.seconds)

    @property
    def is_stalled(self) -> bool:
        """True if one turn took ``STALL`` times the median: something else ran, or threads hung."""
        return max(self.seconds) > STALL * self.median


def time_in_turn(*functions: Callable[[], object], turns: int) -> list[Timing]:
    """Times of several functions called by turns, so that all meet the same machine.

    Args:
        functions: in every turn called without being timed for ``WARMING_S``, at least once, then
            timed once: at first the caches and the spinning threads are still those of the function
            before, and each is to be seen in its own steady state.
        turns: number of rounds.
    """
    seconds: list[list[float]] = [[] for _ in functions]
    for _ in range(turns):
        for function, times in zip(functions, seconds, strict=True):
            _warm(function)
            start = time.perf_counter()
            function()
            times.append(time.perf_counter() - start)
    return [Timing(tuple(times)) for times in seconds]


def _warm(function: Callable[[], object]) -> None:
    start = time.perf_counter()
    function()
    while time.perf_counter() - start < WARMING_S:
        function()


@contextmanager
def thread_count(count: int) -> Iterator[None]:
    """Run with a number of threads for torch, the kernels and every BLAS."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with threadpool_limits(count):
            yield
    finally:
        torch.set_num_threads(before)


def sgemm_rate(turns: int) -> float:
    """Rate of float32 matrix products [FLOP/s], n = 1024: the faster of torch's and numpy's.

    Waits after each until its idle threads have gone to sleep.
    """
    a = torch.rand(_GEMM_SIZE, _GEMM_SIZE)
    b = a.numpy()
    seconds = []
    for product in (lambda: a @ a, lambda: b @ b):
        seconds += [timing.median for timing in time_in_turn(product, turns=turns)]
        time.sleep(SETTLING_S)
    return 2 * _GEMM_SIZE**3 / min(seconds)
