"""Compiled loops of the tensor products, eight channels at a time, and of the harmonics they need.

Forward and backward passes of the operations of ``torch_path``, one thread, sums in the dtype of
the arrays. Outputs and gradients start at zero and are added to, those of harmonics are set.

Shape legend: S sites, E edges, T edges that stand for all, U distinct edge lengths, n scalar
channels, v vector and rank-2 channels; n and v are multiples of eight. Tensors of a site are stored
component by component: n scalars, then v values for each of 3 components of Y1, then v for each of
5 of Y2. Moments are nine numbers of an edge: one for scalars, 3 for vectors, 5 for tensors.
"""

from __future__ import annotations

import math

from models.edge_ops.compile import device, kernel
from models.edge_ops.lanes import LANES, load, splat, store, total, zero

_ROOT3, _ROOT5, _ROOT15 = math.sqrt(3), math.sqrt(5), math.sqrt(15)


@device
def _add(array, row, column, vector):
    """array[row, column : column + 8] += vector."""
    store(array, row, column, load(array, row, column) + vector)


@kernel
def turn(frames, direction, index, out):
    """out_e = F_i c_e, axes of (S, 3, 3) frames as rows."""
    for e in range(index.shape[1]):
        i = index[0, e]
        for m in range(3):
            out[e, m] = (
                frames[i, m, 0] * direction[e, 0]
                + frames[i, m, 1] * direction[e, 1]
                + frames[i, m, 2] * direction[e, 2]
            )


@kernel
def turn_backward(grad, frames, direction, index, d_frames, d_direction):
    """Gradients of ``turn``."""
    for e in range(index.shape[1]):
        i = index[0, e]
        for c in range(3):
            d_direction[e, c] = grad[e, 0] * frames[i, 0, c]
            d_direction[e, c] += grad[e, 1] * frames[i, 1, c] + grad[e, 2] * frames[i, 2, c]
            for m in range(3):
                d_frames[i, m, c] += grad[e, m] * direction[e, c]


@kernel
def moments(direction, rows, out):
    """out_t += sum_e (1 | Y1_e | Y2_e) over the edges of each row; component normalisation."""
    for e in range(rows.shape[0]):
        t = rows[e]
        x1, x2, x3 = direction[e, 0], direction[e, 1], direction[e, 2]
        out[t, 0] += 1
        out[t, 1] += _ROOT3 * x1
        out[t, 2] += _ROOT3 * x2
        out[t, 3] += _ROOT3 * x3
        out[t, 4] += _ROOT15 * x1 * x2
        out[t, 5] += _ROOT15 * x2 * x3
        out[t, 6] += _ROOT15 * x1 * x3
        out[t, 7] += 0.5 * _ROOT5 * (3 * x3 * x3 - 1)
        out[t, 8] += 0.5 * _ROOT15 * (x1 * x1 - x2 * x2)


@kernel
def moments_backward(grad, direction, rows, d_direction):
    """Gradient of the directions from that of (T, 9) moments."""
    for e in range(rows.shape[0]):
        t = rows[e]
        x1, x2, x3 = direction[e, 0], direction[e, 1], direction[e, 2]
        d_direction[e, 0] = _ROOT3 * grad[t, 1] + _ROOT15 * (
            x2 * grad[t, 4] + x3 * grad[t, 6] + x1 * grad[t, 8]
        )
        d_direction[e, 1] = _ROOT3 * grad[t, 2] + _ROOT15 * (
            x1 * grad[t, 4] + x3 * grad[t, 5] - x2 * grad[t, 8]
        )
        d_direction[e, 2] = (
            _ROOT3 * grad[t, 3]
            + _ROOT15 * (x2 * grad[t, 5] + x1 * grad[t, 6])
            + 3 * _ROOT5 * x3 * grad[t, 7]
        )


@kernel
def collect(sources, weights, moments, index, length_index, num_scalars, out):
    """out_i += sum_t (f_j w0_u m0_t | g_j w1_u m1_t | t_j w2_u m2_t).

    Args:
        sources: (S, n + 2 v) f, g, t.
        weights: (U, n + 2 v) w0, w1, w2.
        moments: (T, 9) m0, m1, m2.
        index: (2, T) receiver, sender.
        length_index: (T,).
        num_scalars: n.
        out: (S, n + 8 v).
    """
    n = num_scalars
    v = (sources.shape[1] - n) // 2
    for t in range(index.shape[1]):
        i, j, u = index[0, t], index[1, t], length_index[t]
        factor = splat(moments[t, 0])
        for c in range(0, n, LANES):
            product = load(sources, j, c) * load(weights, u, c)
            _add(out, i, c, product * factor)
        for kind in range(2):
            for c in range(n + kind * v, n + kind * v + v, LANES):
                product = load(sources, j, c) * load(weights, u, c)
                for m in range(3 * kind, 3 + 5 * kind):
                    _add(out, i, c + (m - kind) * v, product * splat(moments[t, 1 + m]))


@kernel
def collect_backward(
    grad, sources, weights, moments, index, length_index, num_scalars, d_sources, d_weights,
    d_moments,
):  # fmt: skip
    """Gradients of ``collect`` from (S, n + 8 v) ``grad``."""
    n = num_scalars
    v = (sources.shape[1] - n) // 2
    for t in range(index.shape[1]):
        i, j, u = index[0, t], index[1, t], length_index[t]
        factor, d_factor = splat(moments[t, 0]), zero(moments)
        for c in range(0, n, LANES):
            g, source, weight = load(grad, i, c), load(sources, j, c), load(weights, u, c)
            d_factor = d_factor + g * source * weight
            _add(d_sources, j, c, g * factor * weight)
            _add(d_weights, u, c, g * factor * source)
        d_moments[t, 0] = total(d_factor)
        for kind in range(2):
            for c in range(n + kind * v, n + kind * v + v, LANES):
                source, weight = load(sources, j, c), load(weights, u, c)
                product, g = source * weight, zero(grad)
                for m in range(3 * kind, 3 + 5 * kind):
                    g_m = load(grad, i, c + (m - kind) * v)
                    g = g + g_m * splat(moments[t, 1 + m])
                    d_moments[t, 1 + m] += total(g_m * product)
                _add(d_sources, j, c, g * weight)
                _add(d_weights, u, c, g * source)


@kernel
def contract(tensors, weights, moments, index, length_index, num_scalars, norms, out):
    """out_i += sum_t (f_j w0_u m0_t | (v_j . m1_t) w1_u / sqrt 3 | (t_j . m2_t) w2_u / sqrt 5).

    Args:
        tensors: (S, n + 8 v) scalars, vectors, rank-2 tensors.
        weights: (U, n + 2 v) w0, w1, w2.
        moments: (T, 9) m0, m1, m2.
        index: (2, T) receiver, sender.
        length_index: (T,).
        num_scalars: n.
        norms: (2,) 1 / sqrt 3, 1 / sqrt 5.
        out: (S, n + 2 v).
    """
    n = num_scalars
    v = (weights.shape[1] - n) // 2
    for t in range(index.shape[1]):
        i, j, u = index[0, t], index[1, t], length_index[t]
        factor = splat(moments[t, 0])
        for c in range(0, n, LANES):
            _add(out, i, c, load(tensors, j, c) * load(weights, u, c) * factor)
        for kind in range(2):
            norm = splat(norms[kind])
            for c in range(n + kind * v, n + kind * v + v, LANES):
                dot = zero(moments)
                for m in range(3 * kind, 3 + 5 * kind):
                    dot = dot + load(tensors, j, c + (m - kind) * v) * splat(moments[t, 1 + m])
                _add(out, i, c, dot * norm * load(weights, u, c))


@kernel
def contract_backward(
    grad, tensors, weights, moments, index, length_index, num_scalars, norms, d_tensors, d_weights,
    d_moments,
):  # fmt: skip
    """Gradients of ``contract`` from (S, n + 2 v) ``grad``."""
    n = num_scalars
    v = (weights.shape[1] - n) // 2
    for t in range(index.shape[1]):
        i, j, u = index[0, t], index[1, t], length_index[t]
        factor, d_factor = splat(moments[t, 0]), zero(moments)
        for c in range(0, n, LANES):
            g, tensor, weight = load(grad, i, c), load(tensors, j, c), load(weights, u, c)
            d_factor = d_factor + g * tensor * weight
            _add(d_tensors, j, c, g * factor * weight)
            _add(d_weights, u, c, g * factor * tensor)
        d_moments[t, 0] = total(d_factor)
        for kind in range(2):
            norm = splat(norms[kind])
            for c in range(n + kind * v, n + kind * v + v, LANES):
                g = load(grad, i, c) * norm
                product, dot = g * load(weights, u, c), zero(moments)
                for m in range(3 * kind, 3 + 5 * kind):
                    tensor, moment = load(tensors, j, c + (m - kind) * v), moments[t, 1 + m]
                    dot = dot + tensor * splat(moment)
                    d_moments[t, 1 + m] += total(tensor * product)
                    _add(d_tensors, j, c + (m - kind) * v, product * splat(moment))
                _add(d_weights, u, c, g * dot)
