"""What lies around the sites of a batch, as frame blocks and updates see it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from torch import Tensor

from models.edge_ops import Edges


@dataclass(frozen=True, eq=False)
class Surroundings:
    """Edges, their directions, and the elements of S sites.

    Attributes:
        edges: which sites and lengths belong to each of E edges.
        direction: (E, 3) unit vectors from receiver to sender.
        numbers: (S,) atomic numbers.
    """

    edges: Edges
    direction: Tensor
    numbers: Tensor

    def turned(self, frames: Tensor) -> Surroundings:
        """The same with the directions of each receiver turned by its frame.

        Args:
            frames: (S, 3, 3) axes as rows.
        """
        return dataclasses.replace(self, direction=self.edges.turn(frames, self.direction))
