"""What a chip costs beside the digital network, and what blocks of chips take in memory."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import TypeVar

from experiments.bench.inference_models import chunks
from experiments.bench.sweep_figures import Effort, Figure
from experiments.bench.timing import thread_count, time_in_turn
from experiments.chip_network import block_outputs
from experiments.study.evaluate import Task, evaluate_block
from experiments.study.memory import MemoryNeed, measure_need, peak_bytes
from experiments.study.run import Study
from models.batch import GraphBatch, collate
from models.datasets import load_dataset
from photonic import Chip

Result = TypeVar("Result")
EFFECTS = ("phase_noise", "coupler", "crosstalk", "quantisation")
"""Errors of the chips that are compared with the digital network."""
BATCH_SIZES = (16, 32, 64, 128, 256)
"""Crystals per batch that the digital network is tried with; its best one counts."""
MANY = 128
"""Crystals of the digital pass that making the weights of a chip is compared with."""


def measure_passes(study: Study, effort: Effort) -> Iterator[Figure]:
    """A crystal on a chip, and the weights of a chip, against the digital network; one thread."""
    mapped, held_out = study.inputs.mapped, study.inputs.held_out
    hardware, num_crystals = study.hardware.only(*EFFECTS), held_out.num_crystals
    chips = [Chip(hardware, 0, index) for index in range(effort.block)]
    batches = {size: _batches(study, size) for size in (*BATCH_SIZES, num_crystals)}
    with thread_count(1):
        block, weights, many, *digital = time_in_turn(
            partial(block_outputs, mapped, held_out.batches, chips),
            lambda: [mapped.weights(chip) for chip in chips],
            partial(mapped.model.standardised, batches[MANY][:1]),
            *(partial(mapped.model.standardised, parts) for parts in batches.values()),
            turns=effort.turns,
        )
    seconds = {
        size: timing.median / num_crystals for size, timing in zip(batches, digital, strict=True)
    }
    best = min(seconds, key=lambda size: seconds[size])
    each = block.median / (len(chips) * num_crystals)
    yield Figure(
        "one crystal on one chip, over one on the digital network",
        each / seconds[best],
        1.5,
        True,
        f"{1e6 * each:.0f} over {1e6 * seconds[best]:.0f} us; {', '.join(EFFECTS)}; blocks of "
        f"{len(chips)} chips, {num_crystals} crystals; digital in batches of {best}",
    )
    one, passed = weights.median / len(chips), many.median * MANY / min(MANY, num_crystals)
    yield Figure(
        f"weights of one chip, over a digital pass of {MANY} crystals",
        one / passed,
        0.1,
        True,
        f"{1e3 * one:.1f} over {1e3 * passed:.1f} ms",
    )


def _batches(study: Study, size: int) -> list[GraphBatch]:
    """The crystals of a study, so many in a batch."""
    model, held_out = study.inputs.mapped.model, study.inputs.held_out
    data = load_dataset(held_out.label.dataset)
    crystals = dict(zip(data.ids, data.crystals, strict=True))
    graphs = [model.graph(crystals[name]) for name in held_out.ids]
    return [collate(part, model.dtype) for part in chunks(graphs, size)]


def measure_memory(study: Study, effort: Effort) -> Iterator[Figure]:
    """Peak memory of processes that evaluate one block, over what the block was allowed."""
    need = _alone(_need, study)
    for block in effort.memory_blocks:
        peak = _alone(_peak, study, block)
        yield Figure(
            f"peak memory of a process with {block} chips a block, over what --memory must be",
            peak / need.with_block(block),
            1.2,
            True,
            f"{peak / 1e6:.0f} over {need.with_block(block) / 1e6:.0f} MB",
        )


def _alone(function: Callable[..., Result], *arguments: object) -> Result:
    """What a function returns in a new process: as workers start, with nothing inherited."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(function, *arguments).result()


def _need(study: Study) -> MemoryNeed:
    return measure_need(study.source, study.points[0], study.description.seed)


def _peak(study: Study, block: int) -> int:
    evaluate_block(study.source, study.points[0], study.description.seed, Task(0, 0, block))
    return peak_bytes()
