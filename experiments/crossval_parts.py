"""The parts of one or several cross-validations, made by several processes and kept as files."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.console import progress
from experiments.crossval_config import CrossvalConfig
from experiments.crossval_worker import Part, baseline_part, end_with_parent, network_part
from experiments.training_log import count_epochs

POLL_S = 2.0
"""[s] between looks at how far the workers are."""


@dataclass(frozen=True)
class Parts:
    """What the workers have found for one cross-validation.

    Attributes:
        networks: (fold, seed) to predictions, as ``network_part`` returns them.
        baselines: fold to median and trees, as ``baseline_part`` returns them.
    """

    networks: Mapping[tuple[int, int], Part]
    baselines: Mapping[int, Part]


def make_parts(
    configs: Mapping[Path, CrossvalConfig], baselines: Path, workers: int, wbm: Path | None
) -> dict[Path, Parts]:
    """Train all networks and fit the trees; what is there already is not made again.

    Networks are trained seed by seed and fold by fold, each for all configurations before the next.

    Args:
        configs: directory to the cross-validation whose networks it holds; they may differ in the
            network alone.
        baselines: directory of median and trees, which all of them share.
        workers: processes, of one thread each.
        wbm: file of out-of-distribution crystals.

    Returns:
        Directory to its parts.

    Raises:
        FloatingPointError: if a training diverges.
    """
    trained: dict[Path, dict[tuple[int, int], Future[Part]]] = {path: {} for path in configs}
    fitted: dict[int, Future[Part]] = {}
    by_round = zip(*(config.runs for config in configs.values()), strict=True)
    first = next(iter(configs.values()))
    with _pool(workers) as pool:
        with _deaf_children():
            for runs in by_round:
                for path, run in zip(configs, runs, strict=True):
                    key = (run.training.test_fold, run.training.seed)
                    trained[path][key] = pool.submit(network_part, run, path, wbm)
            for fold in first.folds:
                training = first.training.model_copy(update={"test_fold": fold})
                fitted[fold] = pool.submit(baseline_part, training, baselines, wbm)
        checkpoints = [
            run.checkpoint(path) for path, config in configs.items() for run in config.runs
        ]
        futures = [future for of_path in trained.values() for future in of_path.values()]
        _watch(checkpoints, first.training.epochs, [*futures, *fitted.values()])
    return {path: Parts(_results(trained[path]), _results(fitted)) for path in configs}


def _results(futures: Mapping[Any, Future[Part]]) -> dict[Any, Part]:
    return {key: future.result() for key, future in futures.items()}


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Fresh processes: a forked one would inherit threads of torch in the middle of something.

    They end at once when this process fails or is stopped: what they have finished is on the disk.
    """
    context = multiprocessing.get_context("spawn")
    given_up, held = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(
        workers, mp_context=context, initializer=end_with_parent, initargs=(given_up,)
    )
    try:
        yield pool
    except BrokenProcessPool:
        held.close()
        raise ChildProcessError(
            "a worker was ended from outside; what is finished is kept, the same command goes on"
        ) from None
    except BaseException:
        held.close()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Processes that are started here never hear Ctrl-C, which a terminal sends to all of them.

    Each would print a traceback; they end with this process. It hears a signal after the block.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _watch(checkpoints: Iterable[Path], epochs: int, futures: Iterable[Future[Any]]) -> None:
    """Show finished epochs of all trainings until everything is done or something fails."""
    checkpoints, pending, shown = list(checkpoints), set(futures), 0
    with progress("Epochs of all trainings", len(checkpoints) * epochs) as advance:
        while pending:
            done, pending = wait(pending, timeout=POLL_S)
            for future in done:
                if future.exception() is not None:
                    raise future.exception()
            finished = sum(map(_epochs, checkpoints))
            for _ in range(finished - shown):
                advance()
            shown = max(finished, shown)


def _epochs(checkpoint: Path) -> int:
    """Finished epochs of a training, itself finished or not."""
    if checkpoint.exists():
        return count_epochs(checkpoint)
    return count_epochs(checkpoint.with_name(checkpoint.name + ".partial"))
