"""Many graphs side by side as one, in the network's dtype."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.graph import CrystalGraph


@dataclass(frozen=True, eq=False)
class GraphBatch:
    """Disjoint union of G graphs that describe B crystals.

    Attributes:
        numbers: (S,) atomic numbers.
        edge_index: (2, E) receiver and sender.
        edge_vector: (E, 3) [Angstrom] canonical edge vectors (global frame applied).
        site_to_graph: (S,) graph of each site.
        graph_to_crystal: (G,) crystal of each graph; a crystal with several inequivalent
            canonical bases has one graph per basis, and outputs are averaged over them.
        num_crystals: B.
    """

    numbers: Tensor
    edge_index: Tensor
    edge_vector: Tensor
    site_to_graph: Tensor
    graph_to_crystal: Tensor
    num_crystals: int

    @property
    def num_graphs(self) -> int:
        """Number of graphs G."""
        return self.graph_to_crystal.numel()

    def to(self, dtype: torch.dtype) -> GraphBatch:
        """The same batch with edge vectors in ``dtype``."""
        return GraphBatch(
            self.numbers,
            self.edge_index,
            self.edge_vector.to(dtype),
            self.site_to_graph,
            self.graph_to_crystal,
            self.num_crystals,
        )


def collate(
    graphs: Sequence[CrystalGraph],
    dtype: torch.dtype = torch.float64,
    frame_choice: Sequence[int] | None = None,
) -> GraphBatch:
    """One batch of all graphs.

    Args:
        graphs: one per crystal.
        dtype: of the edge vectors.
        frame_choice: number of the global frame to use for each crystal (training); None uses
            every inequivalent frame (evaluation).
    """
    numbers, edges, vectors, sites, crystals = [], [], [], [], []
    offset = 0
    for index, graph in enumerate(graphs):
        choices = range(len(graph.frames)) if frame_choice is None else [frame_choice[index]]
        for choice in choices:
            numbers.append(graph.numbers)
            edges.append(graph.edge_index + offset)
            vectors.append(graph.canonical_vectors(choice))
            sites.append(np.full(graph.num_sites, len(crystals)))
            crystals.append(index)
            offset += graph.num_sites
    return GraphBatch(
        torch.from_numpy(np.concatenate(numbers)),
        torch.from_numpy(np.concatenate(edges, axis=1)),
        torch.from_numpy(np.concatenate(vectors)).to(dtype),
        torch.from_numpy(np.concatenate(sites)),
        torch.tensor(crystals),
        len(graphs),
    )
