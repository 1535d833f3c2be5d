"""e3nn's spherical harmonics and fully connected tensor products are our closed forms.

e3nn's polar axis is y and ours is z: it is given (y, z, x) for our (x, y, z), which puts its
harmonics in the order of ours up to a permutation.
"""

import warnings

import pytest
import torch
from torch import Tensor

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of its imports, which are not ours
    o3 = pytest.importorskip("e3nn.o3")

from models.full_update import FullUpdate
from models.harmonics import harmonics_1, harmonics_2
from models.linear import digital_linear
from tests.models.test_attention import WIDTH, assert_close, random_inputs, random_module
from tests.models.test_update import random_directions

pytestmark = pytest.mark.peers
NUM_SCALARS, NUM_VECTORS = 6, 4
SCALARS = f"{NUM_SCALARS}x0e"
TENSORS = f"{NUM_SCALARS}x0e + {NUM_VECTORS}x1o + {NUM_VECTORS}x2e"
SPLIT = (NUM_SCALARS, NUM_VECTORS, NUM_VECTORS)
TO_OURS_1 = [2, 0, 1]
"""Components of its Y1 of (y, z, x), in the order of ours."""
TO_OURS_2 = [0, 1, 3, 2, 4]
"""Likewise of Y2."""


def its_harmonics(degree: int, direction: Tensor) -> Tensor:
    turned = direction[:, [1, 2, 0]]
    return o3.spherical_harmonics(degree, turned, normalize=False, normalization="component")


def product(inputs: str, outputs: str) -> torch.nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated compilation by its dependencies
        return o3.FullyConnectedTensorProduct(
            inputs, "0e + 1o + 2e", outputs, shared_weights=False
        ).to(torch.float64)


def parts(matrices: Tensor, dim: int) -> Tensor:
    """(E, weights) in its order: path by path, rows before columns."""
    return torch.cat([part.flatten(1) for part in matrices.split(SPLIT, dim=dim)], dim=1)


def test_harmonics() -> None:
    direction = random_directions(50)
    assert_close(harmonics_1(direction), its_harmonics(1, direction)[:, TO_OURS_1])
    assert_close(harmonics_2(direction), its_harmonics(2, direction)[:, TO_OURS_2])


def test_both_tensor_products() -> None:
    update = random_module(FullUpdate(WIDTH, NUM_SCALARS, NUM_VECTORS, digital_linear))
    h, lengths, edges = random_inputs()
    direction = random_directions(len(edges.length_index))
    receiver, sender = edges.index
    sh = torch.cat([its_harmonics(degree, direction) for degree in range(3)], dim=-1)

    def mean(values: Tensor) -> Tensor:
        total = values.new_zeros(len(h), values.shape[1]).index_add(0, receiver, values)
        return total / torch.bincount(receiver)[:, None]

    def matrices(weights: torch.nn.Module) -> Tensor:
        hidden = torch.nn.functional.softplus(weights.inner(lengths))
        return weights.outer(hidden).unflatten(-1, weights.shape)[edges.length_index]

    f = update.sources(h)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first, second = product(SCALARS, TENSORS), product(TENSORS, SCALARS)
        messages = first(f[sender], sh, parts(matrices(update.collect), dim=2))
        tensors = mean(messages)
        tensors[:, :NUM_SCALARS] += f
        expected = mean(second(tensors[sender], sh, parts(matrices(update.contract), dim=1)))
    pooled: list[Tensor] = []
    hook = update.norm.register_forward_pre_hook(lambda _, inputs: pooled.append(inputs[0]))
    update(h, lengths, edges, direction)
    hook.remove()
    assert_close(pooled[0], expected)
