"""Sums over neighbours in plain torch: any device, any transform, differentiable to any order.

They say what the compiled loops compute, and are what runs wherever those cannot.

Shape legend: S sites, E edges, T edges that stand for all, K of them with different keys, U
distinct edge lengths, F features, n scalar channels, v vector and rank-2 channels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.harmonics import harmonics_1, harmonics_2


def activated_sum(
    receivers: Tensor, senders: Tensor, lengths: Tensor | None, index: Tensor, length_index: Tensor
) -> Tensor:
    """(T, F) SiLU(receivers_i + senders_j [+ lengths_u]) of (S, F), (S, F) and (U, F)."""
    total = receivers.index_select(0, index[0]) + senders.index_select(0, index[1])
    if lengths is not None:
        total = total + lengths.index_select(0, length_index)
    return functional.silu(total)


def gates(query: Tensor, keys: Tensor, norm: nn.Module, index: Tensor, rows: Tensor) -> Tensor:
    """(E, F) sigmoid(BN(query_i keys_k)) of (S, F) and (K, F), k = rows_e."""
    scores = query.index_select(0, index[0]) * keys.index_select(0, rows)
    return torch.sigmoid(norm(scores))


def turn(frames: Tensor, direction: Tensor, index: Tensor) -> Tensor:
    """(E, 3) F_i c_e of (S, 3, 3) frames, axes as rows, and (E, 3) directions."""
    return (frames.index_select(0, index[0]) * direction[:, None, :]).sum(-1)


def moments(direction: Tensor, rows: Tensor, num_rows: int) -> Tensor:
    """(num_rows, 9) sums of (1 | Y1 | Y2) over the (E, 3) directions of each of (E,) rows."""
    one = torch.ones_like(direction[:, :1])
    values = torch.cat((one, harmonics_1(direction), harmonics_2(direction)), dim=-1)
    return values.new_zeros(num_rows, 9).index_add(0, rows, values)


def collect(
    sources: Tensor,
    weights: Tensor,
    moments: Tensor,
    index: Tensor,
    length_index: Tensor,
    num_scalars: int,
) -> Tensor:
    """Sums (f_j w0_u m0_t | g_j w1_u m1_t | t_j w2_u m2_t) over the edges of each receiver.

    Args:
        sources: (S, n + 2 v) f, g, t.
        weights: (U, n + 2 v) w0, w1, w2.
        moments: (T, 9) m0, 3 of m1, 5 of m2.
        index: (2, T) receiver and sender.
        length_index: (T,) distinct length of each edge.
        num_scalars: n.

    Returns:
        (S, n + 8 v): n scalars, v values for each component of m1, v for each of m2.
    """
    channels = _channels(weights, num_scalars)
    products = sources.index_select(0, index[1]) * weights.index_select(0, length_index)
    scalars, vectors, tensors = products.split(channels, dim=-1)
    m0, m1, m2 = moments.split((1, 3, 5), dim=-1)
    parts = (
        scalars * m0,
        (m1[:, :, None] * vectors[:, None]).flatten(1),
        (m2[:, :, None] * tensors[:, None]).flatten(1),
    )
    return sum_by_receiver(torch.cat(parts, dim=-1), index, sources.shape[0])


def contract(
    tensors: Tensor,
    weights: Tensor,
    moments: Tensor,
    index: Tensor,
    length_index: Tensor,
    num_scalars: int,
) -> Tensor:
    """Sums (f_j w0_u m0_t | (v_j . m1_t) w1_u / sqrt 3 | (t_j . m2_t) w2_u / sqrt 5) by receiver.

    Args:
        tensors: (S, n + 8 v) scalars, vectors, rank-2 tensors as returned by ``collect``.
        weights: (U, n + 2 v) w0, w1, w2.
        moments: (T, 9) m0, 3 of m1, 5 of m2.
        index: (2, T) receiver and sender.
        length_index: (T,) distinct length of each edge.
        num_scalars: n.

    Returns:
        (S, n + 2 v).
    """
    _, v, _ = _channels(weights, num_scalars)
    sent = tensors.index_select(0, index[1])
    f, vectors, ranks = sent.split((num_scalars, 3 * v, 5 * v), dim=-1)
    m0, m1, m2 = moments.split((1, 3, 5), dim=-1)
    dot1 = (vectors.unflatten(1, (3, v)) * m1[:, :, None]).sum(1)
    dot2 = (ranks.unflatten(1, (5, v)) * m2[:, :, None]).sum(1)
    invariants = torch.cat((f * m0, dot1 / math.sqrt(3), dot2 / math.sqrt(5)), dim=-1)
    products = invariants * weights.index_select(0, length_index)
    return sum_by_receiver(products, index, tensors.shape[0])


def softplus(x: Tensor) -> Tensor:
    """log(1 + exp x), x itself beyond 20."""
    return functional.softplus(x)


def gaussians(x: Tensor, centres: Tensor, gamma: float, smallest: float) -> Tensor:
    """(U, M) exp(max(-gamma (x_u - centre_m)^2, smallest)) of (U,) and (M,)."""
    offset = x[:, None] - centres
    return torch.exp((-gamma * offset * offset).clamp_min(smallest))


def sum_by_receiver(values: Tensor, index: Tensor, num_sites: int) -> Tensor:
    """(S, F) sums over the edges of each receiver of (E, F) values."""
    total = values.new_zeros(num_sites, *values.shape[1:])
    return total.index_add(0, index[0], values)


def _channels(weights: Tensor, num_scalars: int) -> tuple[int, int, int]:
    num_vectors = (weights.shape[1] - num_scalars) // 2
    return num_scalars, num_vectors, num_vectors
