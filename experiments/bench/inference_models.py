"""What a model does from structures to numbers, for the benchmark of inference; ours.

The peers are in ``inference_peers``. All take the same pymatgen structures, and graphs ready means
one graph a crystal: batches are put together within the timed part, by each model's own code.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from experiments.output import Floats
from models.batch import collate
from models.checkpoint import load_checkpoint
from models.crystal import Crystal
from models.model import CrystalModel
from models.parameter_counts import num_parameters

if TYPE_CHECKING:
    from pymatgen.core import Structure


class InferenceModel(Protocol):
    """A trained model and its way of making graphs."""

    @property
    def name(self) -> str:
        """Program, release and weights."""

    @property
    def num_parameters(self) -> int:
        """Trained numbers."""

    def graphs(self, structures: Sequence[Structure]) -> list[Any]:
        """One graph per structure, in the model's own form."""

    def predict(self, graphs: Sequence[Any], batch_size: int) -> Floats:
        """(B, L) predictions of B graphs, L per crystal, from batches of ``batch_size``."""


def chunks(graphs: Sequence[Any], size: int) -> Iterator[list[Any]]:
    """The graphs in order, ``size`` at a time."""
    for start in range(0, len(graphs), size):
        yield list(graphs[start : start + size])


@dataclass(frozen=True)
class Lightframe:
    """A checkpoint in float32.

    Attributes:
        checkpoint: name or directory.
        model: loaded from it.
    """

    checkpoint: str
    model: CrystalModel

    @classmethod
    def load(cls, checkpoint: str) -> Lightframe:
        """The model of a checkpoint.

        Raises:
            CheckpointError: if there is none, or it is damaged.
        """
        return cls(checkpoint, load_checkpoint(checkpoint).to(torch.float32))

    @property
    def name(self) -> str:
        """Program, release and checkpoint."""
        return f"lightframe {metadata.version('lightframe')}, {self.checkpoint}"

    @property
    def num_parameters(self) -> int:
        """Trained numbers."""
        return num_parameters(self.model.network)

    def graphs(self, structures: Sequence[Structure]) -> list[Any]:
        """Checks, canonical cells, symmetry, neighbours and frames; nothing from a cache."""
        return [self.model.graph(Crystal.from_structure(structure)) for structure in structures]

    def predict(self, graphs: Sequence[Any], batch_size: int) -> Floats:
        """(B, L) values of all L labels in their units."""
        batches = [collate(chunk, self.model.dtype) for chunk in chunks(graphs, batch_size)]
        values = self.model.to_physical(self.model.standardised(batches))
        return np.stack(list(values.values()), axis=-1)
