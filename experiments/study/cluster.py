"""Workers of a study: this process, processes of this machine, or a running cluster."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import dask
from distributed import Client, LocalCluster, Security

CONNECT_S = 20
"""[s] after which a scheduler that does not answer is given up."""
START_S = 300
"""[s] that processes of this machine may take to start; long, for a machine that is busy."""
WORKER_SETUP = "experiments.study.worker_setup"
"""Module that each worker process runs first."""
_QUIET = logging.CRITICAL
_SETTINGS = {
    "distributed.comm.timeouts.connect": START_S,
    # What a study asks neither for costs time and memory: stack traces every 10 ms, and a thousand
    # past messages of every connection.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.low-level-log-length": 10,
    # HTTP pages are of no use for a scheduler and workers that live as long as a command.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}
"""Of the scheduler and the workers that are started here."""
_LOOPBACK = "127.0.0.1:0"
"""Any free port, since studies run side by side, that no other machine can reach."""


@contextmanager
def connect(workers: int | None, scheduler: str | None) -> Iterator[Client]:
    """A client of the workers, closed at the end; workers that it started end with it.

    Args:
        workers: processes to start on this machine, each with one thread; None stays in this one.
            They take connections of this machine alone, with certificates that only they and this
            process hold: whoever else could connect to a worker could run code in it.
        scheduler: address of a running scheduler, ``tcp://host:port``. Without TLS, everybody who
            reaches it can run code in its workers and in this process.

    Raises:
        ValueError: if both are given.
        ConnectionError: if the scheduler does not answer.
    """
    if workers is not None and scheduler is not None:
        raise ValueError("--workers starts processes here, --scheduler uses others: choose one")
    # What happens to workers reaches the user as errors of tasks; the log would say it ten times.
    logging.getLogger("distributed").setLevel(_QUIET)
    if scheduler is not None:
        with _client_of(scheduler) as client:
            yield client
        return
    with dask.config.set(_SETTINGS):
        cluster = LocalCluster(
            n_workers=workers or 1,
            threads_per_worker=1,
            processes=workers is not None,
            dashboard_address=_LOOPBACK,
            worker_dashboard_address=_LOOPBACK,
            security=Security.temporary() if workers is not None else None,
            memory_limit=None,
            preload=[WORKER_SETUP] if workers is not None else [],
            silence_logs=_QUIET,
        )
        with cluster, Client(cluster, timeout=START_S) as client:
            yield client


def _client_of(scheduler: str) -> Client:
    try:
        return Client(scheduler, timeout=CONNECT_S)
    except OSError:
        raise ConnectionError(f"no scheduler answers at {scheduler}") from None
