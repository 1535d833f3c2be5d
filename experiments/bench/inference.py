"""The benchmark of inference: crystals per second, ours beside other models in the same run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.bench.graphs import BUSY, load_average
from experiments.bench.inference_models import InferenceModel
from experiments.bench.inference_peers import missing_peers
from experiments.bench.timing import Timing, thread_count, time_in_turn
from experiments.console import console, print_table
from experiments.number_text import json_text
from experiments.record import RunRecord
from photonic.files import write_atomic

if TYPE_CHECKING:
    from pymatgen.core import Structure

RESULT_FILE = "inference.json"
BATCH_SIZES = (16, 64, 256)
"""Crystals per batch that every model is tried with; its best one counts."""
REQUIRED_PER_THREAD = 250.0
"""Crystals per second and thread of ours, at least, graphs included or not."""


@dataclass(frozen=True)
class InferenceRate:
    """Times of one model for all crystals."""

    model: str
    """Program, release and weights."""
    num_parameters: int
    """Trained numbers."""
    num_crystals: int
    """Crystals in each timed turn."""
    by_batch_size: dict[int, Timing]
    """Crystals per batch to times of predictions from graphs."""
    structures: Timing
    """Of graphs and predictions, in batches of ``batch_size``."""

    @property
    def batch_size(self) -> int:
        """The fastest of those tried."""
        return fastest(self.by_batch_size)

    @property
    def from_graphs(self) -> float:
        """Crystals per second with graphs ready: median turn of the best batch size."""
        return self.num_crystals / self.by_batch_size[self.batch_size].median

    @property
    def from_structures(self) -> float:
        """Crystals per second, graphs included: median turn."""
        return self.num_crystals / self.structures.median

    @property
    def is_stalled(self) -> bool:
        """True if a turn of what counts took much longer than the median."""
        return self.by_batch_size[self.batch_size].is_stalled or self.structures.is_stalled


@dataclass(frozen=True)
class InferenceRates:
    """All models on the same crystals."""

    rates: tuple[InferenceRate, ...]
    """Ours first."""
    threads: int
    """Threads that each might use."""
    load_average: float | None
    """Busy processes before the run; None where it is not known."""

    @property
    def required(self) -> float:
        """Crystals per second that ours must reach."""
        return REQUIRED_PER_THREAD * self.threads

    @property
    def is_reached(self) -> bool:
        """True if ours is fast enough, from graphs and from structures."""
        return min(self.rates[0].from_graphs, self.rates[0].from_structures) >= self.required


def measure_inference(
    models: Sequence[InferenceModel],
    structures: Sequence[Structure],
    *,
    batch_sizes: Sequence[int] = BATCH_SIZES,
    threads: int = 2,
    turns: int = 3,
) -> InferenceRates:
    """Times of all models by turns: from graphs at each batch size, then from structures.

    Args:
        models: ours first.
        structures: that each model makes its graphs of.
        batch_sizes: crystals per batch; more than there are count as all of them.
        threads: that a model may use.
        turns: timed turns of each.
    """
    load = load_average()
    sizes = sorted({min(size, len(structures)) for size in batch_sizes})
    with thread_count(threads):
        by_batch_size = _predictions(models, structures, sizes, turns)
        whole = [
            partial(_from_structures, model, structures, fastest(times))
            for model, times in zip(models, by_batch_size, strict=True)
        ]
        timings = time_in_turn(*whole, turns=turns)
    rates = tuple(
        InferenceRate(model.name, model.num_parameters, len(structures), times, timing)
        for model, times, timing in zip(models, by_batch_size, timings, strict=True)
    )
    return InferenceRates(rates, threads, load)


def _predictions(
    models: Sequence[InferenceModel],
    structures: Sequence[Structure],
    batch_sizes: Sequence[int],
    turns: int,
) -> list[dict[int, Timing]]:
    """Times of each model from graphs that are ready, by batch size."""
    calls = []
    for model in models:
        graphs = model.graphs(structures)
        calls += [partial(model.predict, graphs, size) for size in batch_sizes]
    timings = iter(time_in_turn(*calls, turns=turns))
    return [{size: next(timings) for size in batch_sizes} for _ in models]


def _from_structures(model: InferenceModel, structures: Sequence[Structure], size: int) -> None:
    model.predict(model.graphs(structures), size)


def fastest(by_batch_size: dict[int, Timing]) -> int:
    """The batch size with the shortest median time."""
    return min(by_batch_size, key=lambda size: by_batch_size[size].median)


def print_inference(found: InferenceRates) -> None:
    """Table of all models, with a line for each that is not installed, and warnings."""
    ours = found.rates[0]
    rows = [
        (
            rate.model + (" (!)" if rate.is_stalled else ""),
            f"{rate.num_parameters:,}",
            str(rate.batch_size),
            f"{rate.from_graphs:,.0f}",
            f"{rate.from_graphs / ours.from_graphs:.2f}",
            f"{rate.from_structures:,.0f}",
            f"{rate.from_structures / ours.from_structures:.2f}",
        )
        for rate in found.rates
    ]
    rows += [(f"{name}: not installed (make peers)", *("-",) * 6) for name in missing_peers()]
    header = (
        *("model", "parameters", "batch", "graphs\nready", "over\nours"),
        *("from\nstructures", "over\nours"),
    )
    title = f"Crystals per second: medians, {ours.num_crystals} crystals, threads: {found.threads}"
    print_table(title, header, rows)
    verdict = "" if found.is_reached else ": MISSED"
    console.print(f"required of ours >= {found.required:g}/s, graphs included{verdict}")
    if any(rate.is_stalled for rate in found.rates):
        console.print("(!) a turn took over three times the median: the machine was busy")
    if found.load_average is not None and found.load_average > BUSY:
        average = f"load average {found.load_average:.1f} at the start"
        console.print(f"{average}: other work was running; run again")


def write_inference(found: InferenceRates, record: RunRecord, directory: Path) -> None:
    """Write ``inference.json`` into an existing directory."""
    data = {
        "record": record.model_dump(mode="json"),
        **asdict(found),
        "rates": [
            asdict(rate)
            | {
                "batch_size": rate.batch_size,
                "from_graphs_per_second": rate.from_graphs,
                "from_structures_per_second": rate.from_structures,
            }
            for rate in found.rates
        ],
        "not_installed": missing_peers(),
        "required_per_second": found.required,
        "is_reached": found.is_reached,
    }
    write_atomic(directory / RESULT_FILE, (json_text(data) + "\n").encode())
