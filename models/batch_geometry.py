"""What a network takes from the edges of a batch before any weight comes in."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from models.batch import GraphBatch
from models.edge_ops import Edges
from models.frame_blocks.surroundings import Surroundings


@dataclass(frozen=True, eq=False)
class BatchGeometry:
    """Edges of a batch and the lengths they share; the same for all networks, found once.

    Attributes:
        canonical: edges with their directions in the canonical frame.
        distinct_length: (U,) [Angstrom] the different edge lengths, ascending.
    """

    canonical: Surroundings
    distinct_length: Tensor

    @classmethod
    def of(cls, batch: GraphBatch) -> BatchGeometry:
        """The geometry of a batch."""
        length = batch.edge_vector.norm(dim=-1)
        distinct, length_index = torch.unique(length, return_inverse=True)
        edges = Edges(batch.edge_index, length_index, batch.numbers.numel())
        direction = batch.edge_vector / length[:, None]
        return cls(Surroundings(edges, direction, batch.numbers), distinct)
