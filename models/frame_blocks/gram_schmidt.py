"""Frames from two vectors by Gram and Schmidt, with a stated way out where the vectors are none.

Equivariant vectors of a site vanish at inversion centres and are parallel on rotation axes: about
half of all atoms. There the frame would be rounding, or NaN; the axes of the global frame stand
in, so that the frame is again a function of the canonical vectors alone.

Shape legend: S sites, E edges, d width.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from models.attention import Messages
from models.frame_blocks.surroundings import Surroundings
from models.linear import LinearFactory
from models.network_config import NetworkConfig

MIN_SHARE = 1e-3
"""A vector shorter than this share of what its terms could add up to is no vector."""
AXIS_MARGIN = 1e-3
"""Axes that a vector is parallel to within this margin tie; the first is taken."""


def gram_schmidt(vectors: Tensor, scales: Tensor) -> tuple[Tensor, Tensor]:
    """Right-handed frames from two vectors per site, and where a vector was not usable.

    u1 = v1 / |v1|, u2 = normalised v2 - (v2 . u1) u1, u3 = u1 x u2. If |v1| <= 1e-3 of its scale,
    v1 is the first axis (1, 0, 0); if |v2 - (v2 . u1) u1| <= 1e-3 of its scale, v2 is the axis
    least parallel to u1.

    Args:
        vectors: (S, 2, 3) v1 and v2.
        scales: (S, 2) sums of the lengths of the terms of v1 and v2.

    Returns:
        (S, 3, 3) proper rotations with axes u1, u2, u3 as rows; (S, 2) True where v1 and where v2
        was replaced.
    """
    axes = torch.eye(3, dtype=vectors.dtype, device=vectors.device)
    limits = (MIN_SHARE * scales).square()
    first, second = vectors.unbind(1)
    is_short = first.square().sum(-1) <= limits[:, 0]
    u1 = _unit(torch.where(is_short[:, None], axes[0], first))
    residual = _without(second, u1)
    is_parallel = residual.square().sum(-1) <= limits[:, 1]
    ranked = u1.detach().abs() + AXIS_MARGIN * torch.arange(3, device=u1.device)
    other = _without(axes[ranked.argmin(-1)], u1)
    # A short remainder keeps some of u1 from rounding: take it out once more.
    u2 = _unit(_without(_unit(torch.where(is_parallel[:, None], other, residual)), u1))
    frames = torch.stack((u1, u2, torch.linalg.cross(u1, u2)), dim=1)
    return frames, torch.stack((is_short, is_parallel), dim=-1)


def _unit(vectors: Tensor) -> Tensor:
    return vectors * vectors.square().sum(-1, keepdim=True).rsqrt()


def _without(vectors: Tensor, unit: Tensor) -> Tensor:
    """The part of (S, 3) vectors that is perpendicular to unit vectors."""
    return vectors - (vectors * unit).sum(-1, keepdim=True) * unit


class _GramSchmidtFrames(nn.Module, ABC):
    """Scalars phi_ij = Lin(gated message_ij) of edges, vectors from them, and their frame."""

    num_scalars: int

    def __init__(self, config: NetworkConfig, linear: LinearFactory) -> None:
        super().__init__()
        self.messages = Messages(config.width, linear, has_edge_key=config.frame_key_edge)
        self.scalars = linear(config.width, self.num_scalars, bias=False)

    @abstractmethod
    def _vectors(self, scalars: Tensor, direction: Tensor) -> Tensor:
        """(E, 2, 3) terms of v1 and v2 from (E, num_scalars) and (E, 3)."""

    def forward(self, h: Tensor, lengths: Tensor, surroundings: Surroundings) -> Tensor:
        """(S, 3, 3) rotations, axes as rows, from (S, d) features."""
        return self._solved(h, lengths, surroundings)[0]

    def fallbacks(self, h: Tensor, lengths: Tensor, surroundings: Surroundings) -> Tensor:
        """(S, 2) True where the first and where the second vector of a site was replaced."""
        return self._solved(h, lengths, surroundings)[1]

    def _solved(
        self, h: Tensor, lengths: Tensor, surroundings: Surroundings
    ) -> tuple[Tensor, Tensor]:
        edges = surroundings.edges
        messages = self.messages.of_edges(h, lengths, edges)
        terms = self._vectors(self.scalars(messages), surroundings.direction)
        vectors = terms.new_zeros(h.shape[0], 2, 3).index_add(0, edges.index[0], terms)
        lengths_of_terms = terms.detach().norm(dim=-1)
        scales = lengths_of_terms.new_zeros(h.shape[0], 2)
        return gram_schmidt(vectors, scales.index_add(0, edges.index[0], lengths_of_terms))


class LocalGramSchmidt(_GramSchmidtFrames):
    """The published baseline: v_m = sum_j phi_m,ij c_ij / |c_ij|, m = 1, 2.

    The frame turns with the surroundings, so that equivalent sites look alike.

    Source: Hua & Lin, SPFrame (arXiv 2505.15315), equivariant local frames; the fallback is ours.
    """

    num_scalars = 2

    def _vectors(self, scalars: Tensor, direction: Tensor) -> Tensor:
        return scalars[:, :, None] * direction[:, None, :]


class InvariantGramSchmidt(_GramSchmidtFrames):
    """Symmetry-preserving frames by Gram and Schmidt: v_m = sum_j phi_m,ij in R^3, m = 1, 2.

    Source: Hua & Lin, SPFrame (arXiv 2505.15315), Gram-Schmidt variant.
    """

    num_scalars = 6

    def _vectors(self, scalars: Tensor, direction: Tensor) -> Tensor:
        return scalars.unflatten(-1, (2, 3))
