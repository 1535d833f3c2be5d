"""Compiled sums over neighbours against plain torch: values, gradients, where each of them runs."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from models.edge_ops import Edges, edges, torch_path
from tests.tolerances import EDGE_SUM_EPS

S, E, T, U, F, N, V = 7, 60, 13, 11, 5, 6, 3
ROWS = torch.arange(E) * 5 % T


def _random_edges() -> Edges:
    """Unsorted receivers, each at least once; sites, lengths and pairs repeat."""
    generator = torch.Generator().manual_seed(3)
    receiver = torch.arange(E)[torch.randperm(E, generator=generator)] % S
    sender = torch.randint(0, S, (E,), generator=generator)
    length_index = torch.randint(0, U, (E,), generator=generator)
    return Edges(torch.stack((receiver, sender)), length_index, S)


EDGES = _random_edges()


def draw(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)


def unit(dtype: torch.dtype = torch.float64) -> Tensor:
    return functional.normalize(draw(E, 3), dim=-1).to(dtype)


OPERATIONS: dict[str, tuple[Callable[..., Tensor], Callable[[torch.dtype], tuple[Tensor, ...]]]] = {
    "gather_sum": (
        lambda on, a, b, c: on.gather_sum(a, b, c),
        lambda dtype: (draw(S, F, dtype=dtype), draw(S, F, dtype=dtype), draw(U, F, dtype=dtype)),
    ),
    "gather_sum of sites": (
        lambda on, a, b: on.gather_sum(a, b, None),
        lambda dtype: (draw(S, F, dtype=dtype), draw(S, F, dtype=dtype) + 1),
    ),
    "scale_by_receiver": (
        lambda on, a, b: on.scale_by_receiver(a, b, ROWS),
        lambda dtype: (draw(S, F, dtype=dtype), draw(T, F, dtype=dtype)),
    ),
    "gated_sum": (
        lambda on, a, b: on.gated_sum(a, b, ROWS),
        lambda dtype: (draw(E, F, dtype=dtype), draw(T, F, dtype=dtype) + 1),
    ),
    "collect": (
        lambda on, a, b, c: on.collect(a, b, c, N),
        lambda dtype: (
            draw(S, N + 2 * V, dtype=dtype),
            draw(U, N + 2 * V, dtype=dtype),
            unit(dtype),
        ),
    ),
    "contract": (
        lambda on, a, b, c: on.contract(a, b, c, N),
        lambda dtype: (
            draw(S, N + 8 * V, dtype=dtype),
            draw(U, N + 2 * V, dtype=dtype),
            unit(dtype),
        ),
    ),
}


def in_plain_torch(
    monkeypatch: pytest.MonkeyPatch, name: str, arguments: tuple[Tensor, ...]
) -> Tensor:
    with monkeypatch.context() as patch:
        patch.setattr(edges, "_path", lambda values: torch_path)
        return OPERATIONS[name][0](EDGES, *arguments)


def gradients(result: Tensor, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    weights = draw(*result.shape).to(result.dtype)
    return torch.autograd.grad((result * weights).sum(), arguments)


@pytest.mark.parametrize("name", list(OPERATIONS))
def test_compiled_loops_equal_plain_torch(
    name: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = tuple(a.requires_grad_(True) for a in OPERATIONS[name][1](dtype))
    result = OPERATIONS[name][0](EDGES, *arguments)
    expected = in_plain_torch(monkeypatch, name, arguments)
    assert result.dtype == dtype
    pairs = [(result, expected)]
    pairs += zip(gradients(result, arguments), gradients(expected, arguments), strict=True)
    for ours, theirs in pairs:
        error = float((ours - theirs).detach().abs().max() / theirs.detach().abs().max())
        assert error < EDGE_SUM_EPS * torch.finfo(dtype).eps, f"{name} off by {error:.1e}"


@pytest.mark.parametrize("name", list(OPERATIONS))
def test_compiled_loops_take_strided_tensors(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = OPERATIONS[name][1](torch.float64)
    strided = tuple(a.T.contiguous().T for a in arguments)
    assert not strided[0].is_contiguous()
    result = OPERATIONS[name][0](EDGES, *strided)
    assert torch.equal(result, OPERATIONS[name][0](EDGES, *arguments))


@pytest.mark.parametrize("name", list(OPERATIONS))
def test_gradients_by_differences(name: str) -> None:
    arguments = tuple(a.requires_grad_(True) for a in OPERATIONS[name][1](torch.float64))
    operation = OPERATIONS[name][0]
    assert torch.autograd.gradcheck(lambda *a: operation(EDGES, *a), arguments)


@pytest.mark.parametrize("name", list(OPERATIONS))
def test_transforms_fall_back_to_plain_torch(name: str) -> None:
    operation, draw_arguments = OPERATIONS[name]
    first, *rest = draw_arguments(torch.float64)
    many = torch.stack((first, 2 * first))
    mapped = torch.func.vmap(lambda a: operation(EDGES, a, *rest))(many)
    for index in range(2):
        expected = operation(EDGES, many[index], *rest)
        error = float((mapped[index] - expected).abs().max() / expected.abs().max())
        assert error < EDGE_SUM_EPS * torch.finfo(torch.float64).eps, f"off by {error:.1e}"


def test_plain_torch_is_differentiable_twice() -> None:
    index, length_index = EDGES.index, EDGES.length_index
    arguments = [a.requires_grad_(True) for a in OPERATIONS["collect"][1](torch.float64)]
    assert torch.autograd.gradgradcheck(
        lambda *a: torch_path.collect(*a, index, length_index, N), arguments, fast_mode=True
    )


def test_second_derivatives_of_compiled_loops_are_refused() -> None:
    arguments = [a.requires_grad_(True) for a in OPERATIONS["collect"][1](torch.float64)]
    result = EDGES.collect(*arguments, N).square().sum()
    (first,) = torch.autograd.grad(result, arguments[0], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


def test_distinct_edges_stand_for_those_that_are_alike() -> None:
    edges = Edges(EDGES.index[:, ROWS], EDGES.length_index[ROWS] % 2, S)
    keys = torch.cat((edges.index, edges.length_index[None]))
    for shared, rows_of_key in ((edges.distinct, 3), (edges.pairs, 2)):
        chosen = torch.cat((shared.edges.index, shared.edges.length_index[None]))
        assert torch.equal(chosen[:rows_of_key, shared.rows], keys[:rows_of_key])
        different = {tuple(key) for key in keys[:rows_of_key].T.tolist()}
        assert shared.edges.index.shape[1] == len(different) < edges.index.shape[1]


def test_edges_without_copies_stand_for_themselves() -> None:
    own = torch.arange(E)
    shared = Edges(EDGES.index, own, S).distinct
    assert torch.equal(shared.edges.length_index[shared.rows], own)
