"""The benchmark of studies: what chips, blocks, workers and the engine cost, in one run."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from statistics import median

from distributed import Client

from experiments.bench.sweep_figures import Effort, Figure
from experiments.bench.sweep_passes import measure_memory, measure_passes
from experiments.study.cluster import connect
from experiments.study.description import parse_study
from experiments.study.engine import run_schedule
from experiments.study.evaluate import Task, evaluate_block
from experiments.study.run import Study, Workers
from experiments.study.schedule import Schedule
from experiments.study.stopping import StoppingRule

BLOCK = 4
"""Chips of a task, as is usual."""
GROWTH = 10


def measure_sweep(
    mapped: Path, effort: Effort, on_figure: Callable[[Figure], None] = lambda figure: None
) -> list[Figure]:
    """All figures.

    Args:
        mapped: directory of a mapped model.
        effort: how much is measured.
        on_figure: called with each figure as soon as it is there.
    """
    study = study_of(mapped, 1, effort.chips, None)
    parts = (measure_passes, measure_memory, measure_engine, measure_workers)
    figures: list[Figure] = []
    for figure in chain(*(part(study, effort) for part in parts), measure_growth(mapped, effort)):
        on_figure(figure)
        figures.append(figure)
    return figures


def study_of(mapped: Path, points: int, chips: int, crystals: int | None) -> Study:
    """A study of phase noise, from 0.01 to 0.02 rad."""
    values = [0.01 + 0.01 * number / points for number in range(points)]
    fields = {"mapped": str(mapped), "axes": {"phase_noise_rad": values}, "chips": chips}
    return Study.load(parse_study({**fields, "crystals": crystals}, "benchmark"))


def measure_engine(study: Study, effort: Effort) -> Iterator[Figure]:
    """Tasks through scheduler and store, over the same tasks called one after another."""
    tasks = [Task(0, first, first + BLOCK) for first in range(0, effort.chips, BLOCK)]
    ratios, seconds = [], []
    with connect(None, None) as client:
        evaluate_block(study.source, study.points[0], 0, tasks[0])
        _warm(client, study)
        for _ in range(max(2, effort.turns // 2)):
            start = time.perf_counter()
            for task in tasks:
                evaluate_block(study.source, study.points[0], 0, task)
            alone = time.perf_counter() - start
            seconds.append(_engine_seconds(client, study))
            ratios.append(seconds[-1] / alone - 1)
    yield Figure(
        "overhead of scheduling and storing, over the evaluations",
        median(ratios),
        0.05,
        True,
        f"{len(tasks)} tasks of {BLOCK} chips, {1e3 * median(seconds) / len(tasks):.0f} ms each",
    )


def _engine_seconds(client: Client, study: Study) -> float:
    """Time of all tasks of a study in a new directory, workers being ready."""
    with tempfile.TemporaryDirectory() as folder:
        store = study.start(Path(folder), Workers(block=BLOCK))
        schedule = Schedule(store.errors, store.block, StoppingRule(None, 2))
        start = time.perf_counter()
        run_schedule(client, schedule, store, study.source, study.points, 0, lambda task: None)
        return time.perf_counter() - start


def measure_workers(study: Study, effort: Effort) -> Iterator[Figure]:
    """The same study on one worker process and on two."""
    seconds = {}
    for workers in (1, 2):
        with connect(workers, None) as client:
            _warm(client, study)
            seconds[workers] = median(
                _engine_seconds(client, study) for _ in range(max(1, effort.turns // 2))
            )
    yield Figure(
        "speed of two worker processes, over one",
        seconds[1] / seconds[2],
        1.8,
        False,
        f"{effort.chips} chips in {seconds[1]:.1f} and {seconds[2]:.1f} s, start-up apart",
    )


def _warm(client: Client, study: Study) -> None:
    """Have every worker load its inputs and compile, in the thread that will evaluate."""
    arguments = study.source, study.points[0], 0, Task(0, 0, BLOCK)
    workers = client.scheduler_info(n_workers=-1)["workers"]
    client.gather(
        [client.submit(evaluate_block, *arguments, workers=[w], pure=False) for w in workers]
    )


def measure_growth(mapped: Path, effort: Effort) -> Iterator[Figure]:
    """Ten times as many points, chips or crystals, over the base."""
    base = effort.base
    alone = _study_seconds(mapped, base)
    for place, name in enumerate(("points", "chips", "crystals")):
        sizes = tuple(size * (GROWTH if i == place else 1) for i, size in enumerate(base))
        grown = _study_seconds(mapped, sizes)
        yield Figure(
            f"time of {GROWTH} times as many {name}",
            grown / alone,
            1.05 * GROWTH,
            True,
            f"{grown:.2f} over {alone:.2f} s; from {base[0]} points, {base[1]} chips, {base[2]} "
            "crystals",
        )


def _study_seconds(mapped: Path, sizes: tuple[int, ...]) -> float:
    study = study_of(mapped, *sizes)
    with connect(None, None) as client:
        _engine_seconds(client, study)
        return median(_engine_seconds(client, study) for _ in range(3))
