"""What a worker process of a study does first; dask calls ``dask_setup``."""

import signal


def dask_setup(worker: object) -> None:
    """Leave Ctrl-C, which reaches all processes of a terminal, to the one that was started."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
