"""Sums over neighbours in plain torch: any device, any transform, differentiable to any order.

They say what the compiled loops compute, and are what runs wherever those cannot.

Shape legend: S sites, E edges, T edges that stand for all, U distinct edge lengths, F features, n
scalar channels, v vector and rank-2 channels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from models.harmonics import harmonics_1, harmonics_2


def gather_sum(
    receivers: Tensor, senders: Tensor, lengths: Tensor | None, index: Tensor, length_index: Tensor
) -> Tensor:
    """(E, F) receivers_i + senders_j [+ lengths_u] of (S, F), (S, F) and (U, F)."""
    total = receivers.index_select(0, index[0]) + senders.index_select(0, index[1])
    return total if lengths is None else total + lengths.index_select(0, length_index)


def scale_by_receiver(sites: Tensor, values: Tensor, index: Tensor, rows: Tensor) -> Tensor:
    """(E, F) sites_i values_t of (S, F) and (T, F), t = rows_e."""
    return sites.index_select(0, index[0]) * values.index_select(0, rows)


def gated_sum(gates: Tensor, values: Tensor, index: Tensor, rows: Tensor, num_sites: int) -> Tensor:
    """(S, F) sum_e gates_e values_t, t = rows_e, by receiver, of (E, F) and (T, F)."""
    return sum_by_receiver(gates * values.index_select(0, rows), index, num_sites)


def collect(
    sources: Tensor,
    weights: Tensor,
    direction: Tensor,
    index: Tensor,
    length_index: Tensor,
    num_scalars: int,
) -> Tensor:
    """Sums (f_j w0_u | g_j w1_u Y1_e | t_j w2_u Y2_e) over the edges of each receiver.

    Args:
        sources: (S, n + 2 v) f, g, t.
        weights: (U, n + 2 v) w0, w1, w2.
        direction: (E, 3) unit vectors.
        index: (2, E) receiver and sender.
        length_index: (E,) distinct length of each edge.
        num_scalars: n.

    Returns:
        (S, n + 8 v): n scalars, v values for each of 3 components of Y1, v for each of 5 of Y2.
    """
    channels = _channels(weights, num_scalars)
    products = sources.index_select(0, index[1]) * weights.index_select(0, length_index)
    scalars, vectors, tensors = products.split(channels, dim=-1)
    parts = (
        scalars,
        (harmonics_1(direction)[:, :, None] * vectors[:, None]).flatten(1),
        (harmonics_2(direction)[:, :, None] * tensors[:, None]).flatten(1),
    )
    return sum_by_receiver(torch.cat(parts, dim=-1), index, sources.shape[0])


def contract(
    tensors: Tensor,
    weights: Tensor,
    direction: Tensor,
    index: Tensor,
    length_index: Tensor,
    num_scalars: int,
) -> Tensor:
    """Sums (f_j w0_u | (v_j . Y1_e) w1_u / sqrt 3 | (t_j . Y2_e) w2_u / sqrt 5) by receiver.

    Args:
        tensors: (S, n + 8 v) f, v, t as returned by ``collect``.
        weights: (U, n + 2 v) w0, w1, w2.
        direction: (E, 3) unit vectors.
        index: (2, E) receiver and sender.
        length_index: (E,) distinct length of each edge.
        num_scalars: n.

    Returns:
        (S, n + 2 v).
    """
    _, v, _ = _channels(weights, num_scalars)
    sent = tensors.index_select(0, index[1])
    f, vectors, ranks = sent.split((num_scalars, 3 * v, 5 * v), dim=-1)
    dot1 = (vectors.unflatten(1, (3, v)) * harmonics_1(direction)[:, :, None]).sum(1)
    dot2 = (ranks.unflatten(1, (5, v)) * harmonics_2(direction)[:, :, None]).sum(1)
    invariants = torch.cat((f, dot1 / math.sqrt(3), dot2 / math.sqrt(5)), dim=-1)
    products = invariants * weights.index_select(0, length_index)
    return sum_by_receiver(products, index, tensors.shape[0])


def sum_by_receiver(values: Tensor, index: Tensor, num_sites: int) -> Tensor:
    """(S, F) sums over the edges of each receiver of (E, F) values."""
    total = values.new_zeros(num_sites, *values.shape[1:])
    return total.index_add(0, index[0], values)


def _channels(weights: Tensor, num_scalars: int) -> tuple[int, int, int]:
    num_vectors = (weights.shape[1] - num_scalars) // 2
    return num_scalars, num_vectors, num_vectors
