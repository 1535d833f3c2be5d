"""Compiled sums over neighbours against plain torch: values, gradients, where each of them runs."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from models.edge_ops import Edges, edges, paths, pointwise, torch_path
from models.harmonics import harmonics_1, harmonics_2
from tests.models.edge_operations import (
    EVALUATED,
    OPERATIONS,
    SIZES,
    Arguments,
    Sizes,
    arguments_of,
    draw,
    random_edges,
)
from tests.tolerances import CLOSED_FORM_F64, EDGE_SUM_EPS

EDGES = random_edges()


def in_plain_torch(name: str, on: Edges, sizes: Sizes, arguments: Arguments) -> Tensor:
    with pytest.MonkeyPatch.context() as patch:
        for module in (edges, pointwise):
            patch.setattr(module, "is_compiled", lambda *_: False)
        return OPERATIONS[name].run(on, sizes, *arguments)


def gradients(result: Tensor, arguments: Arguments) -> tuple[Tensor, ...]:
    weights = draw(*result.shape).to(result.dtype)
    return torch.autograd.grad((result * weights).sum(), arguments)


def assert_equal_to_plain_torch(name: str, on: Edges, sizes: Sizes, dtype: torch.dtype) -> None:
    arguments = arguments_of(OPERATIONS[name], on, sizes, dtype)
    result = OPERATIONS[name].run(on, sizes, *arguments)
    expected = in_plain_torch(name, on, sizes, arguments)
    assert result.dtype == dtype
    pairs = [(result, expected)]
    pairs += zip(gradients(result, arguments), gradients(expected, arguments), strict=True)
    for number, (ours, theirs) in enumerate(pairs):
        assert ours.shape == theirs.shape
        if theirs.numel():
            scale = max(float(theirs.detach().abs().max()), torch.finfo(dtype).eps)
            error = float((ours - theirs).detach().abs().max()) / scale
            bound = EDGE_SUM_EPS * torch.finfo(dtype).eps
            assert error < bound, f"{name}, part {number}: off by {error:.1e}"


@pytest.mark.parametrize("name", list(OPERATIONS))
def test_compiled_loops_equal_plain_torch(name: str, dtype: torch.dtype) -> None:
    assert_equal_to_plain_torch(name, EDGES, SIZES, dtype)


@pytest.mark.parametrize("name", list(EVALUATED))  # statistics of a few edges are ill-conditioned
@given(data=st.data())
def test_any_shape_equals_plain_torch(name: str, data: st.DataObject) -> None:
    sites = data.draw(st.integers(1, 5))
    channels = st.integers(1, 17)
    sizes = Sizes(
        sites,
        data.draw(st.integers(sites, 30)),
        data.draw(st.integers(1, 4)),
        *(data.draw(channels) for _ in range(3)),
    )
    assert_equal_to_plain_torch(name, random_edges(sizes), sizes, torch.float64)


@pytest.mark.parametrize("name", list(EVALUATED))
@pytest.mark.parametrize("num", [0, 1])
def test_batches_of_no_edge_and_of_one(name: str, num: int) -> None:
    sizes = SIZES._replace(sites=num, edges=num, lengths=1)
    assert_equal_to_plain_torch(name, random_edges(sizes), sizes, torch.float64)


@pytest.mark.parametrize("name", list(OPERATIONS))
def test_compiled_loops_take_strided_tensors(name: str) -> None:
    arguments = arguments_of(OPERATIONS[name], EDGES)
    strided = [torch.stack((a, -a), -1)[..., 0] for a in arguments]
    assert not any(a.is_contiguous() for a in strided)
    result = OPERATIONS[name].run(EDGES, SIZES, *strided)
    assert torch.equal(result, OPERATIONS[name].run(EDGES, SIZES, *arguments))


@pytest.mark.parametrize("name", list(OPERATIONS))
def test_gradients_by_differences(name: str) -> None:
    arguments = arguments_of(OPERATIONS[name], EDGES)
    assert torch.autograd.gradcheck(lambda *a: OPERATIONS[name].run(EDGES, SIZES, *a), arguments)


@pytest.mark.parametrize("name", list(EVALUATED))
def test_transforms_fall_back_to_plain_torch(name: str) -> None:
    first, *rest = (a.detach() for a in arguments_of(OPERATIONS[name], EDGES))
    many = torch.stack((first, 2 * first))
    run = OPERATIONS[name].run
    mapped = torch.func.vmap(lambda a: run(EDGES, SIZES, a, *rest))(many)
    for index in range(2):
        expected = run(EDGES, SIZES, many[index], *rest)
        error = float((mapped[index] - expected).abs().max() / expected.abs().max())
        assert error < EDGE_SUM_EPS * torch.finfo(torch.float64).eps, f"off by {error:.1e}"


@pytest.mark.parametrize("name", list(OPERATIONS))
def test_what_is_no_number_stays_visible(name: str) -> None:
    first, *rest = (a.detach() for a in arguments_of(OPERATIONS[name], EDGES))
    first[0] = torch.nan
    for result in (
        OPERATIONS[name].run(EDGES, SIZES, first, *rest),
        in_plain_torch(name, EDGES, SIZES, (first, *rest)),
    ):
        assert result.isnan().any()


def test_plain_torch_is_differentiable_twice() -> None:
    shared = EDGES.distinct.edges
    arguments = arguments_of(OPERATIONS["collect"], EDGES)
    assert torch.autograd.gradgradcheck(
        lambda *a: torch_path.collect(*a, shared.index, shared.length_index, SIZES.scalars),
        arguments,
        fast_mode=True,
    )


@pytest.mark.parametrize("name", list(OPERATIONS))
def test_second_derivatives_of_compiled_loops_are_refused(name: str) -> None:
    arguments = arguments_of(OPERATIONS[name], EDGES)
    result = OPERATIONS[name].run(EDGES, SIZES, *arguments).square().sum()
    (first,) = torch.autograd.grad(result, arguments[0], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


def test_distinct_edges_stand_for_those_that_are_alike() -> None:
    rows = torch.arange(SIZES.edges) * 5 % 13
    copies = Edges(EDGES.index[:, rows], EDGES.length_index[rows] % 2, SIZES.sites)
    keys = torch.cat((copies.index, copies.length_index[None]))
    for shared, rows_of_key in ((copies.distinct, 3), (copies.pairs, 2)):
        chosen = torch.cat((shared.edges.index, shared.edges.length_index[None]))
        assert torch.equal(chosen[:rows_of_key, shared.rows], keys[:rows_of_key])
        different = {tuple(key) for key in keys[:rows_of_key].T.tolist()}
        assert shared.edges.index.shape[1] == len(different) < copies.index.shape[1]
        assert torch.equal(shared.counts, torch.bincount(shared.rows))


def test_pairs_know_the_distinct_edges_that_they_stand_for() -> None:
    pairs, distinct = EDGES.pairs, EDGES.distinct
    assert pairs.first[0] == 0
    assert pairs.first[-1] == distinct.counts.numel()
    for k, (first, stop) in enumerate(zip(pairs.first[:-1], pairs.first[1:], strict=True)):
        members = distinct.edges.index[:, first:stop]
        assert (members == pairs.edges.index[:, k, None]).all()
        assert distinct.counts[first:stop].sum() == pairs.counts[k]


def test_edges_without_copies_stand_for_themselves() -> None:
    own = torch.arange(SIZES.edges)
    shared = Edges(EDGES.index, own, SIZES.sites).distinct
    assert torch.equal(shared.edges.length_index[shared.rows], own)


def test_moments_are_means_over_the_edges_of_a_receiver() -> None:
    (direction,) = (a.detach() for a in arguments_of(OPERATIONS["moments"], EDGES))
    receiver = EDGES.distinct.edges.index[0]
    total = torch.zeros(SIZES.sites, 9, dtype=torch.float64)
    total.index_add_(0, receiver, EDGES.moments(direction))
    for site in range(SIZES.sites):
        own = direction[EDGES.index[0] == site]
        values = torch.cat((torch.ones_like(own[:, :1]), harmonics_1(own), harmonics_2(own)), -1)
        assert torch.allclose(total[site], values.mean(0), rtol=0, atol=CLOSED_FORM_F64)


def many_edges(num_sites: int) -> Edges:
    return random_edges(SIZES._replace(sites=num_sites, edges=num_sites * 30))


@pytest.mark.parametrize("num_sites", [5, 100])
def test_the_size_of_the_work_chooses_the_path(
    num_sites: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few edges are left to plain torch, but for gradients; many are not."""
    on, calls = many_edges(num_sites), []
    compiled = edges.cpu_messages.activated_sum
    monkeypatch.setattr(
        edges.cpu_messages, "activated_sum", lambda *a: calls.append(a) or compiled(*a)
    )
    rows = torch.randn(num_sites, 8, dtype=torch.float32)
    with torch.inference_mode():
        without = on.activated_sum(rows, rows, None)
    assert len(calls) == (on.index.shape[1] >= paths.WORTHWHILE)
    with_gradients = on.activated_sum(rows, rows, None)
    assert len(calls) == 1 + (on.index.shape[1] >= paths.WORTHWHILE)
    error = (without - with_gradients).abs().max() / without.abs().max()
    assert error < EDGE_SUM_EPS * torch.finfo(torch.float32).eps
