"""The compiled loops of messages as differentiable functions of torch tensors on the CPU.

The functions are those of ``torch_path``. Second derivatives and ``torch.func`` transforms are left
to that module.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

import models.edge_ops.compiled_messages as compiled
from models.edge_ops.paths import array, zeros

_Gradients = tuple[Tensor | None, ...]


class Groups(NamedTuple):
    """How T edges share K keys, and how many of E edges each stands for."""

    receiver: Tensor
    """(K,) site that the edges of each key belong to."""
    first: Tensor
    """(K + 1,) first edge of each key, and T."""
    key_counts: Tensor
    """(K,) edges out of E that have each key, in the dtype of the features."""
    counts: Tensor
    """(T,) edges out of E that each edge stands for, likewise."""


def activated_sum(
    receivers: Tensor, senders: Tensor, lengths: Tensor | None, index: Tensor, length_index: Tensor
) -> Tensor:
    """As ``torch_path.activated_sum``."""
    rows = receivers.new_empty(0, receivers.shape[1]) if lengths is None else lengths
    has_gradient = torch.is_grad_enabled() and any(
        operand.requires_grad for operand in (receivers, senders, rows)
    )
    return _ActivatedSum.apply(receivers, senders, rows, index, length_index, has_gradient)


def softplus(x: Tensor) -> Tensor:
    """As ``torch.nn.functional.softplus``."""
    return _Softplus.apply(x)


def gaussians(x: Tensor, centres: Tensor, gamma: float, smallest: float) -> Tensor:
    """(U, M) exp(max(-gamma (x_u - centre_m)^2, smallest)) of (U,) and (M,); no gradients."""
    out = torch.empty(x.shape[0], centres.shape[0], dtype=x.dtype)
    numbers = array(torch.tensor([gamma, smallest], dtype=x.dtype))
    compiled.gaussians(array(x), array(centres), *numbers, out.numpy())
    return out


def gated_sum(
    query: Tensor, keys: Tensor, values: Tensor, norm: nn.BatchNorm1d, groups: Groups
) -> Tensor:
    """(S, F) sum_t count_t sigmoid(BN(query_i keys_k)) values_t over the edges of each receiver.

    Args:
        query: (S, F).
        keys: (K, F).
        values: (T, F).
        norm: over the E edges that the T stand for; its running statistics move in training.
        groups: which edges belong to each key.
    """
    if norm.training:
        mean, variance = _batch_statistics(query, keys, norm, groups)
    else:
        mean, variance = norm.running_mean, norm.running_var
    statistics = mean, torch.rsqrt(variance + norm.eps), norm.training
    return _GatedSum.apply(query, keys, values, norm.weight, norm.bias, statistics, groups)


@torch.no_grad()
def _batch_statistics(
    query: Tensor, keys: Tensor, norm: nn.BatchNorm1d, groups: Groups
) -> tuple[Tensor, Tensor]:
    """(F,) mean and variance over all edges; the running ones of the norm follow."""
    operands = tuple(map(array, (query, keys, groups.receiver, groups.key_counts)))
    num_edges = groups.key_counts.sum().item()
    total = torch.zeros(2, keys.shape[1], dtype=torch.float64)
    compiled.sum_of_scores(*operands, array(zeros(keys[0])), total[0].numpy())
    mean = (total[0] / num_edges).to(keys.dtype)
    compiled.squares_of_scores(*operands, array(mean), array(zeros(keys[0])), total[1].numpy())
    variance = total[1] / num_edges
    norm.num_batches_tracked += 1
    norm.running_mean.lerp_(mean, norm.momentum)
    unbiased = variance * (num_edges / (num_edges - 1))
    norm.running_var.lerp_(unbiased.to(keys.dtype), norm.momentum)
    return mean, variance.to(keys.dtype)


class _ActivatedSum(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        receivers: Tensor,
        senders: Tensor,
        lengths: Tensor,
        index: Tensor,
        length_index: Tensor,
        has_gradient: bool,
    ) -> Tensor:
        width = receivers.shape[1]
        out = torch.empty(index.shape[1], width, dtype=receivers.dtype)
        slopes = torch.empty(index.shape[1] if has_gradient else 0, width, dtype=receivers.dtype)
        operands = receivers, senders, lengths, index, length_index
        compiled.activated_sum(*map(array, operands), out.numpy(), slopes.numpy())
        ctx.save_for_backward(slopes, index, length_index)
        ctx.shapes = receivers.shape, senders.shape, lengths.shape
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> _Gradients:
        sums = tuple(torch.zeros(shape, dtype=grad.dtype) for shape in ctx.shapes)
        row = torch.empty(grad.shape[1], dtype=grad.dtype)
        operands = map(array, (grad, *ctx.saved_tensors, row))
        compiled.activated_sum_backward(*operands, tuple(map(array, sums)))
        return *sums, None, None, None


class _GatedSum(torch.autograd.Function):
    """Differentiable in query, keys, values, weight and bias."""

    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        keys: Tensor,
        values: Tensor,
        weight: Tensor,
        bias: Tensor,
        statistics: tuple[Tensor, Tensor, bool],
        groups: Groups,
    ) -> Tensor:
        mean, inverse, ctx.is_training = statistics
        scale = weight * inverse
        gates, out = torch.empty(keys.shape, dtype=keys.dtype), zeros(query)
        operands = query, keys, values, groups.receiver, groups.first, groups.counts
        outputs = scale, bias - mean * scale, gates, out
        compiled.gated_sum(*map(array, (*operands, *outputs)))
        ctx.save_for_backward(query, keys, values, gates, mean, inverse, scale, *groups)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> _Gradients:
        query, keys, values, gates, mean, inverse, scale, *rest = ctx.saved_tensors
        groups = Groups(*rest)
        d_norm, d_values, d_keys = (
            torch.empty(x.shape, dtype=x.dtype) for x in (keys, values, keys)
        )
        d_query, sums = zeros(query), torch.zeros(2, keys.shape[1], dtype=torch.float64)
        operands = grad, gates, values, query, keys, groups.receiver, groups.first, groups.counts
        outputs = zeros(keys, 3, keys.shape[1]), d_norm, d_values, sums
        compiled.gated_sum_backward(*map(array, (*operands, mean, inverse, *outputs)))
        d_bias, d_weight = sums.to(keys.dtype)
        means = zeros(keys, 2, keys.shape[1])
        if ctx.is_training:
            # Both statistics depend on every score: d_score -= scale (a + b (score - mean) inverse)
            by_shift, by_scale = sums / groups.key_counts.sum().to(torch.float64)
            means[1] = by_scale * scale * inverse
            means[0] = by_shift * scale - mean * means[1]
        operands = d_norm, query, keys, groups.receiver, groups.key_counts, scale, means
        compiled.scores_backward(*map(array, operands), d_query.numpy(), d_keys.numpy())
        return d_query, d_keys, d_values, d_weight, d_bias, None, None


class _Softplus(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        out = torch.empty(x.shape, dtype=x.dtype)
        compiled.softplus(array(x).reshape(-1), out.view(-1).numpy())
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> _Gradients:
        (x,) = ctx.saved_tensors
        out = torch.empty(x.shape, dtype=x.dtype)
        compiled.softplus_backward(
            array(grad).reshape(-1), array(x).reshape(-1), out.view(-1).numpy()
        )
        return out
