"""Predictions of crystals of a checkpoint's data, digital and on drawn chips."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from experiments.chip_network import chip_outputs
from experiments.mapped import MappedModel
from experiments.training_info import TrainingInfo
from models.batch import GraphBatch
from models.datasets import Dataset, load_dataset
from models.labels import Label
from models.model import CrystalModel
from photonic import Chip
from photonic.mesh_state import Commands

SplitName = Literal["test", "validation", "train"]
"""Crystals of a checkpoint: not seen, those that chose it, those that it was trained on."""


@dataclass(frozen=True, eq=False)
class HeldOut:
    """The test crystals of a checkpoint, or others, ready for repeated evaluation.

    Attributes:
        label: the label that is evaluated (the first one of the model).
        ids: (B,) crystal ids.
        truth: (B,) label values in the label's unit.
        batches: graphs of all B crystals in order.
        test_fold: the fold that the checkpoint has not seen; None if it has seen all.
        data_sha256: data set name to hash.
        split: where they come from.
    """

    label: Label
    ids: tuple[str, ...]
    truth: NDArray[np.float64]
    batches: tuple[GraphBatch, ...]
    test_fold: int | None
    data_sha256: dict[str, str]
    split: SplitName = "test"

    @property
    def num_crystals(self) -> int:
        """Number of crystals B."""
        return len(self.ids)


def load_held_out(
    model: CrystalModel,
    *,
    split: SplitName = "test",
    limit: int | None = None,
    on_graph: Callable[[int], None] = lambda total: None,
) -> HeldOut:
    """Test crystals that the model has not seen, or those of another split.

    Args:
        model: its ``info`` names the folds.
        split: which crystals.
        limit: use only the first crystals of the split.
        on_graph: called with the number of crystals after each graph.

    Raises:
        ValueError: if the checkpoint does not tell which crystals these are.
    """
    label, info = model.labels[0], TrainingInfo.of(model)
    dataset = load_dataset(label.dataset)
    info.check_data(dataset)
    chosen = split_crystals(dataset, info, split)[:limit]
    graphs = []
    for index in chosen:
        graphs.append(model.graph(dataset.crystals[index]))
        on_graph(len(chosen))
    return HeldOut(
        label,
        tuple(dataset.ids[i] for i in chosen),
        dataset.labels[label.name][chosen],
        tuple(model.batches(graphs)),
        info.test_fold,
        {label.dataset: dataset.sha256},
        split,
    )


def split_crystals(dataset: Dataset, info: TrainingInfo, split: SplitName) -> NDArray[np.int64]:
    """Indices of the crystals of a split, ascending.

    Args:
        dataset: one of those that the checkpoint was trained on.
        info: of the checkpoint.
        split: which crystals.

    Raises:
        ValueError: if the checkpoint holds nothing out, does not state its validation fold, or has
            none.
    """
    if split == "test":
        return dataset.split(info.held_out_fold).test
    if "validation_fold" not in info.model_fields_set:
        raise ValueError(
            f"split {split!r}: the checkpoint does not state its validation fold, so its training "
            "crystals are not known"
        )
    if split == "train":
        held_out = [f for f in (info.test_fold, info.validation_fold) if f is not None]
        return np.flatnonzero(~np.isin(dataset.folds, held_out))
    if info.validation_fold is None:
        raise ValueError(
            "split 'validation': the checkpoint has no validation fold, it was trained on all "
            "crystals but those of its test fold"
        )
    return np.flatnonzero(dataset.folds == info.validation_fold)


def digital_predictions(model: CrystalModel, held_out: HeldOut) -> NDArray[np.float64]:
    """(B,) predictions of the digital model, in the label's unit."""
    outputs = model.standardised(held_out.batches)
    return model.predictions(outputs)[held_out.label.name]


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
