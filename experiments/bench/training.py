"""The benchmark of training: a digital step, its products alone, and a step with a drawn chip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from experiments.bench.products import matrix_products, multiply
from experiments.bench.timing import Timing, thread_count, time_in_turn
from experiments.console import console, print_table
from experiments.mapped import MappingSettings
from experiments.noise_aware import FineTuningRun
from experiments.noise_aware_job import fine_tune_config
from experiments.number_text import json_text
from experiments.record import RunRecord
from experiments.training import TrainingRun
from experiments.training_data import TrainingData
from experiments.training_info import TrainingInfo
from models.batch import GraphBatch, collate
from models.checkpoint import load_checkpoint
from models.datasets import load_dataset
from models.model import CrystalModel
from photonic import HardwareConfig
from photonic.files import write_atomic

RESULT_FILE = "training.json"
REQUIRED_RATIO = 2.0
"""Noise-aware over digital step, at most."""
REQUIRED_OVERHEAD = 1.5
"""Digital step over its matrix products, at most."""
EPOCHS = 1000
"""Of one step each: more steps than are timed, so that the learning rate is defined."""


@dataclass(frozen=True)
class StepTimes:
    """Times of one optimiser step [s], all kinds in one run and on the same batch."""

    threads: int
    """Threads that a step might use."""
    num_crystals: int
    """Crystals in the batch."""
    num_tiles: int
    """Tiles that are decomposed, drawn and realised in a noise-aware step."""
    digital: Timing
    """Of a step without a chip."""
    noise_aware: Timing
    """Of a step with one newly drawn chip."""
    products: Timing
    """Of the matrix products of a digital step alone."""

    @property
    def ratio(self) -> float:
        """Noise-aware over digital step; fastest turns, because others may use the machine."""
        return min(self.noise_aware.seconds) / min(self.digital.seconds)

    @property
    def overhead(self) -> float:
        """Digital step over its matrix products, fastest turns."""
        return min(self.digital.seconds) / min(self.products.seconds)

    @property
    def is_stalled(self) -> bool:
        """True if a turn took much longer than the median."""
        return any(t.is_stalled for t in (self.digital, self.noise_aware, self.products))


def measure_training(
    checkpoint: str,
    hardware: HardwareConfig,
    mapping: MappingSettings,
    *,
    batch_size: int = 64,
    threads: int = 2,
    turns: int = 15,
) -> StepTimes:
    """Times of a digital and a noise-aware step from the same weights, and of products.

    Digital steps and products come by turns, and before any chip: the thread that draws chips ahead
    has threads of its own for tensors, which slow down whatever comes after it.

    Args:
        checkpoint: name or directory.
        hardware: that chips are drawn from, a new one in every step.
        mapping: layout of the tiles.
        batch_size: crystals.
        threads: that a step may use.
        turns: timed steps of each kind.
    """
    data = sample_data(load_checkpoint(checkpoint), batch_size)
    config = fine_tune_config(checkpoint, hardware, mapping, epochs=EPOCHS, batch_size=batch_size)
    record = RunRecord.capture("bench training", {}, 0, data.sha256)
    noise_aware = FineTuningRun(config, data, record)
    digital = TrainingRun(config, data)
    digital.state.network.load_state_dict(noise_aware.state.network.state_dict())
    batch = collate(data.graphs, torch.float32, [0] * batch_size)
    targets = torch.tensor(data.targets, dtype=torch.float32)
    steps = [_step(run, batch, targets) for run in (digital, noise_aware)]
    calls = matrix_products(steps[0])
    with thread_count(threads):
        plain, products = time_in_turn(steps[0], lambda: multiply(calls), turns=turns)
        (with_chip,) = time_in_turn(steps[1], turns=turns)
    return StepTimes(threads, batch_size, noise_aware.num_tiles, plain, with_chip, products)


def _step(run: TrainingRun, batch: GraphBatch, targets: Tensor) -> Callable[[], float]:
    """The next step of a run on one and the same batch; numbers go on, so that chips are new."""
    number = 0
    run.state.network.train()

    def step() -> float:
        nonlocal number
        number += 1
        return run.step(number, batch, targets)

    return step


def sample_data(model: CrystalModel, count: int) -> TrainingData:
    """Training crystals of all data sets of a checkpoint, as many of each as fall to its share.

    Args:
        model: gives data sets, labels and graph settings.
        count: number of crystals.
    """
    fold = TrainingInfo.of(model).held_out_fold
    datasets = {label.dataset: load_dataset(label.dataset) for label in model.labels}
    pool = [(name, i) for name, data in datasets.items() for i in data.split(fold).train]
    chosen = [pool[k] for k in np.linspace(0, len(pool) - 1, count).astype(int)]
    targets = np.full((count, len(model.labels)), np.nan)
    for row, (name, i) in enumerate(chosen):
        for column, label in enumerate(model.labels):
            if label.dataset == name:
                targets[row, column] = label.standardise(datasets[name].labels[label.name][i])
    none = np.arange(0)
    return TrainingData(
        tuple(f"{name}/{datasets[name].ids[i]}" for name, i in chosen),
        tuple(model.graph(datasets[name].crystals[i]) for name, i in chosen),
        model.labels,
        targets,
        np.arange(count),
        none,
        none,
        {name: data.sha256 for name, data in datasets.items()},
    )


def print_step_times(times: StepTimes) -> None:
    """Steps, products and their ratios."""
    kinds = {
        "digital": times.digital,
        "noise-aware": times.noise_aware,
        "products of digital": times.products,
    }
    rows = [
        (name, f"{1e3 * min(timing.seconds):.0f}", f"{1e3 * timing.median:.0f}")
        for name, timing in kinds.items()
    ]
    title = f"{times.num_crystals} crystals, {times.num_tiles} tiles, {times.threads} threads"
    print_table(title, ("step", "fastest [ms]", "median [ms]"), rows)
    for name, ratio, required in (
        ("noise-aware over digital", times.ratio, REQUIRED_RATIO),
        ("digital over products", times.overhead, REQUIRED_OVERHEAD),
    ):
        verdict = "" if ratio <= required else ": MISSED"
        console.print(f"{name} {ratio:.2f}, required <= {required:g}{verdict}")
    if times.is_stalled:
        console.print("a step took over three times the median: the machine was busy; run again")


def write_step_times(times: StepTimes, record: RunRecord, directory: Path) -> None:
    """Write ``training.json`` into an existing directory."""
    data = {
        "record": record.model_dump(mode="json"),
        **asdict(times),
        "ratio": times.ratio,
        "required_ratio": REQUIRED_RATIO,
        "overhead": times.overhead,
        "required_overhead": REQUIRED_OVERHEAD,
        "is_stalled": times.is_stalled,
    }
    write_atomic(directory / RESULT_FILE, (json_text(data) + "\n").encode())
