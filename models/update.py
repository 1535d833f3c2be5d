"""The equivariant update: two tensor products up to l = 2 in closed form, scalars in and out.

Step 1 collects scalars, vectors and rank-2 tensors of the neighbourhood, step 2 contracts them
with the harmonics of the receiver's own framed directions. Harmonics see the framed vector
u_ij = F_INV,i c_ij / |c_ij|; since every tensor of site j lives in frame j and is contracted in
frame i, only the relative rotation of the frames acts.

Shape legend: S sites, E edges, U distinct edge lengths, d width, n scalar channels, v vector (and
rank-2) channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.edge_ops import Edges
from models.edge_ops.pointwise import softplus
from models.linear import LinearFactory


class EdgeWeights(nn.Module):
    """Lin - softplus - Lin of features of lengths, one weight per channel."""

    def __init__(self, width: int, num_channels: int, linear: LinearFactory) -> None:
        super().__init__()
        self.inner = linear(width, width)
        self.outer = linear(width, num_channels)

    def forward(self, lengths: Tensor) -> Tensor:
        """(U, num_channels) from (U, d) features of lengths."""
        return self.outer(softplus(self.inner(lengths)))


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
        num_channels = num_scalars + 2 * num_vectors
        self.num_scalars = num_scalars
        self.sources = linear(width, num_channels)
        self.collect = EdgeWeights(width, num_channels, linear)
        self.contract = EdgeWeights(width, num_channels, linear)
        self.mix = linear(num_scalars, num_scalars, bias=False)
        self.inner = linear(num_channels, width)
        self.norm = nn.BatchNorm1d(width)
        self.outer = linear(width, width)
        self.skip = linear(width, width)

    def forward(self, h: Tensor, lengths: Tensor, edges: Edges, direction: Tensor) -> Tensor:
        """(S, d) updated site features.

        Args:
            h: (S, d) site features.
            lengths: (U, d) features of the distinct edge lengths.
            edges: which sites and lengths belong to each of E edges.
            direction: (E, 3) framed unit vectors u_ij.
        """
        n = self.num_scalars
        sources = self.sources(h)
        moments = edges.moments(direction)
        collected = edges.collect(sources, self.collect(lengths), moments, n)
        scalars = sources[:, :n] + self.mix(collected[:, :n])
        tensors = torch.cat((scalars, collected[:, n:]), dim=-1)
        pooled = edges.contract(tensors, self.contract(lengths), moments, n)
        hidden = softplus(self.norm(self.inner(pooled)))
        return softplus(self.outer(hidden)) + self.skip(h)
