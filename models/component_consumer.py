"""Components of framed directions as edge features.

Canonical vectors are invariant, so that their components may be used as they are. Unlike the
equivariant update this is not even in the vectors: a crystal and its mirror image differ, unless
outputs are averaged over both (network_graph.py).

Shape legend: E edges, U distinct edge lengths, d width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.edge_ops import Edges
from models.linear import LinearFactory

NUM_CENTRES = 64
WIDTH_IN_SPACINGS = 4.0


class ComponentConsumer(nn.Module):
    """e_ij' = e_ij + sum_m W_m b(u_m), u_m the m-th component of the framed direction.

    b_k(u) = exp(-(u - c_k)^2 / (2 w^2)) with 64 centres c_k on [-1, 1] and w = 4 spacings.

    Source: CrystalFramer (arXiv 2503.02209), its form of frame-dependent edge features.
    """

    def __init__(self, width: int, linear: LinearFactory) -> None:
        super().__init__()
        self.project = linear(3 * NUM_CENTRES, width, bias=False)

    def forward(self, lengths: Tensor, edges: Edges, direction: Tensor) -> tuple[Tensor, Edges]:
        """(E, d) features of edges, and the edges with each its own.

        Args:
            lengths: (U, d) features of the distinct edge lengths.
            edges: which sites and lengths belong to each of E edges.
            direction: (E, 3) framed unit vectors.
        """
        centres = torch.linspace(
            -1.0, 1.0, NUM_CENTRES, dtype=direction.dtype, device=direction.device
        )
        spacing = 2.0 / (NUM_CENTRES - 1)
        offsets = (direction[:, :, None] - centres) / (WIDTH_IN_SPACINGS * spacing)
        basis = torch.exp(-0.5 * offsets.square()).flatten(1)
        features = lengths.index_select(0, edges.length_index) + self.project(basis)
        own = torch.arange(features.shape[0], device=features.device)
        return features, Edges(edges.index, own, edges.num_sites)
