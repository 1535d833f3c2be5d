"""Where outputs are computed: in float64, in float32, and on chips whose weights stay fixed.

Graphs are made once, in float64, and given to all columns. A chip is its realised weights: a draw
of all its errors, the same for every crystal. The noise of the light (receivers, converters) is not
part of it, because it differs from one evaluation to the next of the same graph.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from experiments.mapped import MappedModel
from models.crystal import Crystal
from models.graph import CrystalGraph, SymmetryWarning
from models.model import CrystalModel
from models.network_graph import network_graph
from photonic import Chip

Floats = NDArray[np.float64]
Where = Literal["float64", "float32", "chip"]
WHERES: tuple[Where, ...] = ("float64", "float32", "chip")
MIN_SCALE = 1.0
"""Standardised outputs nearer to zero than a standard deviation of the label count as that far."""


@dataclass(frozen=True, eq=False)
class Column:
    """One way to compute outputs.

    Attributes:
        where: precision, or a chip (in float64).
        model: in the dtype of the column.
        weights: those that a chip realises, by parameter name; None for the model's own.
    """

    where: Where
    model: CrystalModel
    weights: Mapping[str, Tensor] | None = None

    def outputs(self, graphs: Sequence[CrystalGraph]) -> Floats:
        """(B, num_labels) standardised outputs of B graphs."""
        batches = list(self.model.batches(graphs))
        return self.model.standardised(batches, self.weights).to(torch.float64).numpy()


@dataclass(frozen=True, eq=False)
class Evaluator:
    """All columns of a model.

    Attributes:
        columns: float64 first.
    """

    columns: tuple[Column, ...]

    @property
    def model(self) -> CrystalModel:
        """The digital model in float64."""
        return self.columns[0].model

    @property
    def wheres(self) -> tuple[Where, ...]:
        """What columns there are, in the order of the table."""
        present = {column.where for column in self.columns}
        return tuple(where for where in WHERES if where in present)

    def graph(self, crystal: Crystal) -> CrystalGraph:
        """The graph that the model makes of a crystal, in float64.

        Raises:
            CrystalError: if it makes none.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SymmetryWarning)  # what it warns of is measured here
            model = self.model
            return network_graph(crystal, model.graph_settings, model.network.config)

    def outputs(self, graphs: Sequence[CrystalGraph]) -> Floats:
        """(C, B, num_labels) standardised outputs in C columns."""
        return np.stack([column.outputs(graphs) for column in self.columns])

    def worst(self, spreads: Floats) -> dict[Where, float]:
        """Largest of (C, ...) values in the columns of each kind; NaN if one is."""
        found: dict[Where, float] = {}
        for where in self.wheres:
            rows = [i for i, column in enumerate(self.columns) if column.where == where]
            found[where] = float(spreads[rows].max())
        return found


def digital_columns(model: CrystalModel) -> Evaluator:
    """float64 and float32 of a model in float64."""
    single = Column("float32", model.to(torch.float32))
    return Evaluator((Column("float64", model), single))


def chip_columns(mapped: MappedModel, num_chips: int, seed: int) -> Evaluator:
    """The digital columns, and chips drawn from the one that a model is mapped for.

    Args:
        mapped: in float64.
        num_chips: independently drawn.
        seed: of their errors.
    """
    chips = [Chip(mapped.hardware, seed, index) for index in range(num_chips)]
    drawn = tuple(Column("chip", mapped.model, mapped.weights(chip)) for chip in chips)
    return Evaluator(digital_columns(mapped.model).columns + drawn)


def spread(first: Floats, second: Floats) -> Floats:
    """(...) largest relative difference over the labels of (..., num_labels) standardised outputs.

    max_l |second_l - first_l| / max(|first_l|, 1): relative to the output, or to the standard
    deviation of its label over the training crystals where the output is smaller.
    """
    return (np.abs(second - first) / np.maximum(np.abs(first), MIN_SCALE)).max(axis=-1)
