"""Ablation: every variant of the network trained at one budget, and compared on the same folds."""

from __future__ import annotations

import time
from pathlib import Path

from experiments.ablation_config import AblationConfig
from experiments.ablation_score import VariantScore, variant_score
from experiments.ablation_table import print_ablation, write_ablation
from experiments.console import console
from experiments.crossval_parts import make_parts
from experiments.crossval_run import CrossvalJob, begin
from experiments.crossval_score import score
from experiments.training_job import load_data


def ablation(config: AblationConfig, out: Path, *, workers: int) -> dict[str, VariantScore]:
    """Train and evaluate all variants; the directory has checkpoints, results and tables.

    Finished trainings of a killed run are not repeated, unfinished ones go on where they stopped.

    Args:
        config: complete configuration.
        out: directory to create; each variant has a directory in it.
        workers: processes, of one thread each.

    Returns:
        Name of a variant to its errors.

    Raises:
        FileExistsError: if ``out`` exists, or an unfinished run with another configuration does.
        FloatingPointError: if a training diverges.
    """
    with begin(config, config.crossval, out) as job:
        variants = _fill(job, config, workers)
        job.output.finish()
    print_ablation(variants)
    return variants


def _fill(job: CrossvalJob, config: AblationConfig, workers: int) -> dict[str, VariantScore]:
    start = time.perf_counter()
    load_data(config.crossval.training)  # graphs go to the cache once, and not in each worker
    directory = job.output.partial
    crossvals = {directory / name: crossval for name, crossval in config.crossvals.items()}
    parts = make_parts(crossvals, directory, workers, None)
    with console.status("Errors"):
        scores = {
            path.name: score(crossval, parts[path], job.datasets, None)
            for path, crossval in crossvals.items()
        }
    variants = {name: variant_score(name, scores) for name in scores}
    budget = {"workers": workers, "wall_seconds": time.perf_counter() - start}
    write_ablation(variants, config, job.record, budget, directory)
    return variants
