"""Edge features and spherical harmonics against their formulas."""

import math
from collections.abc import Callable

import pytest
import torch
from torch.nn import functional

from models.edge_ops.torch_path import sum_by_receiver
from models.edges import EdgeEmbedding
from models.harmonics import harmonics_1, harmonics_2
from models.linear import SiluMLP, digital_linear
from tests.tolerances import CLOSED_FORM_F64, HARMONICS_EPS, RADIAL_EPS


def unit_vectors(seed: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(40, 3, generator=generator, dtype=dtype)
    axes = torch.eye(3, dtype=dtype)
    return torch.cat((functional.normalize(vectors, dim=-1), axes, -axes))


def bound(dtype: torch.dtype) -> float:
    return HARMONICS_EPS * torch.finfo(dtype).eps


@pytest.mark.parametrize(("harmonics", "squared"), [(harmonics_1, 3), (harmonics_2, 5)])
def test_norm_of_the_harmonics(
    harmonics: Callable[[torch.Tensor], torch.Tensor], squared: int, dtype: torch.dtype
) -> None:
    values = harmonics(unit_vectors(0, dtype))
    assert values.dtype == dtype
    error = float(((values * values).sum(-1) - squared).abs().max())
    assert error < bound(dtype), f"|Y|^2 off by {error:.1e}"


def test_products_of_first_harmonics(dtype: torch.dtype) -> None:
    a, b = unit_vectors(1, dtype), unit_vectors(2, dtype)
    product = (harmonics_1(a) * harmonics_1(b)).sum(-1)
    error = float((product - 3 * (a * b).sum(-1)).abs().max())
    assert error < bound(dtype), f"Y1(a).Y1(b) off by {error:.1e}"


def test_products_of_second_harmonics(dtype: torch.dtype) -> None:
    a, b = unit_vectors(1, dtype), unit_vectors(2, dtype)
    product = (harmonics_2(a) * harmonics_2(b)).sum(-1)
    error = float((product - 2.5 * (3 * (a * b).sum(-1) ** 2 - 1)).abs().max())
    assert error < bound(dtype), f"Y2(a).Y2(b) off by {error:.1e}"


def test_parity_of_the_harmonics() -> None:
    directions = unit_vectors(3)
    assert torch.equal(harmonics_1(-directions), -harmonics_1(directions))
    assert torch.equal(harmonics_2(-directions), harmonics_2(directions))


def test_harmonics_in_the_documented_order() -> None:
    x, y, z = 1 / 3, -2 / 3, 2 / 3
    direction = torch.tensor([x, y, z], dtype=torch.float64)
    root15, root5 = math.sqrt(15), math.sqrt(5)
    first = [math.sqrt(3) * component for component in (x, y, z)]
    second = [
        root15 * x * y,
        root15 * y * z,
        root15 * x * z,
        root5 / 2 * (3 * z * z - 1),
        root15 / 2 * (x * x - y * y),
    ]
    for values, expected in ((harmonics_1(direction), first), (harmonics_2(direction), second)):
        error = float((values - torch.tensor(expected, dtype=torch.float64)).abs().max())
        assert error < CLOSED_FORM_F64, f"components off by {error:.1e}"


def test_edge_embedding_is_a_projected_comb_of_gaussians(dtype: torch.dtype) -> None:
    """g is one over the spacing of the centres, not over its square."""
    torch.manual_seed(0)
    embedding = EdgeEmbedding(5, digital_linear).to(torch.float64).requires_grad_(False)
    lengths = torch.tensor([0.19, 0.8, 1.6, 2.71, 9.0, 80.0], dtype=torch.float64)
    rows = []
    for length in lengths.tolist():
        s = -0.75 / length
        centres = [-4 + 4 * m / 255 for m in range(256)]
        rows.append([math.exp(-(255 / 4) * (s - centre) ** 2) for centre in centres])
    comb = torch.tensor(rows, dtype=torch.float64)
    expected = functional.softplus(comb @ embedding.project.weight.T + embedding.project.bias)
    result = embedding.to(dtype)(lengths.to(dtype))
    assert result.dtype == dtype
    error = float((result - expected).abs().max())
    assert error < RADIAL_EPS * torch.finfo(dtype).eps, f"edge features off by {error:.1e}"


def test_edge_embedding_is_smooth_in_the_length() -> None:
    torch.manual_seed(0)
    embedding = EdgeEmbedding(2, digital_linear).to(torch.float64)
    lengths = torch.tensor([0.8, 2.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(embedding, (lengths,))


def test_sum_by_receiver_is_a_loop_over_edges() -> None:
    generator = torch.Generator().manual_seed(1)
    values = torch.randn(30, 3, generator=generator, dtype=torch.float64)
    receiver = torch.randint(0, 6, (30,), generator=generator)
    receiver[receiver == 4] = 3  # site 4 hears nobody
    expected = torch.zeros(6, 3, dtype=torch.float64)
    for edge, site in enumerate(receiver.tolist()):
        expected[site] += values[edge]
    result = sum_by_receiver(values, receiver[None], 6)
    error = float((result - expected).abs().max())
    assert error < CLOSED_FORM_F64, f"sums off by {error:.1e}"
    assert torch.equal(result[4], torch.zeros(3, dtype=torch.float64))


def test_silu_mlp_is_two_layers_with_x_sigmoid_x_between() -> None:
    torch.manual_seed(0)
    mlp = SiluMLP(4, 6, 3, digital_linear).to(torch.float64).requires_grad_(False)
    x = torch.randn(7, 4, dtype=torch.float64)
    hidden = x @ mlp.inner.weight.T + mlp.inner.bias
    expected = (hidden / (1 + torch.exp(-hidden))) @ mlp.outer.weight.T + mlp.outer.bias
    error = float((mlp(x) - expected).abs().max())
    assert error < CLOSED_FORM_F64, f"outputs off by {error:.1e}"
