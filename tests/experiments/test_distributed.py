"""Two real processes give what one gives: sums, batch norm, and a whole training by torchrun."""

from __future__ import annotations

import copy
import itertools
import os
import socket
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from experiments.distributed import Ranks, SynchronisedBatchNorm, joined_ranks
from experiments.training_network import BatchDropout
from tests.experiments.training_commands import command, metrics, run, weights
from tests.tolerances import CLOSED_FORM_F64, RANKS_F32, RANKS_LOSS, RANKS_METRIC


def batch_norm_on_rank(
    rank: int, port: int, rows: Tensor, norm: nn.BatchNorm1d, directory: str
) -> None:
    """One process: its rows through the synchronised norm, gradients summed, all stored."""
    os.environ |= {"WORLD_SIZE": "2", "RANK": str(rank), "MASTER_ADDR": "127.0.0.1"}
    os.environ["MASTER_PORT"] = str(port)
    from safetensors.torch import save_file

    with joined_ranks("cpu") as ranks:
        own = rows[ranks.share(len(rows))].clone().requires_grad_(True)
        norm = SynchronisedBatchNorm.of(copy.deepcopy(norm))  # spawn shares memory of tensors
        out = norm(own)
        factors = torch.arange(out.numel(), dtype=out.dtype).view_as(out).sin()
        (out * factors).sum().backward()
        ranks.sum_gradients(norm.parameters())
        parts = {"out": out.detach(), "rows": own.grad, "weight": norm.weight.grad}
        save_file(
            {**parts, "var": norm.running_var, "mean": norm.running_mean},
            f"{directory}/{rank}.safetensors",
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_batch_norm_sees_the_rows_of_all_processes(tmp_path: Path) -> None:
    """Outputs, gradients of rows and weights, running statistics; 7 rows as 3 and 4."""
    from safetensors.torch import load_file

    torch.manual_seed(0)
    rows = torch.randn(7, 5, dtype=torch.float64) * 3 + 1
    norm = nn.BatchNorm1d(5, dtype=torch.float64)
    nn.init.uniform_(norm.weight, 0.5, 2.0)
    arguments = (free_port(), rows, norm, str(tmp_path))
    torch.multiprocessing.spawn(batch_norm_on_rank, arguments, nprocs=2)
    parts = [load_file(tmp_path / f"{rank}.safetensors") for rank in range(2)]

    whole = rows.clone().requires_grad_(True)
    out = norm(whole)
    factors = [torch.arange(n * 5, dtype=torch.float64).view(n, 5).sin() for n in (3, 4)]
    (out * torch.cat(factors)).sum().backward()
    expected = {"out": out.detach(), "rows": whole.grad}
    for name, value in expected.items():
        found = torch.cat([part[name] for part in parts])
        torch.testing.assert_close(found, value, rtol=CLOSED_FORM_F64, atol=CLOSED_FORM_F64)
    equal = {"weight": norm.weight.grad, "var": norm.running_var, "mean": norm.running_mean}
    for name, value in equal.items():
        for part in parts:
            torch.testing.assert_close(part[name], value, rtol=CLOSED_FORM_F64, atol=0)


UNDETERMINED = (
    "attention.combine.bias",
    "attention.norm.running_mean",
    "update.inner.bias",
    "update.norm.running_mean",
)
"""Biases in front of a batch norm, and its mean, which follows: the loss does not depend on them.
Their gradient is rounding alone, which Adam scales up to steps as large as all others."""


@pytest.mark.slow
def test_a_training_by_two_processes_is_that_of_one(tmp_path: Path) -> None:
    """Same global batches, bases, dropout, statistics and gradients; rounding alone differs."""
    run(command(tmp_path / "one", 2))
    run(command(tmp_path / "two", 2, processes=2))
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert one.keys() == two.keys()
    for name, value in one.items():
        if value.is_floating_point() and not name.endswith(UNDETERMINED):
            error = (two[name] - value).abs().max() / value.abs().max()
            assert error <= RANKS_F32, f"{name}: {error:.1e}"
    for first, second in zip(table(tmp_path / "one"), table(tmp_path / "two"), strict=True):
        epoch, loss, rate, *errors = first
        assert second[:3] == pytest.approx([epoch, loss, rate], rel=RANKS_LOSS)
        assert second[3:] == pytest.approx(errors, rel=RANKS_METRIC)


def table(directory: Path) -> list[list[float]]:
    """Numbers of ``metrics.csv`` without the times."""
    return [[float(cell) for cell in line.split(",")] for line in metrics(directory)[1:]]


@pytest.mark.parametrize(("count", "size"), [(7, 2), (64, 3), (5, 5)])
def test_shares_are_contiguous_complete_and_equal(count: int, size: int) -> None:
    shares = [list(range(count))[Ranks(rank, size).share(count)] for rank in range(size)]
    assert list(itertools.chain(*shares)) == list(range(count))
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= 1


def test_fewer_crystals_than_processes_are_refused() -> None:
    with pytest.raises(ValueError, match="3 processes cannot share 2 crystals"):
        Ranks(0, 3).share(2)


def test_dropout_does_not_depend_on_the_number_of_processes() -> None:
    x = torch.ones(7, 6)

    def dropped(ranks: Ranks) -> Tensor:
        torch.manual_seed(3)
        return BatchDropout(0.4, ranks, len(x))(x[ranks.share(len(x))])

    whole = dropped(Ranks())
    assert torch.equal(torch.cat([dropped(Ranks(rank, 2)) for rank in range(2)]), whole)
    assert set(whole.unique().tolist()) == {0.0, whole.max().item()}
    assert BatchDropout(0.4, Ranks(), 7).eval()(x) is x
