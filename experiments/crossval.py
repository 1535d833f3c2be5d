"""Cross-validation: all folds trained by several processes, median and trees on the same folds."""

from __future__ import annotations

import hashlib
import multiprocessing
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from experiments.console import console, print_table, progress
from experiments.crossval_config import CrossvalConfig
from experiments.crossval_score import Scores, score
from experiments.crossval_table import write_scores
from experiments.crossval_worker import Part, baseline_part, end_with_parent, network_part
from experiments.jobs import command_line
from experiments.output import OutputDirectory, refuse_existing
from experiments.record import RunRecord
from experiments.training_config import TrainConfig
from experiments.training_job import load_data
from experiments.training_log import count_epochs
from experiments.wbm import OutOfDistribution, load_out_of_distribution
from models.datasets import load_dataset
from photonic.hardware import first_problem

POLL_S = 2.0
"""[s] between looks at how far the workers are."""


@dataclass(frozen=True)
class Parts:
    """What the workers have found.

    Attributes:
        networks: (fold, seed) to predictions.
        baselines: fold to median and trees.
    """

    networks: dict[tuple[int, int], Part]
    baselines: dict[int, Part]


def crossval_config(
    training: TrainConfig, folds: tuple[int, ...], seeds: tuple[int, ...], wbm: Path | None
) -> CrossvalConfig:
    """The configuration of a cross-validation, with the out-of-distribution file checked.

    Raises:
        ValueError: if folds or seeds are not valid, the file is not, or nothing trained belongs
            to its label.
    """
    digest = None
    if wbm is not None:
        trained = {(spec.dataset, spec.label) for spec in training.label_specs}
        needed = (OutOfDistribution.TRAINED_ON, OutOfDistribution.TRAINED_AS)
        if needed not in trained:
            raise ValueError(f"--wbm needs the label {':'.join(needed)} among those trained")
        load_out_of_distribution(wbm)
        digest = hashlib.sha256(wbm.read_bytes()).hexdigest()
    try:
        return CrossvalConfig(training=training, folds=folds, seeds=seeds, wbm_sha256=digest)
    except ValidationError as error:
        raise ValueError(first_problem(error)) from None


def crossval(config: CrossvalConfig, out: Path, *, workers: int, wbm: Path | None) -> Scores:
    """Train and evaluate on every fold; the directory has checkpoints, results and a table.

    Finished folds of a killed run are not repeated, unfinished ones go on where they stopped.

    Args:
        config: complete configuration.
        out: directory to create.
        workers: processes, of one thread each.
        wbm: file of out-of-distribution crystals.

    Raises:
        FileExistsError: if ``out`` exists.
        FloatingPointError: if a training diverges.
    """
    refuse_existing(out)
    names = dict.fromkeys(spec.dataset for spec in config.training.label_specs)
    datasets = {name: load_dataset(name) for name in names}
    record = RunRecord.capture(
        command_line(),
        config.model_dump(mode="json"),
        config.seeds[0],
        {name: dataset.sha256 for name, dataset in datasets.items()},
    )
    output = OutputDirectory(out, record.key)
    start = time.perf_counter()
    load_data(config.training)  # graphs go to the cache once, and not in each worker
    parts = _all_parts(config, output.partial, workers, wbm)
    elsewhere = None if wbm is None else load_out_of_distribution(wbm)
    with console.status("Errors"):
        scores = score(config, parts.networks, parts.baselines, datasets, elsewhere)
    budget = {"workers": workers, "wall_seconds": time.perf_counter() - start}
    write_scores(scores, config, record, budget, output.partial)
    output.finish()
    _print_scores(scores)
    return scores


def _all_parts(config: CrossvalConfig, directory: Path, workers: int, wbm: Path | None) -> Parts:
    networks: dict[tuple[int, int], Future[Part]] = {}
    baselines: dict[int, Future[Part]] = {}
    with _pool(workers) as pool:
        for run in config.runs:
            key = (run.training.test_fold, run.training.seed)
            networks[key] = pool.submit(network_part, run, directory, wbm)
        for fold in config.folds:
            training = config.training.model_copy(update={"test_fold": fold})
            baselines[fold] = pool.submit(baseline_part, training, directory, wbm)
        _watch(config, directory, [*networks.values(), *baselines.values()])
        return Parts(
            {key: future.result() for key, future in networks.items()},
            {fold: future.result() for fold, future in baselines.items()},
        )


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Fresh processes: a forked one would inherit threads of torch in the middle of something."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=end_with_parent)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _watch(config: CrossvalConfig, directory: Path, futures: Iterable[Future[Any]]) -> None:
    """Show finished epochs of all trainings until everything is done or something fails."""
    pending, shown = set(futures), 0
    total = len(config.runs) * config.training.epochs
    with progress("Epochs of all folds", total) as advance:
        while pending:
            done, pending = wait(pending, timeout=POLL_S)
            for future in done:
                if future.exception() is not None:
                    raise future.exception()
            finished = sum(_epochs(run.checkpoint(directory)) for run in config.runs)
            for _ in range(finished - shown):
                advance()
            shown = max(finished, shown)


def _epochs(checkpoint: Path) -> int:
    """Finished epochs of a training, itself finished or not."""
    if checkpoint.exists():
        return count_epochs(checkpoint)
    return count_epochs(checkpoint.with_name(checkpoint.name + ".partial"))


def _print_scores(scores: Scores) -> None:
    rows = [
        (
            f"{label}, {part.part}",
            unit,
            str(part.num_crystals),
            f"{part.median_mae:.4g}",
            f"{part.trees_mae:.4g}",
            f"{part.network_mae:.4g}",
        )
        for label, unit, part in scores.rows
    ]
    header = ("label", "unit", "crystals", "median", "trees", "network")
    print_table("Mean absolute error on held-out folds, pooled", header, rows)
