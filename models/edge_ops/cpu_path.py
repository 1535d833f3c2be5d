"""The compiled loops as differentiable functions of torch tensors on the CPU.

The functions are those of ``torch_path``. Second derivatives and ``torch.func`` transforms are left
to that module.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

import models.edge_ops.compiled as compiled

_Gradients = tuple[Tensor | None, ...]


def gather_sum(
    receivers: Tensor, senders: Tensor, lengths: Tensor | None, index: Tensor, length_index: Tensor
) -> Tensor:
    """As ``torch_path.gather_sum``."""
    rows = receivers.new_empty(0, receivers.shape[1]) if lengths is None else lengths
    return _GatherSum.apply(receivers, senders, rows, index, length_index)


def scale_by_receiver(sites: Tensor, values: Tensor, index: Tensor, rows: Tensor) -> Tensor:
    """As ``torch_path.scale_by_receiver``."""
    return _ScaleByReceiver.apply(sites, values, index, rows)


def gated_sum(gates: Tensor, values: Tensor, index: Tensor, rows: Tensor, num_sites: int) -> Tensor:
    """As ``torch_path.gated_sum``."""
    return _GatedSum.apply(gates, values, index, rows, num_sites)


def collect(
    sources: Tensor,
    weights: Tensor,
    direction: Tensor,
    index: Tensor,
    length_index: Tensor,
    num_scalars: int,
) -> Tensor:
    """As ``torch_path.collect``."""
    return _Collect.apply(sources, weights, direction, index, length_index, num_scalars)


def contract(
    tensors: Tensor,
    weights: Tensor,
    direction: Tensor,
    index: Tensor,
    length_index: Tensor,
    num_scalars: int,
) -> Tensor:
    """As ``torch_path.contract``."""
    return _Contract.apply(tensors, weights, direction, index, length_index, num_scalars)


def _array(tensor: Tensor) -> NDArray[Any]:
    return tensor.detach().contiguous().numpy()


def _zeros(like: Tensor, *shape: int) -> Tensor:
    return torch.zeros(shape or like.shape, dtype=like.dtype)


class _GatherSum(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        receivers: Tensor,
        senders: Tensor,
        lengths: Tensor,
        index: Tensor,
        length_index: Tensor,
    ) -> Tensor:
        ctx.save_for_backward(receivers, lengths, index, length_index)
        out = torch.empty(index.shape[1], receivers.shape[1], dtype=receivers.dtype)
        arrays = map(_array, (receivers, senders, lengths, index, length_index))
        compiled.gather_sum(*arrays, out.numpy())
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> _Gradients:
        receivers, lengths, index, length_index = ctx.saved_tensors
        gradients = _zeros(receivers), _zeros(receivers), _zeros(lengths, *lengths.shape)
        compiled.gather_sum_backward(
            *map(_array, (grad, index, length_index)), *(g.numpy() for g in gradients)
        )
        return *gradients, None, None


class _ScaleByReceiver(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, sites: Tensor, values: Tensor, index: Tensor, rows: Tensor) -> Tensor:
        ctx.save_for_backward(sites, values, index, rows)
        out = torch.empty(rows.shape[0], values.shape[1], dtype=values.dtype)
        compiled.scale_by_receiver(*map(_array, (sites, values, index, rows)), out.numpy())
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> _Gradients:
        sites, values, index, rows = ctx.saved_tensors
        d_sites, d_values = _zeros(sites), _zeros(values)
        compiled.scale_by_receiver_backward(
            *map(_array, (grad, sites, values, index, rows)), d_sites.numpy(), d_values.numpy()
        )
        return d_sites, d_values, None, None


class _GatedSum(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, gates: Tensor, values: Tensor, index: Tensor, rows: Tensor, num_sites: int
    ) -> Tensor:
        ctx.save_for_backward(gates, values, index, rows)
        out = _zeros(values, num_sites, values.shape[1])
        compiled.gated_sum(*map(_array, (gates, values, index, rows)), out.numpy())
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> _Gradients:
        gates, values, index, rows = ctx.saved_tensors
        d_gates, d_values = torch.empty(gates.shape, dtype=gates.dtype), _zeros(values)
        compiled.gated_sum_backward(
            *map(_array, (grad, gates, values, index, rows)), d_gates.numpy(), d_values.numpy()
        )
        return d_gates, d_values, None, None, None


class _Collect(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, sources: Tensor, weights: Tensor, *rest: Any) -> Tensor:
        num_scalars = rest[-1]
        width = num_scalars + 4 * (sources.shape[1] - num_scalars)
        return _product(ctx, compiled.collect, width, sources, weights, *rest)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> _Gradients:
        return _product_backward(ctx, compiled.collect_backward, grad)


class _Contract(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensors: Tensor, weights: Tensor, *rest: Any) -> Tensor:
        return _product(ctx, compiled.contract, weights.shape[1], tensors, weights, *rest)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> _Gradients:
        return _product_backward(ctx, compiled.contract_backward, grad)


def _product(ctx: Any, kernel: Callable[..., None], width: int, *arguments: Any) -> Tensor:
    """(S, width) sums of a tensor product, all arguments kept for its gradient."""
    *tensors, num_scalars = arguments
    ctx.save_for_backward(*tensors)
    ctx.num_scalars = num_scalars
    out = _zeros(tensors[0], tensors[0].shape[0], width)
    kernel(*map(_array, tensors), num_scalars, _scratch(out), out.numpy())
    return out


def _product_backward(ctx: Any, kernel: Callable[..., None], grad: Tensor) -> _Gradients:
    """Gradients of sites, weights and directions; None for the rest."""
    tensors = ctx.saved_tensors
    gradients = [_zeros(tensor) for tensor in tensors[:3]]
    outputs = (gradient.numpy() for gradient in gradients)
    kernel(*map(_array, (grad, *tensors)), ctx.num_scalars, _scratch(grad), *outputs)
    return *gradients, None, None, None


def _scratch(like: Tensor) -> NDArray[Any]:
    """Room for eight harmonics of an edge and their gradients."""
    return np.empty(16, dtype=_array(like[:0]).dtype)
