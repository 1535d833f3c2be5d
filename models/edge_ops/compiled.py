"""Compiled loops over edges: gather, act and scatter without anything of edge size in between.

Forward and backward passes of the operations of ``torch_path``, one thread, sums in the dtype of
the arrays. Every backward pass adds to gradients that start at zero.

Shape legend: S sites, E edges, T edges that stand for all, U distinct edge lengths, F features, n
scalar channels, v vector and rank-2 channels. Tensors of a site are stored component by component:
n scalars, then v values for each of 3 components of Y1, then v for each of 5 of Y2.
"""

from __future__ import annotations

import math

from numba import njit

_OPTIONS = {"cache": True, "nogil": True, "fastmath": {"contract", "reassoc", "nsz", "arcp"}}
_ROOT3, _ROOT5, _ROOT15 = math.sqrt(3), math.sqrt(5), math.sqrt(15)


@njit(**_OPTIONS)
def gather_sum(receivers, senders, lengths, index, length_index, out):
    """out_e = receivers_i + senders_j + lengths_u; ``lengths`` may have no rows."""
    num_features = receivers.shape[1]
    has_lengths = lengths.shape[0] > 0
    for e in range(index.shape[1]):
        i, j = index[0, e], index[1, e]
        for c in range(num_features):
            out[e, c] = receivers[i, c] + senders[j, c]
        if has_lengths:
            u = length_index[e]
            for c in range(num_features):
                out[e, c] += lengths[u, c]


@njit(**_OPTIONS)
def gather_sum_backward(grad, index, length_index, d_receivers, d_senders, d_lengths):
    """Sums of (E, F) ``grad`` by receiver, by sender and by length."""
    num_features = grad.shape[1]
    has_lengths = d_lengths.shape[0] > 0
    for e in range(index.shape[1]):
        i, j = index[0, e], index[1, e]
        for c in range(num_features):
            d_receivers[i, c] += grad[e, c]
        for c in range(num_features):
            d_senders[j, c] += grad[e, c]
        if has_lengths:
            u = length_index[e]
            for c in range(num_features):
                d_lengths[u, c] += grad[e, c]


@njit(**_OPTIONS)
def scale_by_receiver(sites, values, index, rows, out):
    """out_e = sites_i values_t, t = rows_e."""
    for e in range(index.shape[1]):
        i, t = index[0, e], rows[e]
        for c in range(sites.shape[1]):
            out[e, c] = sites[i, c] * values[t, c]


@njit(**_OPTIONS)
def scale_by_receiver_backward(grad, sites, values, index, rows, d_sites, d_values):
    """Gradients of ``scale_by_receiver``."""
    for e in range(index.shape[1]):
        i, t = index[0, e], rows[e]
        for c in range(sites.shape[1]):
            d_values[t, c] += sites[i, c] * grad[e, c]
        for c in range(sites.shape[1]):
            d_sites[i, c] += values[t, c] * grad[e, c]


@njit(**_OPTIONS)
def gated_sum(gates, values, index, rows, out):
    """out_i += sum_e gates_e values_t, t = rows_e."""
    for e in range(index.shape[1]):
        i, t = index[0, e], rows[e]
        for c in range(values.shape[1]):
            out[i, c] += gates[e, c] * values[t, c]


@njit(**_OPTIONS)
def gated_sum_backward(grad, gates, values, index, rows, d_gates, d_values):
    """Gradients of ``gated_sum`` from (S, F) ``grad``."""
    for e in range(index.shape[1]):
        i, t = index[0, e], rows[e]
        for c in range(values.shape[1]):
            d_gates[e, c] = grad[i, c] * values[t, c]
        for c in range(values.shape[1]):
            d_values[t, c] += grad[i, c] * gates[e, c]


@njit(inline="always", fastmath=True)
def _harmonics(direction, e, y):
    """Y1 and Y2 of edge e into the eight numbers of ``y``; component normalisation."""
    x1, x2, x3 = direction[e, 0], direction[e, 1], direction[e, 2]
    y[0], y[1], y[2] = _ROOT3 * x1, _ROOT3 * x2, _ROOT3 * x3
    y[3], y[4], y[5] = _ROOT15 * x1 * x2, _ROOT15 * x2 * x3, _ROOT15 * x1 * x3
    y[6] = 0.5 * _ROOT5 * (3 * x3 * x3 - 1)
    y[7] = 0.5 * _ROOT15 * (x1 * x1 - x2 * x2)


@njit(inline="always", fastmath=True)
def _harmonics_backward(direction, e, dy, d_direction):
    """Gradient of the direction from that of its eight harmonics."""
    x1, x2, x3 = direction[e, 0], direction[e, 1], direction[e, 2]
    d_direction[e, 0] = _ROOT3 * dy[0] + _ROOT15 * (x2 * dy[3] + x3 * dy[5] + x1 * dy[7])
    d_direction[e, 1] = _ROOT3 * dy[1] + _ROOT15 * (x1 * dy[3] + x3 * dy[4] - x2 * dy[7])
    d_direction[e, 2] = _ROOT3 * dy[2] + _ROOT15 * (x2 * dy[4] + x1 * dy[5])
    d_direction[e, 2] += 3 * _ROOT5 * x3 * dy[6]


@njit(**_OPTIONS)
def collect(sources, weights, direction, index, length_index, num_scalars, y, out):
    """out_i += sum_e (f_j w0_u | g_j w1_u Y1_e | t_j w2_u Y2_e).

    Args:
        sources: (S, n + 2 v) f, g, t.
        weights: (U, n + 2 v) w0, w1, w2.
        direction: (E, 3) unit vectors.
        index: (2, E) receiver, sender.
        length_index: (E,).
        num_scalars: n.
        y: (8,) scratch.
        out: (S, n + 8 v).
    """
    n = num_scalars
    v = (sources.shape[1] - n) // 2
    for e in range(index.shape[1]):
        i, j, u = index[0, e], index[1, e], length_index[e]
        _harmonics(direction, e, y)
        for c in range(n):
            out[i, c] += sources[j, c] * weights[u, c]
        for m in range(8):
            start = n if m < 3 else n + v
            for c in range(v):
                product = sources[j, start + c] * weights[u, start + c]
                out[i, n + m * v + c] += product * y[m]


@njit(**_OPTIONS)
def collect_backward(
    grad, sources, weights, direction, index, length_index, num_scalars, y, d_sources, d_weights,
    d_direction,
):  # fmt: skip
    """Gradients of ``collect`` from (S, n + 8 v) ``grad``; ``y`` is (16,) scratch."""
    n = num_scalars
    v = (sources.shape[1] - n) // 2
    dy = y[8:]
    for e in range(index.shape[1]):
        i, j, u = index[0, e], index[1, e], length_index[e]
        _harmonics(direction, e, y)
        for c in range(n):
            d_sources[j, c] += grad[i, c] * weights[u, c]
        for c in range(n):
            d_weights[u, c] += grad[i, c] * sources[j, c]
        for m in range(8):
            start = n if m < 3 else n + v
            total = y[0] * 0
            for c in range(v):
                g = grad[i, n + m * v + c]
                s, w = sources[j, start + c], weights[u, start + c]
                d_sources[j, start + c] += g * w * y[m]
                d_weights[u, start + c] += g * s * y[m]
                total += g * s * w
            dy[m] = total
        _harmonics_backward(direction, e, dy, d_direction)


@njit(**_OPTIONS)
def contract(tensors, weights, direction, index, length_index, num_scalars, y, out):
    """out_i += sum_e (f_j w0_u | (v_j . Y1_e) w1_u / sqrt 3 | (t_j . Y2_e) w2_u / sqrt 5).

    Args:
        tensors: (S, n + 8 v) scalars, vectors, rank-2 tensors.
        weights: (U, n + 2 v) w0, w1, w2.
        direction: (E, 3) unit vectors.
        index: (2, E) receiver, sender.
        length_index: (E,).
        num_scalars: n.
        y: (8,) scratch.
        out: (S, n + 2 v).
    """
    n = num_scalars
    v = (weights.shape[1] - n) // 2
    for e in range(index.shape[1]):
        i, j, u = index[0, e], index[1, e], length_index[e]
        _harmonics(direction, e, y)
        for c in range(n):
            out[i, c] += tensors[j, c] * weights[u, c]
        for m in range(8):
            start = n if m < 3 else n + v
            scale = y[m] / _ROOT3 if m < 3 else y[m] / _ROOT5
            for c in range(v):
                product = tensors[j, n + m * v + c] * weights[u, start + c]
                out[i, start + c] += product * scale


@njit(**_OPTIONS)
def contract_backward(
    grad, tensors, weights, direction, index, length_index, num_scalars, y, d_tensors, d_weights,
    d_direction,
):  # fmt: skip
    """Gradients of ``contract`` from (S, n + 2 v) ``grad``; ``y`` is (16,) scratch."""
    n = num_scalars
    v = (weights.shape[1] - n) // 2
    dy = y[8:]
    for e in range(index.shape[1]):
        i, j, u = index[0, e], index[1, e], length_index[e]
        _harmonics(direction, e, y)
        for c in range(n):
            d_tensors[j, c] += grad[i, c] * weights[u, c]
        for c in range(n):
            d_weights[u, c] += grad[i, c] * tensors[j, c]
        for m in range(8):
            start = n if m < 3 else n + v
            norm = 1 / _ROOT3 if m < 3 else 1 / _ROOT5
            total = y[0] * 0
            for c in range(v):
                g = grad[i, start + c]
                t, w = tensors[j, n + m * v + c], weights[u, start + c]
                d_tensors[j, n + m * v + c] += g * w * (y[m] * norm)
                d_weights[u, start + c] += g * t * (y[m] * norm)
                total += g * t * w
            dy[m] = total * norm
        _harmonics_backward(direction, e, dy, d_direction)
