"""Cross-validation: all folds trained by several processes, median and trees on the same folds."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

from pydantic import ValidationError

from experiments.console import console, print_table
from experiments.crossval_config import CrossvalConfig
from experiments.crossval_parts import make_parts
from experiments.crossval_run import CrossvalJob, begin
from experiments.crossval_score import Scores, score
from experiments.crossval_table import write_scores
from experiments.training_config import TrainConfig
from experiments.training_job import load_data
from experiments.wbm import OutOfDistribution, load_out_of_distribution
from photonic.hardware import first_problem


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
    with begin(config, config, out) as job:
        scores = _fill(job, config, workers, wbm)
        job.output.finish()
    _print_scores(scores)
    return scores


def _fill(job: CrossvalJob, config: CrossvalConfig, workers: int, wbm: Path | None) -> Scores:
    start = time.perf_counter()
    load_data(config.training)  # graphs go to the cache once, and not in each worker
    directory = job.output.partial
    parts = make_parts({directory: config}, directory, workers, wbm)[directory]
    elsewhere = None if wbm is None else load_out_of_distribution(wbm)
    with console.status("Errors"):
        scores = score(config, parts, job.datasets, elsewhere)
    budget = {"workers": workers, "wall_seconds": time.perf_counter() - start}
    write_scores(scores, config, job.record, budget, directory)
    return scores


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
