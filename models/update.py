"""The equivariant update: two tensor products up to l = 2 in closed form, scalars in and out.

Step 1 collects scalars, vectors and rank-2 tensors of the neighbourhood, step 2 contracts them
with the harmonics of the receiver's own framed directions. Harmonics see the framed vector
u_ij = F_INV,i c_ij / |c_ij|; since every tensor of site j lives in frame j and is contracted in
frame i, only the relative rotation of the frames acts.

Shape legend: S sites, E edges, d width, n scalar channels, v vector (and rank-2) channels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.edges import harmonics_1, harmonics_2, sum_by_receiver
from models.linear import LinearFactory


class EdgeWeights(nn.Module):
    """Lin - softplus - Lin of edge features, split into one weight per channel."""

    def __init__(self, width: int, channels: tuple[int, ...], linear: LinearFactory) -> None:
        super().__init__()
        self.channels = channels
        self.inner = linear(width, width)
        self.outer = linear(width, sum(channels))

    def forward(self, edge_features: Tensor) -> tuple[Tensor, ...]:
        """(E, c) for each c of ``channels``."""
        weights = self.outer(functional.softplus(self.inner(edge_features)))
        return weights.split(self.channels, dim=-1)


class EquivariantUpdate(nn.Module):
    """Site update by separable tensor products (one weight per edge and channel).

    f_i = Lin(h_i), g_i = Lin(h_i), t_i = Lin(h_i);
    f0_i = f_i + Lin(mean_j f_j o W0_ij);
    f1_i = mean_j (g_j o W1_ij) x Y1_ij;   f2_i = mean_j (t_j o W2_ij) x Y2_ij;
    o_i = mean_j [ f0_j o V0_ij | (f1_j . Y1_ij) o V1_ij / sqrt(3)
                                | (f2_j . Y2_ij) o V2_ij / sqrt(5) ];
    h_i' = softplus(Lin(softplus(BN(Lin o_i)))) + Lin_skip(h_i).

    Channels are mixed by dense layers on sites, which map onto meshes, in place of the n x n
    weights per edge of a full tensor product; the symmetry is the same.

    Source: eComFormer update (ICLR 2024) with e3nn's component normalisation, separated.
    """

    def __init__(
        self, width: int, num_scalars: int, num_vectors: int, linear: LinearFactory
    ) -> None:
        super().__init__()
        channels = (num_scalars, num_vectors, num_vectors)
        self.channels = channels
        self.sources = linear(width, sum(channels))
        self.collect = EdgeWeights(width, channels, linear)
        self.contract = EdgeWeights(width, channels, linear)
        self.mix = linear(num_scalars, num_scalars, bias=False)
        self.inner = linear(sum(channels), width)
        self.norm = nn.BatchNorm1d(width)
        self.outer = linear(width, width)
        self.skip = linear(width, width)

    def forward(
        self, h: Tensor, edge_features: Tensor, edge_index: Tensor, direction: Tensor
    ) -> Tensor:
        """(S, d) updated site features.

        Args:
            h: (S, d) site features.
            edge_features: (E, d) edge features.
            edge_index: (2, E) receiver and sender.
            direction: (E, 3) framed unit vectors u_ij.
        """
        receiver, sender = edge_index
        degree = sum_by_receiver(torch.ones_like(direction[:, :1]), receiver, h.shape[0])
        y1, y2 = harmonics_1(direction), harmonics_2(direction)

        f0, f1, f2 = self.sources(h).split(self.channels, dim=-1)
        w0, w1, w2 = self.collect(edge_features)
        collected = torch.cat(
            (
                f0.index_select(0, sender) * w0,
                ((f1.index_select(0, sender) * w1)[:, :, None] * y1[:, None]).flatten(1),
                ((f2.index_select(0, sender) * w2)[:, :, None] * y2[:, None]).flatten(1),
            ),
            dim=-1,
        )
        scalars, vectors, tensors = (
            sum_by_receiver(collected, receiver, h.shape[0]) / degree
        ).split((self.channels[0], 3 * self.channels[1], 5 * self.channels[2]), dim=-1)
        scalars = f0 + self.mix(scalars)

        v0, v1, v2 = self.contract(edge_features)
        dot1 = (vectors.index_select(0, sender).unflatten(1, (-1, 3)) * y1[:, None]).sum(-1)
        dot2 = (tensors.index_select(0, sender).unflatten(1, (-1, 5)) * y2[:, None]).sum(-1)
        contracted = torch.cat(
            (
                scalars.index_select(0, sender) * v0,
                dot1 * v1 / math.sqrt(3),
                dot2 * v2 / math.sqrt(5),
            ),
            dim=-1,
        )
        pooled = sum_by_receiver(contracted, receiver, h.shape[0]) / degree
        hidden = functional.softplus(self.norm(self.inner(pooled)))
        return functional.softplus(self.outer(hidden)) + self.skip(h)
