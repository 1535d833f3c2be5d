"""Random edges and the operations on them, with arguments of their shapes, for tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.edge_ops import Edges
from models.edge_ops.pointwise import softplus

Arguments = tuple[Tensor, ...]


class Sizes(NamedTuple):
    """Sites, edges, lengths, features, scalar and vector channels; no channel count is whole."""

    sites: int = 7
    edges: int = 60
    lengths: int = 5
    features: int = 11
    scalars: int = 6
    vectors: int = 3


SIZES = Sizes()


class Operation(NamedTuple):
    """A function that compiled loops and plain torch both have.

    Attributes:
        run: edges, sizes and tensors to the result.
        shapes: of the tensors.
    """

    run: Callable[..., Tensor]
    shapes: Callable[[Sizes, Edges], tuple[tuple[int, ...], ...]]


def random_edges(sizes: Sizes = SIZES) -> Edges:
    """Unsorted receivers, each at least once; sites, lengths and pairs repeat."""
    generator = torch.Generator().manual_seed(3)
    receiver = torch.randperm(sizes.edges, generator=generator) % max(1, sizes.sites)
    sender = torch.randint(0, max(1, sizes.sites), (sizes.edges,), generator=generator)
    length_index = torch.randint(0, sizes.lengths, (sizes.edges,), generator=generator)
    return Edges(torch.stack((receiver, sender)), length_index, sizes.sites)


def draw(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Normal numbers, the same for the same shape and order of magnitude in every dtype."""
    generator = torch.Generator().manual_seed(sum(shape) + len(shape))
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)


def arguments_of(
    operation: Operation, edges: Edges, sizes: Sizes = SIZES, dtype: torch.dtype = torch.float64
) -> Arguments:
    """Leaves that require gradients; directions are unit vectors."""
    drawn = [draw(*shape, dtype=dtype) for shape in operation.shapes(sizes, edges)]
    whole = (functional.normalize(x, dim=-1) if x.shape[-1] == 3 else x for x in drawn)
    return tuple(x.clone().requires_grad_(True) for x in whole)


def batch_norm(weight: Tensor, bias: Tensor, *, is_training: bool) -> nn.BatchNorm1d:
    """A norm that is differentiable with respect to given tensors, with statistics of its own."""
    norm = nn.BatchNorm1d(weight.numel(), dtype=weight.dtype).train(is_training)
    norm.running_mean += 0.3
    norm.running_var *= 1.7
    del norm.weight, norm.bias
    norm.weight, norm.bias = weight, bias
    return norm


def _gated_sum(shared: str, *, is_training: bool) -> Operation:
    def run(on: Edges, sizes: Sizes, q: Tensor, k: Tensor, v: Tensor, *affine: Tensor) -> Tensor:
        norm = batch_norm(*affine, is_training=is_training)
        return on.gated_sum(q, k, v, norm, getattr(on, shared))

    def shapes(sizes: Sizes, edges: Edges) -> tuple[tuple[int, ...], ...]:
        f, num_keys = sizes.features, getattr(edges, shared).counts.numel()
        return (sizes.sites, f), (num_keys, f), (edges.distinct.counts.numel(), f), (f,), (f,)

    return Operation(run, shapes)


def _sites_and_weights(num_rows: int, s: Sizes, edges: Edges) -> tuple[tuple[int, ...], ...]:
    tensors = s.sites, s.scalars + num_rows * s.vectors
    weights = s.lengths, s.scalars + 2 * s.vectors
    return tensors, weights, (edges.distinct.counts.numel(), 9)


EVALUATED = {
    "gated_sum": _gated_sum("distinct", is_training=False),
    "gated_sum of pairs": _gated_sum("pairs", is_training=False),
    "activated_sum": Operation(
        lambda on, s, a, b, c: on.activated_sum(a, b, c),
        lambda s, e: ((s.sites, s.features), (s.sites, s.features), (s.lengths, s.features)),
    ),
    "activated_sum of sites": Operation(
        lambda on, s, a, b: on.activated_sum(a, 1 + b, None),
        lambda s, e: ((s.sites, s.features), (s.sites, s.features)),
    ),
    "turn": Operation(
        lambda on, s, frames, direction: on.turn(frames, direction),
        lambda s, e: ((s.sites, 3, 3), (e.index.shape[1], 3)),
    ),
    "moments": Operation(
        lambda on, s, direction: on.moments(direction), lambda s, e: ((e.index.shape[1], 3),)
    ),
    "collect": Operation(
        lambda on, s, a, b, c: on.collect(a, b, c, s.scalars),
        lambda s, e: _sites_and_weights(2, s, e),
    ),
    "contract": Operation(
        lambda on, s, a, b, c: on.contract(a, b, c, s.scalars),
        lambda s, e: _sites_and_weights(8, s, e),
    ),
    "softplus": Operation(lambda on, s, x: softplus(9 * x), lambda s, e: ((s.sites, s.features),)),
}
"""The same whatever else is in the batch, so that transforms of torch.func may go over them."""
OPERATIONS = {
    **EVALUATED,
    "gated_sum, training": _gated_sum("distinct", is_training=True),
    "gated_sum of pairs, training": _gated_sum("pairs", is_training=True),
}
