"""Node-wise attention of the eComFormer backbone; its messages also serve the frame blocks.

The published MLPs act on concatenations (receiver | sender | edge). Their first layer is written
as a sum of one dense layer per part, which is the same function: the parts that belong to sites
are then computed per site and not per edge, about 27 times fewer vectors through the mesh, and
those that belong to lengths once per distinct length. The second layer acts once for all edges
that share sites and length (or just sites, where there is no edge part).

Shape legend: S sites, E edges, T edges of different sites or lengths, U distinct edge lengths, d
width.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from models.edge_ops import Edges, SharedEdges
from models.edge_ops.pointwise import softplus
from models.linear import LinearFactory


class PairMLP(nn.Module):
    """Lin - SiLU - Lin of (receiver | sender) or (receiver | sender | edge)."""

    def __init__(self, width: int, linear: LinearFactory, *, has_edge: bool) -> None:
        super().__init__()
        self.receiver = linear(width, width)
        self.sender = linear(width, width, bias=False)
        self.edge = linear(width, width, bias=False) if has_edge else None
        self.outer = linear(width, width)

    def forward(self, sites: Tensor, lengths: Tensor, edges: Edges) -> Tensor:
        """(E, d) of all E edges from (S, d) site features and (U, d) features of lengths."""
        by_length = None if self.edge is None else self.edge(lengths)
        return self.outer(edges.activated_sum(self.receiver(sites), self.sender(sites), by_length))


class Messages(nn.Module):
    """Gated messages summed over the neighbours.

    alpha_ij = q_i o MLP_K(k_i | k_j [| g_ij]) / sqrt(d);
    m_i = sum_j sigmoid(BN(alpha_ij)) o MLP_V(v_i | v_j | g_ij).

    Source: ComFormer (ICLR 2024), node-wise transformer layer; element-wise gates, no softmax.
    """

    def __init__(self, width: int, linear: LinearFactory, *, has_edge_key: bool) -> None:
        super().__init__()
        self.query = linear(width, width)
        self.key = linear(width, width)
        self.value = linear(width, width)
        self.edge = linear(width, width)
        self.key_mlp = PairMLP(width, linear, has_edge=has_edge_key)
        self.value_mlp = PairMLP(width, linear, has_edge=True)
        self.gate_norm = nn.BatchNorm1d(width)

    def forward(self, h: Tensor, lengths: Tensor, edges: Edges) -> Tensor:
        """(S, d) summed messages from (S, d) site features and (U, d) features of lengths."""
        return edges.gated_sum(*self._operands(h, lengths, edges))

    def of_edges(self, h: Tensor, lengths: Tensor, edges: Edges) -> Tensor:
        """(E, d) gated messages of all edges, which ``forward`` sums."""
        return edges.messages(*self._operands(h, lengths, edges))

    def _operands(
        self, h: Tensor, lengths: Tensor, edges: Edges
    ) -> tuple[Tensor, Tensor, Tensor, nn.Module, SharedEdges]:
        """(S, d) queries, (K, d) keys, (T, d) values, the norm, and which edges share keys."""
        g = self.edge(lengths)
        query = self.query(h) / math.sqrt(h.shape[-1])
        alike = edges.pairs if self.key_mlp.edge is None else edges.distinct
        keys = self.key_mlp(self.key(h), g, alike.edges)
        values = self.value_mlp(self.value(h), g, edges.distinct.edges)
        return query, keys, values, self.gate_norm, alike


class NodeAttention(nn.Module):
    """h_i' = softplus(h_i + BN(Lin(m_i))), key with the edge term."""

    def __init__(self, width: int, linear: LinearFactory) -> None:
        super().__init__()
        self.messages = Messages(width, linear, has_edge_key=True)
        self.combine = linear(width, width)
        self.norm = nn.BatchNorm1d(width)

    def forward(self, h: Tensor, lengths: Tensor, edges: Edges) -> Tensor:
        """(S, d) updated site features from (S, d) and (U, d) features of lengths."""
        update = self.combine(self.messages(h, lengths, edges))
        return softplus(h + self.norm(update))
