"""What a worker process of a study does first; dask calls ``dask_setup``."""

import signal

from experiments.allocator import keep_freed_memory


def dask_setup(worker: object) -> None:
    """Keep freed memory, and leave Ctrl-C, which all processes get, to the one that was started."""
    keep_freed_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
