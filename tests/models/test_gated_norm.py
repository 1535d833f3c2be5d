"""The batch norm inside of compiled gated sums: statistics, and norms that are left to torch."""

import copy

import pytest
import torch
from torch import Tensor, nn

from models.edge_ops import cpu_messages, edges
from models.edge_ops.paths import is_plain_norm
from tests.models.edge_operations import SIZES, draw, random_edges
from tests.tolerances import EDGE_SUM_EPS

EDGES = random_edges()
F = SIZES.features


def operands(shared: str, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    counts = (getattr(EDGES, shared).counts.numel(), EDGES.distinct.counts.numel())
    query, keys, values = (draw(rows, F, dtype=dtype) for rows in (SIZES.sites, *counts))
    return query, keys + 1, values


@pytest.mark.parametrize("shared", ["distinct", "pairs"])
def test_running_statistics_follow_as_in_torch(
    shared: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = nn.BatchNorm1d(F, dtype=dtype)
    theirs = copy.deepcopy(ours)
    alike = getattr(EDGES, shared)
    for step in range(3):
        query, keys, values = operands(shared, dtype)
        query = query + step
        EDGES.gated_sum(query, keys, values, ours, alike)
        with monkeypatch.context() as patch:
            patch.setattr(edges, "is_compiled", lambda *_: False)
            EDGES.gated_sum(query, keys, values, theirs, alike)
    assert ours.num_batches_tracked == theirs.num_batches_tracked == 3
    for name in ("running_mean", "running_var"):
        mine, expected = getattr(ours, name), getattr(theirs, name)
        error = float((mine - expected).abs().max() / expected.abs().max())
        assert error < EDGE_SUM_EPS * torch.finfo(dtype).eps, f"{name} off by {error:.1e}"


def test_evaluation_leaves_the_statistics_alone() -> None:
    norm = nn.BatchNorm1d(F, dtype=torch.float64).eval()
    before = copy.deepcopy(norm.state_dict())
    EDGES.gated_sum(*operands("distinct", torch.float64), norm, EDGES.distinct)
    assert all(torch.equal(before[name], value) for name, value in norm.state_dict().items())


class _OwnNorm(nn.BatchNorm1d):
    """A subclass may compute anything."""

    def forward(self, scores: Tensor) -> Tensor:
        return torch.full_like(scores, -torch.inf)


@pytest.mark.parametrize(
    "norm",
    [
        _OwnNorm(F),
        nn.BatchNorm1d(F, affine=False),
        nn.BatchNorm1d(F, momentum=None),
        nn.BatchNorm1d(F, track_running_stats=False),
        nn.Identity(),
    ],
    ids=["subclass", "no weights", "mean of all batches", "no statistics", "identity"],
)
def test_other_norms_are_left_to_torch(norm: nn.Module) -> None:
    query, keys, values = operands("distinct", torch.float32)
    assert not is_plain_norm(norm, values, SIZES.edges)
    result = EDGES.gated_sum(query, keys, values, copy.deepcopy(norm), EDGES.distinct)
    scores = query[EDGES.index[0]] * keys[EDGES.distinct.rows]
    messages = norm(scores).sigmoid() * values[EDGES.distinct.rows]
    expected = torch.zeros(SIZES.sites, F).index_add_(0, EDGES.index[0], messages)
    assert torch.equal(result, expected)


def test_a_norm_of_another_dtype_is_left_to_torch() -> None:
    assert not is_plain_norm(nn.BatchNorm1d(F, dtype=torch.float64), draw(2, F).float(), 2)


def test_training_on_one_edge_is_refused_as_by_torch() -> None:
    one = random_edges(SIZES._replace(sites=1, edges=1))
    row = draw(1, F)
    norm = nn.BatchNorm1d(F, dtype=torch.float64)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        one.gated_sum(row, row, row, norm, one.distinct)


def test_the_plain_norm_takes_the_compiled_path(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    compiled = cpu_messages.gated_sum
    monkeypatch.setattr(cpu_messages, "gated_sum", lambda *a: calls.append(a) or compiled(*a))
    norm = nn.BatchNorm1d(F, dtype=torch.float64)
    EDGES.gated_sum(*operands("pairs", torch.float64), norm, EDGES.pairs)
    assert len(calls) == 1
