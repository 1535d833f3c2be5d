"""The full tensor product against a slow Cartesian reference, and its blocks of lengths."""

import math

import pytest
import torch
from torch import Tensor

from models import full_update
from models.edge_ops import Edges
from models.full_update import EdgeMatrices, FullUpdate
from models.linear import digital_linear
from tests.models.test_attention import (
    WIDTH,
    affine,
    assert_close,
    normed,
    random_inputs,
    random_module,
    softplus,
)
from tests.models.test_update import random_directions, random_rotation_matrix, traceless
from tests.tolerances import VISIBLE

NUM_SCALARS, NUM_VECTORS = 5, 3
NUM_CHANNELS = NUM_SCALARS + 2 * NUM_VECTORS
SPLIT = (NUM_SCALARS, NUM_VECTORS, NUM_VECTORS)


def random_update() -> FullUpdate:
    return random_module(FullUpdate(WIDTH, NUM_SCALARS, NUM_VECTORS, digital_linear))


def matrix_of(weights: EdgeMatrices, e: Tensor) -> Tensor:
    values = affine(weights.outer, softplus(affine(weights.inner, e)))
    return values.reshape(weights.shape)


def slow_update(
    update: FullUpdate, h: Tensor, lengths: Tensor, edges: Edges, directions: Tensor
) -> Tensor:
    """Vectors are vectors and rank-2 tensors traceless matrices; see ``test_update``."""
    heard = [torch.nonzero(edges.index[0] == site).flatten().tolist() for site in range(len(h))]
    f = [affine(update.sources, site) for site in h]
    collected = []
    for site, numbers in enumerate(heard):
        scalar, vector, tensor = f[site].clone(), 0, 0
        for edge in numbers:
            w = matrix_of(update.collect, lengths[edges.length_index[edge]])
            m0, m1, m2 = (f[int(edges.index[1, edge])] @ w / math.sqrt(NUM_SCALARS)).split(SPLIT)
            u = directions[edge]
            scalar = scalar + m0 / len(numbers)
            vector = vector + m1[:, None] * u / len(numbers)
            tensor = tensor + m2[:, None, None] * traceless(u) / len(numbers)
        collected.append((scalar, vector, tensor))
    rows = []
    for site, numbers in enumerate(heard):
        pooled = torch.zeros(NUM_SCALARS, dtype=h.dtype)
        for edge in numbers:
            scalar, vector, tensor = collected[int(edges.index[1, edge])]
            v0, v1, v2 = matrix_of(update.contract, lengths[edges.length_index[edge]]).split(SPLIT)
            u = directions[edge]
            first = 3 * (vector @ u) / math.sqrt(3)
            second = 7.5 * torch.einsum("vab,ab->v", tensor, traceless(u)) / math.sqrt(5)
            message = (scalar @ v0 + first @ v1 + second @ v2) / math.sqrt(NUM_CHANNELS)
            pooled += message / len(numbers)
        hidden = softplus(normed(update.norm, pooled))
        rows.append(softplus(affine(update.outer, hidden)) + affine(update.skip, h[site]))
    return torch.stack(rows)


def test_update_equals_the_cartesian_reference() -> None:
    update, (h, lengths, edges) = random_update(), random_inputs()
    directions = random_directions(len(edges.length_index))
    result = update(h, lengths, edges, directions)
    assert_close(result, slow_update(update, h, lengths, edges, directions))


def test_rotations_and_inversion_of_all_directions_cancel() -> None:
    update, (h, lengths, edges) = random_update(), random_inputs()
    directions = random_directions(len(edges.length_index))
    before = update(h, lengths, edges, directions)
    for other in (directions @ random_rotation_matrix().T, -directions):
        assert_close(update(h, lengths, edges, other), before)
    change = float((update(h, lengths, edges, directions.roll(1, 0)) - before).abs().max())
    assert change > VISIBLE, f"directions change outputs by {change:.1e} only"


def results(update: FullUpdate) -> list[Tensor]:
    """Output and gradients of all parameters and inputs."""
    h, lengths, edges = random_inputs()
    directions = random_directions(len(edges.length_index))
    inputs = [tensor.requires_grad_(True) for tensor in (h, lengths, directions)]
    parameters = list(update.requires_grad_(True).parameters())
    output = update(h, lengths, edges, directions)
    loss = (output * torch.arange(output.numel()).reshape(output.shape)).sum()
    return [output.detach(), *torch.autograd.grad(loss, [*inputs, *parameters])]


@pytest.mark.parametrize("num_matrices", [0, 1, 3, 7])
def test_blocks_of_lengths_change_neither_results_nor_gradients(
    num_matrices: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = results(random_update())
    entries = num_matrices * NUM_SCALARS * NUM_CHANNELS
    monkeypatch.setattr(full_update, "MAX_ENTRIES", entries)
    counts = torch.bincount(random_inputs()[2].length_index).tolist()
    assert len(random_update().collect._blocks(counts)) > 1
    for value, other in zip(results(random_update()), expected, strict=True):
        assert_close(value, other)


def test_lengths_that_no_edge_has_do_no_harm() -> None:
    update, (h, lengths, edges) = random_update(), random_inputs()
    directions = random_directions(len(edges.length_index))
    more = torch.cat((lengths, lengths[:2] + 1))
    assert_close(update(h, more, edges, directions), update(h, lengths, edges, directions))


def test_published_number_of_weights_per_edge() -> None:
    update = FullUpdate(64, 64, 8, digital_linear)
    assert update.collect.outer.out_features == 64 * 64 + 2 * 64 * 8
    assert update.contract.outer.out_features == 64 * 64 + 2 * 64 * 8
