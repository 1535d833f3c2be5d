"""Invariant features of edge lengths.

Lengths repeat: a shell of neighbours has one, and an edge and its reverse share theirs. Features
are computed once per distinct length, about six times fewer vectors through the network (or
through the light) in the shipped data, and then read by edges.

Shape legend: U distinct lengths.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.edge_ops.pointwise import gaussians, softplus
from models.linear import LinearFactory

NUM_CENTRES = 256
SMALLEST_CENTRE = -4.0
DISTANCE_SCALE = 0.75  # Angstrom
SMALLEST_EXPONENT = -80.0
"""exp(-80) is nothing beside 1 in float64, yet no subnormal number in float32: those take a
processor a hundred times longer, and most of the 256 Gaussians of an edge would be some."""


class EdgeEmbedding(nn.Module):
    """Edge features from lengths: softplus(Lin(RBF(-0.75 / r))).

    RBF_m(s) = exp(-g (s - c_m)^2) with 256 centres c_m on [-4, 0] and g = 1 / spacing = 255 / 4.

    Source: ComFormer (ICLR 2024), edge features of eComFormer, values of its release.
    """

    def __init__(self, width: int, linear: LinearFactory) -> None:
        super().__init__()
        self.project = linear(NUM_CENTRES, width)

    def forward(self, length: Tensor) -> Tensor:
        """(U, width) features of (U,) [Angstrom] lengths."""
        centres = torch.linspace(
            SMALLEST_CENTRE, 0.0, NUM_CENTRES, dtype=length.dtype, device=length.device
        )
        gamma = (NUM_CENTRES - 1) / -SMALLEST_CENTRE
        basis = gaussians(-DISTANCE_SCALE / length, centres, gamma, SMALLEST_EXPONENT)
        return softplus(self.project(basis))
