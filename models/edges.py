"""Invariant edge features and spherical harmonics up to l = 2 of canonical edge directions.

Shape legend: E edges, S sites, F features.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.linear import LinearFactory

NUM_CENTRES = 256
SMALLEST_CENTRE = -4.0
DISTANCE_SCALE = 0.75  # Angstrom


class EdgeEmbedding(nn.Module):
    """Edge features from lengths: softplus(Lin(RBF(-0.75 / r))).

    RBF_m(s) = exp(-g (s - c_m)^2) with 256 centres c_m on [-4, 0] and g = 1 / spacing = 255 / 4.

    Source: ComFormer (ICLR 2024), edge features of eComFormer, values of its release.
    """

    def __init__(self, width: int, linear: LinearFactory) -> None:
        super().__init__()
        self.project = linear(NUM_CENTRES, width)

    def forward(self, length: Tensor) -> Tensor:
        """(E, width) features of (E,) [Angstrom] lengths."""
        centres = torch.linspace(
            SMALLEST_CENTRE, 0.0, NUM_CENTRES, dtype=length.dtype, device=length.device
        )
        gamma = (NUM_CENTRES - 1) / -SMALLEST_CENTRE
        offset = -DISTANCE_SCALE / length[:, None] - centres
        return functional.softplus(self.project(torch.exp(-gamma * offset * offset)))


def harmonics_1(direction: Tensor) -> Tensor:
    """(..., 3) Y1 = sqrt(3) (x, y, z) of unit vectors (..., 3); |Y1|^2 = 3."""
    return math.sqrt(3) * direction


def harmonics_2(direction: Tensor) -> Tensor:
    """(..., 5) Y2 of unit vectors (..., 3), component normalisation; |Y2|^2 = 5.

    Y2 = sqrt(15) (x y, y z, x z, (3 z^2 - 1) / (2 sqrt(3)), (x^2 - y^2) / 2), so that
    Y2(a) . Y2(b) = 5/2 (3 (a . b)^2 - 1).
    """
    x, y, z = direction.unbind(-1)
    components = (
        x * y,
        y * z,
        x * z,
        (3 * z * z - 1) / (2 * math.sqrt(3)),
        (x * x - y * y) / 2,
    )
    return math.sqrt(15) * torch.stack(components, dim=-1)


def sum_by_receiver(values: Tensor, receiver: Tensor, num_sites: int) -> Tensor:
    """(S, ...) sums over the edges of each receiver of (E, ...) values."""
    return values.new_zeros(num_sites, *values.shape[1:]).index_add(0, receiver, values)
