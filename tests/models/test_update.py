"""The equivariant update against a slow Cartesian reference, and its symmetries.

The reference knows no spherical harmonics: vectors are vectors, rank-2 tensors are traceless
symmetric 3 x 3 matrices u u^T - 1/3, and contractions follow from Y1(a).Y1(b) = 3 a.b and
Y2(a).Y2(b) = 15/2 (a a^T - 1/3) : (b b^T - 1/3).
"""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from models.edge_ops import Edges
from models.frame_blocks.surroundings import Surroundings
from models.linear import digital_linear
from models.network import FrameLayer, NetworkConfig
from models.update import EdgeWeights, EquivariantUpdate
from tests.models.test_attention import (
    WIDTH,
    affine,
    assert_close,
    normed,
    random_inputs,
    random_module,
    softplus,
)
from tests.tolerances import CLOSED_FORM_F64, VISIBLE

NUM_SCALARS, NUM_VECTORS = 5, 3
ROOT3, ROOT5 = math.sqrt(3), math.sqrt(5)


def random_update() -> EquivariantUpdate:
    return random_module(EquivariantUpdate(WIDTH, NUM_SCALARS, NUM_VECTORS, digital_linear))


def random_directions(num_edges: int) -> Tensor:
    generator = torch.Generator().manual_seed(13)
    vectors = torch.randn(num_edges, 3, generator=generator, dtype=torch.float64)
    return functional.normalize(vectors, dim=-1)


def random_rotation_matrix(seed: int = 17) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    q, _ = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))
    return q * torch.linalg.det(q)


def edge_weights(weights: EdgeWeights, e: Tensor) -> tuple[Tensor, ...]:
    values = affine(weights.outer, softplus(affine(weights.inner, e)))
    return values.split((NUM_SCALARS, NUM_VECTORS, NUM_VECTORS))


def traceless(u: Tensor) -> Tensor:
    return torch.outer(u, u) - torch.eye(3, dtype=u.dtype) / 3


def collect(
    update: EquivariantUpdate, h: Tensor, lengths: Tensor, edges: Edges, directions: Tensor
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Per site: scalars (n,), vectors (v, 3) and traceless matrices (v, 3, 3)."""
    sources = [
        affine(update.sources, site).split((NUM_SCALARS, NUM_VECTORS, NUM_VECTORS)) for site in h
    ]
    collected = []
    for site in range(len(h)):
        heard = torch.nonzero(edges.index[0] == site).flatten().tolist()
        scalar, vector, tensor = torch.zeros(NUM_SCALARS), 0, 0
        for edge in heard:
            f, g, t = sources[int(edges.index[1, edge])]
            w0, w1, w2 = edge_weights(update.collect, lengths[edges.length_index[edge]])
            u = directions[edge]
            scalar = scalar + f * w0 / len(heard)
            vector = vector + (g * w1)[:, None] * u / len(heard)
            tensor = tensor + (t * w2)[:, None, None] * traceless(u) / len(heard)
        collected.append((sources[site][0] + update.mix.weight @ scalar, vector, tensor))
    return collected


def slow_update(
    update: EquivariantUpdate, h: Tensor, lengths: Tensor, edges: Edges, directions: Tensor
) -> Tensor:
    collected = collect(update, h, lengths, edges, directions)
    rows = []
    for site in range(len(h)):
        heard = torch.nonzero(edges.index[0] == site).flatten().tolist()
        pooled = torch.zeros(NUM_SCALARS + 2 * NUM_VECTORS, dtype=h.dtype)
        for edge in heard:
            scalar, vector, tensor = collected[int(edges.index[1, edge])]
            v0, v1, v2 = edge_weights(update.contract, lengths[edges.length_index[edge]])
            u = directions[edge]
            first = 3 * (vector @ u)
            second = 7.5 * torch.einsum("vab,ab->v", tensor, traceless(u))
            pooled += torch.cat((scalar * v0, first * v1 / ROOT3, second * v2 / ROOT5)) / len(heard)
        hidden = softplus(normed(update.norm, affine(update.inner, pooled)))
        rows.append(softplus(affine(update.outer, hidden)) + affine(update.skip, h[site]))
    return torch.stack(rows)


def test_update_equals_the_cartesian_reference() -> None:
    update, (h, lengths, edges) = random_update(), random_inputs()
    directions = random_directions(len(edges.length_index))
    result = update(h, lengths, edges, directions)
    assert_close(result, slow_update(update, h, lengths, edges, directions))


def test_update_feels_directions() -> None:
    """Without this the comparisons below could pass on scalars alone."""
    update, (h, lengths, edges) = random_update(), random_inputs()
    directions = random_directions(len(edges.length_index))
    change = update(h, lengths, edges, directions) - update(
        h, lengths, edges, directions.roll(1, 0)
    )
    assert float(change.abs().max()) > VISIBLE, f"changed by {float(change.abs().max()):.1e} only"


def test_one_rotation_of_all_directions_cancels() -> None:
    update, (h, lengths, edges) = random_update(), random_inputs()
    directions = random_directions(len(edges.length_index))
    turned = directions @ random_rotation_matrix().T
    assert_close(update(h, lengths, edges, turned), update(h, lengths, edges, directions))


def test_update_is_even_in_the_directions() -> None:
    update, (h, lengths, edges) = random_update(), random_inputs()
    directions = random_directions(len(edges.length_index))
    assert_close(update(h, lengths, edges, -directions), update(h, lengths, edges, directions))


def test_a_single_flipped_axis_on_one_site_does_not_cancel() -> None:
    """Why left-handed cells must not be repaired by flipping one vector."""
    update, (h, lengths, edges) = random_update(), random_inputs()
    directions = random_directions(len(edges.length_index))
    flipped = directions.clone()
    flipped[edges.index[0] == 0, 0] *= -1
    change = float(
        (update(h, lengths, edges, flipped) - update(h, lengths, edges, directions)).abs().max()
    )
    assert change > VISIBLE, f"changed by {change:.1e} only"


def test_repeated_edges_do_not_change_a_mean() -> None:
    """Sums over neighbours are means: the scale does not grow with the degree."""
    update, (h, lengths, edges) = random_update(), random_inputs()
    directions = random_directions(len(edges.length_index))
    twice = Edges(edges.index.repeat(1, 2), edges.length_index.repeat(2), edges.num_sites)
    doubled = update(h, lengths, twice, directions.repeat(2, 1))
    assert_close(doubled, update(h, lengths, edges, directions))


def test_layer_turns_directions_by_the_frame_of_the_receiver() -> None:
    config = NetworkConfig(
        width=WIDTH, num_layers=1, num_scalars=NUM_SCALARS, num_vectors=NUM_VECTORS
    )
    layer = random_module(FrameLayer(config, digital_linear))
    h, lengths, edges = random_inputs()
    canonical = random_directions(len(edges.length_index))
    surroundings = Surroundings(edges, canonical, torch.zeros(len(h), dtype=torch.int64))
    attended = layer.attention(h, lengths, edges)
    frames = layer.frame(attended, lengths, surroundings)
    framed = torch.stack(
        [frames[i] @ c for i, c in zip(edges.index[0].tolist(), canonical, strict=True)]
    )
    expected = slow_update(layer.update, attended, lengths, edges, framed)
    result, source = layer(h, lengths, surroundings)
    assert_close(result, expected)
    assert torch.equal(source, attended)


def test_update_gradients() -> None:
    update, (h, lengths, edges) = random_update(), random_inputs(num_sites=2, num_edges=5)
    directions = random_directions(len(edges.length_index)).requires_grad_(True)
    h.requires_grad_(True)
    lengths.requires_grad_(True)
    assert torch.autograd.gradcheck(
        lambda a, b, c: update(a, b, edges, c), (h, lengths, directions), fast_mode=True
    )


def test_rank_two_identity_of_the_reference() -> None:
    a, b = random_directions(2)
    product = torch.einsum("ab,ab", traceless(a), traceless(b))
    error = float((7.5 * product - 2.5 * (3 * (a @ b) ** 2 - 1)).abs())
    assert error < CLOSED_FORM_F64, f"identity off by {error:.1e}"


@pytest.mark.parametrize("part", [0, 1, 2])
def test_every_kind_of_channel_contributes(part: int) -> None:
    """Zeroing the collected scalars, vectors or tensors must be visible."""
    update, (h, lengths, edges) = random_update(), random_inputs()
    directions = random_directions(len(edges.length_index))
    before = update(h, lengths, edges, directions)
    start = (0, NUM_SCALARS, NUM_SCALARS + NUM_VECTORS)[part]
    stop = start + (NUM_SCALARS, NUM_VECTORS, NUM_VECTORS)[part]
    for layer in (update.collect.outer, update.contract.outer):
        layer.weight[start:stop] = 0
        layer.bias[start:stop] = 0
    change = float((update(h, lengths, edges, directions) - before).abs().max())
    assert change > VISIBLE, f"changed by {change:.1e} only"
