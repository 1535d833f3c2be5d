"""A scheduler and many pretended slots on this machine, whose use of it can be asked for.

The scheduler has a process of its own and sees what it would see of a cluster: connections,
heartbeats and messages of every worker. All workers share a second process without nannies, and
run tasks in their event loop, one after another, however many threads they claim to have. What
they cost there says nothing about real ones.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import dask
from dask.local import SynchronousExecutor
from distributed import Client, Scheduler, Security, Worker
from tornado.iostream import SSLIOStream

TIMEOUT_S = 600
"""[s] that processes may take to start and to connect on a busy machine."""
LOG_LENGTH = 1000
"""What dask remembers unless ``distributed.admin.low-level-log-length`` says otherwise."""
_LOG_LENGTH = "distributed.admin.low-level-log-length"
_HOST, _PAGES = "tls://127.0.0.1:0", "127.0.0.1:0"
"""Addresses of the servers and of their HTTP pages: free ports of this machine."""
_LIGHT = {
    "distributed.worker.profile.enabled": False,
    "distributed.worker.use-file-locking": False,
    "distributed.admin.tick.interval": "60s",
    "distributed.admin.tick.cycle": "60s",
    "distributed.admin.system-monitor.interval": "60s",
}
"""What workers do besides tasks and heartbeats, a thousand times over in one process."""
_bytes = {"received": 0, "sent": 0}


@dataclass(frozen=True)
class Usage:
    """What a process has used since it started.

    Attributes:
        cpu_s: [s] processor time of all its threads.
        peak_bytes: largest resident memory.
        received: bytes that came through its connections, where they are counted.
        sent: bytes that went.
    """

    cpu_s: float
    peak_bytes: int
    received: int
    sent: int

    @classmethod
    def here(cls) -> Usage:
        """The usage of this process."""
        unit = 1 if sys.platform == "darwin" else 1024
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        return cls(time.process_time(), peak, _bytes["received"], _bytes["sent"])


@contextmanager
def crowded_cluster(
    num_workers: int, threads: int, task: Callable[..., object], log_length: int = LOG_LENGTH
) -> Iterator[Client]:
    """A client of a scheduler with many workers; all of it ends with the block.

    As in a study, nobody else can connect to them: they hold certificates made for the block.

    Args:
        num_workers: servers in the one process of workers.
        threads: that each worker claims.
        task: what they will run. Both processes import it before they serve: with the first task,
            it would keep them from answering for so long that they are given up.
        log_length: messages that the scheduler and the client remember of each connection.

    Raises:
        OSError: if they do not start, for example for lack of open files.
    """
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    security = Security.temporary()
    limits = {"distributed.comm.timeouts.connect": TIMEOUT_S, "distributed.worker.daemon": True}
    with (
        dask.config.set({**limits, _LOG_LENGTH: log_length}),
        _process(_scheduler, security, task, log_length) as address,
        _process(_workers, security, task, address, num_workers, threads),
        Client(address, security=security, timeout=TIMEOUT_S) as client,
    ):
        client.wait_for_workers(num_workers, timeout=TIMEOUT_S)
        yield client


def usage_of_scheduler(client: Client) -> Usage:
    """Usage of the process of the scheduler."""
    found: Usage = client.run_on_scheduler(Usage.here)
    return found


def usage_of_workers(client: Client) -> Usage:
    """Usage of the process that all workers share."""
    first = next(iter(client.nthreads()))
    found: Usage = client.run(Usage.here, workers=[first])[first]
    return found


@contextmanager
def _process(serve: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> Iterator[Any]:
    """A process that serves until the block ends, and what it sent first."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_run, args=(serve, there, *arguments), daemon=True)
    process.start()
    there.close()
    try:
        yield here.recv()
    except EOFError:
        raise ChildProcessError(f"{serve.__name__.strip('_')} did not start") from None
    finally:
        here.close()
        process.join(TIMEOUT_S)


def _run(serve: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> None:
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    asyncio.run(serve(*arguments))


async def _scheduler(
    pipe: Connection, security: Security, task: Callable[..., object], log_length: int
) -> None:
    _count_bytes()
    settings = {"distributed.comm.timeouts.connect": TIMEOUT_S, _LOG_LENGTH: log_length}
    with dask.config.set(settings):
        async with Scheduler(
            host=_HOST, security=security, dashboard=False, dashboard_address=_PAGES
        ) as scheduler:
            pipe.send(scheduler.address)
            await _end(pipe)


async def _workers(
    pipe: Connection,
    security: Security,
    task: Callable[..., object],
    address: str,
    number: int,
    threads: int,
) -> None:
    settings = {**_LIGHT, "distributed.comm.timeouts.connect": TIMEOUT_S}
    with tempfile.TemporaryDirectory() as scratch, dask.config.set(settings):
        async with AsyncExitStack() as stack:
            servers = [
                Worker(
                    address,
                    host=_HOST,
                    security=security,
                    dashboard_address=_PAGES,
                    nthreads=threads,
                    executor=SynchronousExecutor(),
                    memory_limit=0,
                    local_directory=scratch,
                )
                for _ in range(number)
            ]
            await asyncio.gather(*map(stack.enter_async_context, servers))
            pipe.send(number)
            await _end(pipe)


async def _end(pipe: Connection) -> None:
    """Return once the other end is closed, also by the death of its process."""
    try:
        await asyncio.to_thread(pipe.recv)
    except EOFError:
        return


def _count_bytes() -> None:
    """Count what passes the connections of this process from now on."""
    read, write = SSLIOStream.read_from_fd, SSLIOStream.write_to_fd

    def reading(stream: SSLIOStream, buffer: bytearray | memoryview) -> int | None:
        number = read(stream, buffer)
        _bytes["received"] += number or 0
        return number

    def writing(stream: SSLIOStream, data: memoryview) -> int:
        number = write(stream, data)
        _bytes["sent"] += number
        return number

    for name, function in {"read_from_fd": reading, "write_to_fd": writing}.items():
        setattr(SSLIOStream, name, function)
