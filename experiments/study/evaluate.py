"""The task of a worker: predictions of a block of chips at one point, and their weight errors."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.chip_network import block_outputs
from experiments.evaluation import digital_predictions
from experiments.study.inputs import Source, load_inputs
from experiments.study.points import Point
from experiments.study.settings import point_setting
from experiments.study.weight_error import MeasuredModel
from experiments.threads import on_threads
from photonic import Chip

Floats = NDArray[np.float64]

_turn = threading.Lock()
"""A model takes the weights of one chip at a time, so tasks of one process take turns."""


@dataclass(frozen=True)
class Task:
    """Chips first .. last - 1 of one point, by number."""

    point: int
    first: int
    last: int

    @property
    def num_chips(self) -> int:
        """Number of chips in the block."""
        return self.last - self.first


@contextmanager
def alone() -> Iterator[None]:
    """One task of a process at a time, on one thread: its bits depend on nothing else."""
    with _turn, on_threads(1):
        yield


def evaluate_block(source: Source, point: Point, seed: int, task: Task) -> Floats:
    """(last - first, B) predictions of a block of chips, in the unit of the label.

    Chips share graphs, but each has its own matrix products, on one thread: its bits depend neither
    on the block nor on the worker.

    Raises:
        ValueError: if the inputs differ from those of the study, or the point cannot be realised.
    """
    return measured_block(source, point, seed, task)[:, :-1]


def measured_block(source: Source, point: Point, seed: int, task: Task) -> Floats:
    """(last - first, B + 1) what is kept of a block: its predictions, and then the weight errors.

    The last column holds the relative error of the weights of each chip, over all mapped layers.

    Raises:
        ValueError: as ``evaluate_block``.
    """
    with alone():
        inputs = load_inputs(source)
        chips = [
            Chip(point.hardware, seed, index, point.time_s)
            for index in range(task.first, task.last)
        ]
        (mapped, commands), held_out = point_setting(inputs, point), inputs.held_out
        measured, asked = MeasuredModel.of(mapped), [commands(chip) for chip in chips]
        outputs = block_outputs(measured, held_out.batches, chips, commands=asked)
        predictions = mapped.model.to_physical(outputs)[held_out.label.name]
        return np.column_stack([predictions, measured.errors])


def evaluate_digital(source: Source) -> Floats:
    """(B,) predictions of the digital model, evaluated as chips are."""
    with alone():
        inputs = load_inputs(source)
        return digital_predictions(inputs.mapped.model, inputs.held_out)
