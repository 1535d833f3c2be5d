"""Warm forked processes that read one input after another under limits of time and memory."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import re
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Literal

Outcome = Literal["read", "refused", "traceback", "hang", "memory"]
SECONDS = 20.0
"""Of processor time for an input; more is a hang."""
PATIENCE = 3.0
"""Wall-clock time over processor time that a busy machine may take; a pipe that is waited for uses
no processor at all."""
BYTES = 2 << 30
"""Memory above that of the warm process."""
MAX_MESSAGE = 420
"""Characters of a refusal; 400 and the name of the command."""
_ROOMS = ("photonic", "models", "experiments")
_MEMORY = re.compile(r"MemoryError|allocate", re.IGNORECASE)
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Result:
    """What became of one input.

    Attributes:
        number: of the input.
        outcome: class.
        detail: message, or the end of a traceback.
        seconds: of processor time.
    """

    number: int
    outcome: Outcome
    detail: str
    seconds: float


class Refused(ValueError):
    """What a reader of a test raises to pass on a refusal that was told without an error."""


Run = Callable[[int], None]
"""Prepares and reads the input of a number; returns if it was read."""


def judge(run: Run, number: int) -> tuple[Outcome, str]:
    """Run one input in this process and say what became of it."""
    try:
        run(number)
    except MemoryError as error:
        return "memory", repr(error)
    except Exception as error:
        text = str(error)
        if _MEMORY.search(text):
            return "memory", text
        # The command line makes one line of any message; what it has shown must be one already.
        is_shown = not isinstance(error, Refused) or (
            text.isprintable() and len(text) <= MAX_MESSAGE
        )
        if text and is_shown and _is_ours(error):
            return "refused", text
        return "traceback", "".join(traceback.format_exception(error))[-3000:]
    return "read", ""


def _is_ours(error: Exception) -> bool:
    """True for an error type of the project, or a plain one that its own code raised on purpose."""
    if isinstance(error, Refused) or type(error).__module__.split(".")[0] in _ROOMS:
        return isinstance(error, ValueError)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    is_raise = (frame.line or "").lstrip().startswith("raise ")
    path = Path(frame.filename).parts
    return isinstance(error, ValueError | OSError) and is_raise and bool({*_ROOMS} & {*path})


def _serve(pipe: Connection, run: Run) -> None:
    """Read inputs until the pipe closes."""
    with open(os.devnull, "w") as nothing:  # noqa: SIM117
        with contextlib.redirect_stdout(nothing), contextlib.redirect_stderr(nothing):
            while True:
                try:
                    number = pipe.recv()
                except EOFError:
                    os._exit(0)
                # The address space, which is what can be limited, grows with what is kept.
                size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
                hard = resource.getrlimit(resource.RLIMIT_AS)[1]
                resource.setrlimit(resource.RLIMIT_AS, (size + BYTES, hard))
                start = time.process_time()
                outcome = judge(run, number)
                resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
                pipe.send((*outcome, time.process_time() - start))


class _Worker:
    """A process and the input that it is at."""

    def __init__(self, run: Run) -> None:
        context = multiprocessing.get_context("fork")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(other, run), daemon=True)
        self.process.start()
        other.close()
        self.number: int | None = None

    def give(self, number: int) -> None:
        self.number, self._start, self._cpu = number, time.monotonic(), self._cpu_seconds()
        self.pipe.send(number)

    def seconds(self) -> float:
        """Processor time of the input so far, or a share of the wall-clock time if it waits."""
        waited = (time.monotonic() - self._start) / PATIENCE
        return max(self._cpu_seconds() - self._cpu, waited)

    def _cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def end(self) -> None:
        if self.process.is_alive() and self.process.pid is not None:
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.join()
        self.pipe.close()


def results(
    run: Run, numbers: Iterator[int], num_workers: int = 2, seconds: float = SECONDS
) -> Iterator[Result]:
    """The results of all inputs, as they come in; a process that hangs or dies is replaced."""
    sys.stdout.flush()
    workers = [_Worker(run) for _ in range(num_workers)]
    try:
        for worker in workers:
            _next(worker, numbers)
        while any(worker.number is not None for worker in workers):
            ready = wait([w.pipe for w in workers if w.number is not None], timeout=0.25)
            for place, worker in enumerate(workers):
                if worker.number is None:
                    continue
                number, result = worker.number, None
                if worker.pipe in ready:
                    try:
                        result = Result(number, *worker.pipe.recv())
                    except EOFError:
                        result = Result(number, "traceback", "the process died", 0.0)
                elif worker.seconds() > seconds:
                    result = Result(number, "hang", "", worker.seconds())
                if result is None:
                    continue
                yield result
                if result.outcome == "hang" or result.detail == "the process died":
                    worker.end()
                    workers[place] = worker = _Worker(run)
                _next(worker, numbers)
    finally:
        for worker in workers:
            worker.end()


def _next(worker: _Worker, numbers: Iterator[int]) -> None:
    worker.number = None
    number = next(numbers, None)
    if number is not None:
        worker.give(number)
