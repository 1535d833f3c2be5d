"""The benchmark of studies: what chips, blocks, workers and the engine cost, in one run."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, pairwise
from pathlib import Path
from statistics import median
from typing import Any

from distributed import Client, get_task_stream

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
    """Time of a study on one worker over what the worker has spent in its tasks, in one run."""
    overheads, seconds = [], []
    with connect(None, None) as client:
        _warm(client, study)
        for _ in range(max(2, effort.turns // 2)):
            with get_task_stream(client) as stream:
                seconds.append(_engine_seconds(client, study))
            overheads.append(seconds[-1] / _evaluation_seconds(stream.data) - 1)
    num_tasks = -(-effort.chips // BLOCK)
    yield Figure(
        "overhead of scheduling and storing, over the evaluations",
        median(overheads),
        0.05,
        True,
        f"{num_tasks} tasks of {BLOCK} chips, {1e3 * median(seconds) / num_tasks:.0f} ms each",
    )


def _evaluation_seconds(tasks: Iterable[Mapping[str, Any]]) -> float:
    """Time in which a worker has run tasks, by what dask notes of each."""
    spans = (span for task in tasks for span in task["startstops"])
    return sum(span["stop"] - span["start"] for span in spans if span["action"] == "compute")


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
    """Ten times as many points, chips or crystals, over the base, by turns."""
    base = effort.base
    for place, name in enumerate(("points", "chips", "crystals")):
        sizes = tuple(size * (GROWTH if i == place else 1) for i, size in enumerate(base))
        studies = study_of(mapped, *base), study_of(mapped, *sizes)
        with connect(None, None) as client:
            for study in studies:
                _engine_seconds(client, study)
            turns = [[_engine_seconds(client, s) for s in studies] for _ in range(effort.turns)]
            last = _engine_seconds(client, studies[0])
        alone, grown = zip(*turns, strict=True)
        around = pairwise((*alone, last))  # the machine is not equally fast all the time
        yield Figure(
            f"time of {GROWTH} times as many {name}",
            median(2 * long / sum(pair) for long, pair in zip(grown, around, strict=True)),
            1.05 * GROWTH,
            True,
            f"{median(grown):.2f} over {median(alone):.2f} s; from {base[0]} points, "
            f"{base[1]} chips, {base[2]} crystals",
        )
