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
    chosen = [
        (crystal, graph, frame)
        for crystal, graph in enumerate(graphs)
        for frame in (
            graph.frames if frame_choice is None else [graph.frames[frame_choice[crystal]]]
        )
    ]
    num_sites = [graph.numbers.size for _, graph, _ in chosen]
    num_edges = [graph.edge_vector.shape[0] for _, graph, _ in chosen]
    first_site = np.cumsum([0, *num_sites[:-1]])
    edge_index = np.concatenate([graph.edge_index for _, graph, _ in chosen], axis=1)
    edge_index += np.repeat(first_site, num_edges)
    edge_vector = np.empty((edge_index.shape[1], 3))
    end = 0
    for (_, graph, frame), count in zip(chosen, num_edges, strict=True):
        start, end = end, end + count
        np.matmul(graph.edge_vector, frame.T, out=edge_vector[start:end])
    return GraphBatch(
        torch.from_numpy(np.concatenate([graph.numbers for _, graph, _ in chosen])),
        torch.from_numpy(edge_index),
        torch.from_numpy(edge_vector).to(dtype),
        torch.from_numpy(np.repeat(np.arange(len(chosen)), num_sites)),
        torch.tensor([crystal for crystal, _, _ in chosen]),
        len(graphs),
    )
