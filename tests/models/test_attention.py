"""Attention against loops over the published equations."""

import math

import pytest
import torch
from torch import Tensor, nn

from models.attention import Messages, NodeAttention, PairMLP
from models.edge_ops import Edges
from models.frame_blocks.surroundings import Surroundings
from models.linear import digital_linear
from models.parameter_counts import num_parameters
from tests.tolerances import CLOSED_FORM_F64

WIDTH = 6


def random_inputs(num_sites: int = 5, num_edges: int = 23) -> tuple[Tensor, Tensor, Edges]:
    """(S, d) sites, (U, d) lengths and edges that share them; every site receives.

    Every third edge comes twice, as two images of one neighbour at the same distance do.
    """
    generator = torch.Generator().manual_seed(7)
    num_lengths = max(1, num_edges // 2)
    h = torch.randn(num_sites, WIDTH, generator=generator, dtype=torch.float64)
    lengths = torch.randn(num_lengths, WIDTH, generator=generator, dtype=torch.float64)
    receiver = torch.arange(num_edges) % num_sites
    sender = torch.randint(0, num_sites, (num_edges,), generator=generator)
    length_index = torch.randint(0, num_lengths, (num_edges,), generator=generator)
    edges = torch.stack((receiver, sender, length_index))
    edges = torch.cat((edges, edges[:, ::3]), dim=1)
    return h, lengths, Edges(edges[:2], edges[2], num_sites)


def random_module(module: nn.Module) -> nn.Module:
    """The module in float64 and evaluation mode with random parameters and statistics."""
    generator = torch.Generator().manual_seed(11)
    module = module.to(torch.float64).eval().requires_grad_(False)
    for name, values in module.state_dict().items():
        if name.endswith("running_var"):
            values.uniform_(0.5, 2.0, generator=generator)
        elif values.is_floating_point():
            values.normal_(0.0, 0.4, generator=generator)
    return module


def affine(layer: nn.Module, x: Tensor) -> Tensor:
    return layer.weight @ x + (0 if layer.bias is None else layer.bias)


def normed(layer: nn.BatchNorm1d, x: Tensor) -> Tensor:
    scaled = (x - layer.running_mean) / torch.sqrt(layer.running_var + layer.eps)
    return layer.weight * scaled + layer.bias


def softplus(x: Tensor) -> Tensor:
    """Exact; torch's own returns x above 20, which is 2e-9 off and not reached here."""
    return torch.log1p(torch.exp(x))


def concatenated_mlp(mlp: PairMLP, *parts: Tensor) -> Tensor:
    """Lin - SiLU - Lin of (receiver | sender [| edge]), weights of the parts side by side."""
    layers = [mlp.receiver, mlp.sender] + ([mlp.edge] if mlp.edge is not None else [])
    weight = torch.cat([layer.weight for layer in layers], dim=1)
    hidden = weight @ torch.cat(parts) + mlp.receiver.bias
    return affine(mlp.outer, hidden / (1 + torch.exp(-hidden)))


def slow_edge_messages(
    block: Messages, h: Tensor, lengths: Tensor, edges: Edges | Surroundings
) -> list[Tensor]:
    """Gated message of each edge."""
    edges = edges.edges if isinstance(edges, Surroundings) else edges
    messages = []
    for (i, j), u in zip(edges.index.T.tolist(), edges.length_index.tolist(), strict=True):
        g = affine(block.edge, lengths[u])
        key_parts = [affine(block.key, h[i]), affine(block.key, h[j])]
        if block.key_mlp.edge is not None:
            key_parts.append(g)
        key = concatenated_mlp(block.key_mlp, *key_parts)
        alpha = affine(block.query, h[i]) * key / math.sqrt(WIDTH)
        parts = (affine(block.value, h[i]), affine(block.value, h[j]), g)
        value = concatenated_mlp(block.value_mlp, *parts)
        messages.append(value / (1 + torch.exp(-normed(block.gate_norm, alpha))))
    return messages


def slow_messages(block: Messages, h: Tensor, lengths: Tensor, edges: Edges) -> Tensor:
    total = torch.zeros_like(h)
    for edge, message in enumerate(slow_edge_messages(block, h, lengths, edges)):
        total[edges.index[0, edge]] += message
    return total


def assert_close(result: Tensor, expected: Tensor) -> None:
    error = float(((result - expected).abs() / (1 + expected.abs())).max())
    assert error < CLOSED_FORM_F64, f"differs from the equations by {error:.1e}"


@pytest.mark.parametrize("has_edge", [False, True])
def test_pair_mlp_is_the_mlp_of_the_concatenation(has_edge: bool) -> None:
    mlp = random_module(PairMLP(WIDTH, digital_linear, has_edge=has_edge))
    h, lengths, edges = random_inputs()
    expected = [
        concatenated_mlp(mlp, h[i], h[j], *([lengths[u]] if has_edge else []))
        for (i, j), u in zip(edges.index.T.tolist(), edges.length_index.tolist(), strict=True)
    ]
    assert_close(mlp(h, lengths, edges), torch.stack(expected))


def test_pair_mlp_has_one_bias() -> None:
    names = set(dict(PairMLP(WIDTH, digital_linear, has_edge=True).named_parameters()))
    assert {name for name in names if name.endswith("bias")} == {"receiver.bias", "outer.bias"}


@pytest.mark.parametrize("has_edge_key", [False, True])
def test_messages_follow_the_equations(has_edge_key: bool) -> None:
    block = random_module(Messages(WIDTH, digital_linear, has_edge_key=has_edge_key))
    inputs = random_inputs()
    assert_close(block(*inputs), slow_messages(block, *inputs))


def test_attention_follows_the_equations() -> None:
    layer = random_module(NodeAttention(WIDTH, digital_linear))
    h, lengths, edges = random_inputs()
    messages = slow_messages(layer.messages, h, lengths, edges)
    expected = [
        softplus(site + normed(layer.norm, affine(layer.combine, message)))
        for site, message in zip(h, messages, strict=True)
    ]
    assert_close(layer(h, lengths, edges), torch.stack(expected))


def test_attention_key_hears_the_edge() -> None:
    assert NodeAttention(WIDTH, digital_linear).messages.key_mlp.edge is not None


def test_attention_has_the_published_number_of_parameters() -> None:
    assert num_parameters(NodeAttention(256, digital_linear)) == 855_296
