"""Compiled loops of gated messages: dense products aside, all between two layers in one pass.

Forward and backward passes of the operations of ``torch_path``, one thread. Sums over neighbours
are in the dtype of the arrays, those over all edges in float64, a block of edges at a time.

Shape legend: S sites, T edges that stand for all E, K of them with different keys, U distinct edge
lengths, F features. Edges with one key follow each other: those of key k are ``first[k]`` to
``first[k + 1] - 1``, have one receiver, and stand for ``count[t]`` edges each.
"""

from __future__ import annotations

from models.edge_ops.compile import device, kernel
from models.edge_ops.exponentials import THRESHOLD, exp, sigmoid
from models.edge_ops.exponentials import softplus as softplus_of

_BLOCK = 64
"""Edges whose sum is taken in the dtype of the arrays."""


@kernel
def activated_sum(receivers, senders, lengths, index, length_index, out, slopes):
    """out_t = SiLU(receivers_i + senders_j + lengths_u); ``lengths`` may have no rows.

    ``slopes``, if it has rows, gets the derivatives of SiLU.
    """
    for t in range(index.shape[1]):
        hidden = out[t]
        _gather(receivers[index[0, t]], senders[index[1, t]], lengths, length_index[t], hidden)
        if slopes.shape[0] > 0:
            slope = slopes[t]
            for c in range(hidden.shape[0]):
                gate = sigmoid(hidden[c])
                slope[c] = gate + hidden[c] * (gate - gate * gate)
                hidden[c] *= gate
        else:
            for c in range(hidden.shape[0]):
                hidden[c] *= sigmoid(hidden[c])


@kernel
def activated_sum_backward(grad, slopes, index, length_index, row, sums):
    """Gradients of ``activated_sum`` from (T, F) ``grad`` and the slopes.

    Args:
        row: (F,) scratch.
        sums: (S, F), (S, F), (U, F) gradients of receivers, senders and lengths.
    """
    d_receivers, d_senders, d_lengths = sums
    for t in range(index.shape[1]):
        g, slope = grad[t], slopes[t]
        for c in range(row.shape[0]):
            row[c] = g[c] * slope[c]
        _add(row, d_receivers[index[0, t]])
        _add(row, d_senders[index[1, t]])
        if d_lengths.shape[0] > 0:
            _add(row, d_lengths[length_index[t]])


@device
def _gather(receiver, sender, lengths, u, out):
    """out = receiver + sender + lengths_u, rows."""
    for c in range(out.shape[0]):
        out[c] = receiver[c] + sender[c]
    if lengths.shape[0] > 0:
        _add(lengths[u], out)


@device
def _add(row, total):
    """total += row."""
    for c in range(row.shape[0]):
        total[c] += row[c]


@kernel
def sum_of_scores(query, keys, receiver, count, row, total):
    """total = sum_k count_k query_i keys_k, float64; ``row`` is (F,) zeros, scratch."""
    for k in range(keys.shape[0]):
        q, key, times = query[receiver[k]], keys[k], count[k]
        for c in range(row.shape[0]):
            row[c] += times * (q[c] * key[c])
        _flush(k, keys.shape[0], row, total)


@kernel
def squares_of_scores(query, keys, receiver, count, centre, row, total):
    """total = sum_k count_k (query_i keys_k - centre)^2, as ``sum_of_scores``."""
    for k in range(keys.shape[0]):
        q, key, times = query[receiver[k]], keys[k], count[k]
        for c in range(row.shape[0]):
            distance = q[c] * key[c] - centre[c]
            row[c] += times * distance * distance
        _flush(k, keys.shape[0], row, total)


@device
def _flush(k, stop, part, total):
    """Move the sum of a block to the total at its last row."""
    if k % _BLOCK == _BLOCK - 1 or k == stop - 1:
        for c in range(part.shape[0]):
            total[c] += part[c]
            part[c] = 0


@kernel
def gated_sum(query, keys, values, receiver, first, count, scale, shift, gates, out):
    """out_i += sum_t count_t gate_k values_t with gate_k = sigmoid(scale query_i keys_k + shift).

    Args:
        query: (S, F).
        keys: (K, F).
        values: (T, F).
        receiver: (K,).
        first: (K + 1,).
        count: (T,).
        scale: (F,).
        shift: (F,).
        gates: (K, F) is set.
        out: (S, F).
    """
    for k in range(keys.shape[0]):
        i = receiver[k]
        q, key, gate, total = query[i], keys[k], gates[k], out[i]
        for c in range(gate.shape[0]):
            gate[c] = sigmoid(q[c] * key[c] * scale[c] + shift[c])
        for t in range(first[k], first[k + 1]):
            value, times = values[t], count[t]
            for c in range(gate.shape[0]):
                total[c] += gate[c] * value[c] * times


@kernel
def gated_sum_backward(
    grad, gates, values, query, keys, receiver, first, count, mean, inverse, row, d_norm, d_values,
    sums,
):  # fmt: skip
    """Gradients of ``gated_sum`` from (S, F) ``grad``: of its values and of normalised scores.

    Args:
        mean: (F,) of the scores.
        inverse: (F,) one over their deviation.
        row: (3, F) zeros, scratch.
        d_norm: (K, F) is set to the gradient of scale scores + shift.
        d_values: (T, F) is set.
        sums: (2, F) zeros, float64; the sums of ``d_norm`` and of ``d_norm`` times the scores in
            units of their deviation.
    """
    summed, by_shift, by_scale = row[0], row[1], row[2]
    for k in range(gates.shape[0]):
        i = receiver[k]
        g, gate, q, key, d_row = grad[i], gates[k], query[i], keys[k], d_norm[k]
        summed[:] = 0
        for t in range(first[k], first[k + 1]):
            value, d_value, times = values[t], d_values[t], count[t]
            for c in range(gate.shape[0]):
                summed[c] += value[c] * times
            for c in range(gate.shape[0]):
                d_value[c] = g[c] * gate[c] * times
        for c in range(gate.shape[0]):
            d_row[c] = g[c] * summed[c] * (gate[c] - gate[c] * gate[c])
        for c in range(gate.shape[0]):
            by_shift[c] += d_row[c]
        for c in range(gate.shape[0]):
            by_scale[c] += d_row[c] * (q[c] * key[c] - mean[c]) * inverse[c]
        _flush(k, gates.shape[0], by_shift, sums[0])
        _flush(k, gates.shape[0], by_scale, sums[1])


@kernel
def scores_backward(d_norm, query, keys, receiver, count, scale, means, d_query, d_keys):
    """Gradients of query and keys, of which scores are the products, from ``d_norm``.

    d_scores_k = scale d_norm_k - count_k (means_0 + means_1 scores_k), where the second part is
    that of the statistics of the batch: ``means`` are zeros where these do not matter.

    Args:
        d_norm: (K, F).
        count: (K,) edges of each key.
        scale: (F,).
        means: (2, F).
        d_query: (S, F).
        d_keys: (K, F).
    """
    for k in range(keys.shape[0]):
        i, times = receiver[k], count[k]
        d_row, q, key, d_key, d_q = d_norm[k], query[i], keys[k], d_keys[k], d_query[i]
        for c in range(d_row.shape[0]):
            d_score = scale[c] * d_row[c] - times * (means[0, c] + means[1, c] * (q[c] * key[c]))
            d_key[c] = d_score * q[c]
            d_q[c] += d_score * key[c]


@kernel
def softplus(x, out):
    """out = log(1 + exp x) of one-dimensional arrays."""
    for c in range(x.shape[0]):
        out[c] = softplus_of(x[c])


@kernel
def softplus_backward(grad, x, out):
    """out = grad sigmoid(x) of one-dimensional arrays, grad where softplus x = x."""
    for c in range(x.shape[0]):
        slope = grad[c] * sigmoid(x[c])
        out[c] = grad[c] if x[c] > THRESHOLD else slope


@kernel
def gaussians(x, centres, gamma, smallest, out):
    """out_um = exp(max(-gamma (x_u - centre_m)^2, smallest)) of (U,), (M,) and scalars."""
    for u in range(x.shape[0]):
        row, at = out[u], x[u]
        for m in range(centres.shape[0]):
            offset = at - centres[m]
            exponent = -gamma * offset * offset
            row[m] = exp(smallest if exponent < smallest else exponent)
