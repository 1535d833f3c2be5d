"""The compiled tensor products as differentiable functions of torch tensors on the CPU.

The functions are those of ``torch_path``. Second derivatives and ``torch.func`` transforms are left
to that module.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

import models.edge_ops.compiled_products as compiled
from models.edge_ops.lanes import LANES
from models.edge_ops.paths import array, zeros

_Gradients = tuple[Tensor | None, ...]


def turn(frames: Tensor, direction: Tensor, index: Tensor) -> Tensor:
    """As ``torch_path.turn``."""
    return _Turn.apply(frames, direction, index)


def moments(direction: Tensor, rows: Tensor, num_rows: int) -> Tensor:
    """As ``torch_path.moments``."""
    return _Moments.apply(direction, rows, num_rows)


def collect(
    sources: Tensor,
    weights: Tensor,
    moments: Tensor,
    index: Tensor,
    length_index: Tensor,
    num_scalars: int,
) -> Tensor:
    """As ``torch_path.collect``."""
    n, v = num_scalars, (weights.shape[1] - num_scalars) // 2
    operands = _to_lanes(sources, (n, v, v)), _to_lanes(weights, (n, v, v))
    out = _Collect.apply(*operands, moments, index, length_index, _whole(n))
    return _from_lanes(out, (n, *[v] * 8))


def contract(
    tensors: Tensor,
    weights: Tensor,
    moments: Tensor,
    index: Tensor,
    length_index: Tensor,
    num_scalars: int,
) -> Tensor:
    """As ``torch_path.contract``."""
    n, v = num_scalars, (weights.shape[1] - num_scalars) // 2
    operands = _to_lanes(tensors, (n, *[v] * 8)), _to_lanes(weights, (n, v, v))
    out = _Contract.apply(*operands, moments, index, length_index, _whole(n))
    return _from_lanes(out, (n, v, v))


def _whole(size: int) -> int:
    """The next multiple of the number of lanes."""
    return -(-size // LANES) * LANES


def _to_lanes(x: Tensor, sizes: Sequence[int]) -> Tensor:
    """The parts of rows, each filled up with zeros to whole vectors."""
    if all(size % LANES == 0 for size in sizes):
        return x
    parts = x.split(list(sizes), dim=-1)
    return torch.cat([functional.pad(p, (0, _whole(p.shape[1]) - p.shape[1])) for p in parts], -1)


def _from_lanes(x: Tensor, sizes: Sequence[int]) -> Tensor:
    """The inverse of ``_to_lanes``."""
    if all(size % LANES == 0 for size in sizes):
        return x
    parts = x.split([_whole(size) for size in sizes], dim=-1)
    return torch.cat([part[:, :size] for part, size in zip(parts, sizes, strict=True)], -1)


class _Turn(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, frames: Tensor, direction: Tensor, index: Tensor) -> Tensor:
        ctx.save_for_backward(frames, direction, index)
        out = torch.empty(direction.shape, dtype=direction.dtype)
        compiled.turn(*map(array, (frames, direction, index)), out.numpy())
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> _Gradients:
        frames, direction, index = ctx.saved_tensors
        d_frames, d_direction = zeros(frames), zeros(direction)
        operands = map(array, (grad, frames, direction, index))
        compiled.turn_backward(*operands, d_frames.numpy(), d_direction.numpy())
        return d_frames, d_direction, None


class _Moments(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, direction: Tensor, rows: Tensor, num_rows: int) -> Tensor:
        ctx.save_for_backward(direction, rows)
        out = zeros(direction, num_rows, 9)
        compiled.moments(*map(array, (direction, rows)), out.numpy())
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> _Gradients:
        direction, rows = ctx.saved_tensors
        d_direction = torch.empty(direction.shape, dtype=direction.dtype)
        compiled.moments_backward(*map(array, (grad, direction, rows)), d_direction.numpy())
        return d_direction, None, None


class _Collect(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, sources: Tensor, weights: Tensor, *rest: Any) -> Tensor:
        num_scalars = rest[-1]
        width = num_scalars + 4 * (sources.shape[1] - num_scalars)
        return _product(ctx, compiled.collect, width, (num_scalars,), sources, weights, *rest[:-1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> _Gradients:
        return _product_backward(ctx, compiled.collect_backward, grad)


class _Contract(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensors: Tensor, weights: Tensor, *rest: Any) -> Tensor:
        norms = np.array([1 / math.sqrt(3), 1 / math.sqrt(5)], dtype=array(tensors[:0]).dtype)
        constants = rest[-1], norms
        width = weights.shape[1]
        return _product(ctx, compiled.contract, width, constants, tensors, weights, *rest[:-1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> _Gradients:
        return _product_backward(ctx, compiled.contract_backward, grad)


def _product(
    ctx: Any, kernel: Callable[..., None], width: int, constants: tuple[Any, ...], *tensors: Tensor
) -> Tensor:
    """(S, width) sums of a tensor product, all arguments kept for its gradient."""
    ctx.save_for_backward(*tensors)
    ctx.constants = constants
    out = zeros(tensors[0], tensors[0].shape[0], width)
    kernel(*map(array, tensors), *constants, out.numpy())
    return out


def _product_backward(ctx: Any, kernel: Callable[..., None], grad: Tensor) -> _Gradients:
    """Gradients of sites, weights and moments; None for the rest."""
    tensors = ctx.saved_tensors
    gradients = [zeros(tensor) for tensor in tensors[:3]]
    outputs = (gradient.numpy() for gradient in gradients)
    kernel(*map(array, (grad, *tensors)), *ctx.constants, *outputs)
    return *gradients, None, None, None
