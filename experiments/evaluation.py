"""Predictions of the held-out crystals, digital and on drawn chips."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.chip_network import chip_outputs
from experiments.mapped import MappedModel
from experiments.training_info import TrainingInfo
from models.batch import GraphBatch
from models.datasets import load_dataset
from models.labels import Label
from models.model import CrystalModel
from photonic import Chip
from photonic.mesh_state import Commands


@dataclass(frozen=True, eq=False)
class HeldOut:
    """The test crystals of a checkpoint, ready for repeated evaluation.

    Attributes:
        label: the label that is evaluated (the first one of the model).
        ids: (B,) crystal ids.
        truth: (B,) label values in the label's unit.
        batches: graphs of all B crystals in order.
        test_fold: the fold they come from.
        data_sha256: data set name to hash.
    """

    label: Label
    ids: tuple[str, ...]
    truth: NDArray[np.float64]
    batches: tuple[GraphBatch, ...]
    test_fold: int
    data_sha256: dict[str, str]

    @property
    def num_crystals(self) -> int:
        """Number of crystals B."""
        return len(self.ids)


def load_held_out(
    model: CrystalModel,
    *,
    limit: int | None = None,
    on_graph: Callable[[int], None] = lambda total: None,
) -> HeldOut:
    """Test crystals that the model has not seen.

    Args:
        model: its ``info`` names the test fold.
        limit: use only the first crystals of the fold.
        on_graph: called with the number of crystals after each graph.

    Raises:
        ValueError: if the checkpoint does not tell which crystals it has not seen.
    """
    label, info = model.labels[0], TrainingInfo.of(model)
    dataset, fold = load_dataset(label.dataset), info.test_fold
    info.check_data(dataset)
    chosen = dataset.split(fold).test[:limit]
    graphs = []
    for index in chosen:
        graphs.append(model.graph(dataset.crystals[index]))
        on_graph(len(chosen))
    return HeldOut(
        label,
        tuple(dataset.ids[i] for i in chosen),
        dataset.labels[label.name][chosen],
        tuple(model.batches(graphs)),
        fold,
        {label.dataset: dataset.sha256},
    )


def digital_predictions(model: CrystalModel, held_out: HeldOut) -> NDArray[np.float64]:
    """(B,) predictions of the digital model, in the label's unit."""
    outputs = model.standardised(held_out.batches)
    return model.to_physical(outputs)[held_out.label.name]


def chip_predictions(
    mapped: MappedModel,
    held_out: HeldOut,
    chip: Chip,
    shot: int = 0,
    commands: Mapping[str, Commands] | None = None,
) -> NDArray[np.float64]:
    """Predictions of one chip: its weights, and the noise of its light, in the label's unit.

    Args:
        mapped: model and programs.
        held_out: B crystals.
        chip: one drawn device at a time.
        shot: number of the read; selects the per-shot noise.
        commands: by layer, from a calibration; None for a controller that knows the data sheet.

    Returns:
        (B,) [unit of the label].
    """
    outputs = chip_outputs(mapped, held_out.batches, chip, shot, commands)
    return mapped.model.to_physical(outputs)[held_out.label.name]
