"""Node-wise attention of the eComFormer backbone and the frame block of SPFrame.

The published MLPs act on concatenations (receiver | sender | edge). Their first layer is written
as a sum of one dense layer per part, which is the same function: the parts that belong to sites
are then computed per site and not per edge, about 27 times fewer vectors through the mesh.

Shape legend: S sites, E edges, d width.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.edges import sum_by_receiver
from models.frames import quaternion_to_rotation
from models.linear import LinearFactory


class PairMLP(nn.Module):
    """Lin - SiLU - Lin of (receiver | sender) or (receiver | sender | edge)."""

    def __init__(self, width: int, linear: LinearFactory, *, has_edge: bool) -> None:
        super().__init__()
        self.receiver = linear(width, width)
        self.sender = linear(width, width, bias=False)
        self.edge = linear(width, width, bias=False) if has_edge else None
        self.outer = linear(width, width)

    def forward(self, sites: Tensor, edge_index: Tensor, edges: Tensor | None) -> Tensor:
        """(E, d) from (S, d) site and (E, d) edge features."""
        receiver, sender = edge_index
        hidden = self.receiver(sites).index_select(0, receiver)
        hidden = hidden + self.sender(sites).index_select(0, sender)
        if self.edge is not None:
            hidden = hidden + self.edge(edges)
        return self.outer(functional.silu(hidden))


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

    def forward(self, h: Tensor, edge_features: Tensor, edge_index: Tensor) -> Tensor:
        """(S, d) summed messages."""
        edges = self.edge(edge_features)
        query = self.query(h).index_select(0, edge_index[0])
        alpha = query * self.key_mlp(self.key(h), edge_index, edges) / math.sqrt(h.shape[-1])
        message = self.value_mlp(self.value(h), edge_index, edges)
        gated = torch.sigmoid(self.gate_norm(alpha)) * message
        return sum_by_receiver(gated, edge_index[0], h.shape[0])


class NodeAttention(nn.Module):
    """h_i' = softplus(h_i + BN(Lin(m_i))), key with the edge term."""

    def __init__(self, width: int, linear: LinearFactory) -> None:
        super().__init__()
        self.messages = Messages(width, linear, has_edge_key=True)
        self.combine = linear(width, width)
        self.norm = nn.BatchNorm1d(width)

    def forward(self, h: Tensor, edge_features: Tensor, edge_index: Tensor) -> Tensor:
        """(S, d) updated site features."""
        update = self.combine(self.messages(h, edge_features, edge_index))
        return functional.softplus(h + self.norm(update))


class FrameBlock(nn.Module):
    """Invariant rotation per site from invariant features, by a quaternion.

    t_i = softplus(h_i + BN(m_i)), quat_i = Lin(t_i); key without the edge term. The last layer
    starts near the identity rotation.

    Source: Hua & Lin, SPFrame, NeurIPS 2025 (arXiv 2505.15315).
    """

    def __init__(self, width: int, linear: LinearFactory) -> None:
        super().__init__()
        self.messages = Messages(width, linear, has_edge_key=False)
        self.norm = nn.BatchNorm1d(width)
        self.quaternion = linear(width, 4)
        with torch.no_grad():
            self.quaternion.weight.mul_(0.1)
            self.quaternion.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 0.0]))

    def forward(self, h: Tensor, edge_features: Tensor, edge_index: Tensor) -> Tensor:
        """(S, 3, 3) rotations F_INV, axes as rows."""
        t = functional.softplus(h + self.norm(self.messages(h, edge_features, edge_index)))
        return quaternion_to_rotation(self.quaternion(t))
