"""Several processes on one batch, joined by ``torchrun``; one process is the ordinary case.

Each rank takes a contiguous part of every batch. What belongs to the whole batch (loss, gradient,
statistics of batch norm) is summed over the ranks, so that the result is that of one process within
rounding. Batch norm of torch that does this exists for CUDA only, hence the one here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed, nn


@dataclass(frozen=True)
class Ranks:
    """This process among those of a run.

    Attributes:
        rank: number of this process, 0 to size - 1.
        size: number of processes.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """True for the process that writes and talks."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """The contiguous part of ``count`` items that is this rank's; sizes differ by one at most.

        Raises:
            ValueError: if there are fewer items than ranks.
        """
        if count < self.size:
            raise ValueError(f"{self.size} processes cannot share {count} crystals")
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def sum(self, tensor: Tensor) -> Tensor:
        """Sum over the ranks, not differentiable; the tensor itself is changed and returned."""
        if self.size > 1:
            distributed.all_reduce(tensor)
        return tensor

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace each gradient by its sum over the ranks, in one message."""
        if self.size == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = self.sum(torch.cat([gradient.flatten() for gradient in gradients]))
        parts = flat.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def wait(self) -> None:
        """Go on when all ranks are here."""
        if self.size > 1:
            distributed.barrier()


def launched_processes() -> int:
    """Number of processes that ``torchrun`` has started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first_process() -> bool:
    """True for the process that talks, also before and after the ranks are joined."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def joined_ranks(device: str) -> Iterator[Ranks]:
    """The processes of this run; gloo on the CPU, NCCL on CUDA.

    Args:
        device: ``"cpu"`` or ``"cuda"``; in the second case each process takes the GPU of its
            number on the machine.
    """
    if device == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    if launched_processes() == 1:
        yield Ranks()
        return
    distributed.init_process_group("nccl" if device == "cuda" else "gloo")
    try:
        yield Ranks(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()


class _SumOverRanks(torch.autograd.Function):
    """y = sum_r x_r; the loss is a sum over ranks as well, so dL/dx_r = sum_s dL_s/dy."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total


class SynchronisedBatchNorm(nn.BatchNorm1d):
    """Batch norm with the mean and the variance of the rows of all ranks; names as in torch's."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, d) normalised rows; ``x`` are the N rows of this rank, of any number."""
        if not self.training:
            return super().forward(x)
        total = _SumOverRanks.apply(torch.cat([x.sum(0), x.new_full((1,), len(x))]))
        count = total[-1].detach()
        mean = total[:-1] / count
        centred = x - mean
        variance = _SumOverRanks.apply(centred.square().sum(0)) / count
        self._follow(mean.detach(), variance.detach(), count)
        return centred * torch.rsqrt(variance + self.eps) * self.weight + self.bias

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        """Move the running statistics; the running variance is the unbiased one."""
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * count / (count - 1), self.momentum)

    @classmethod
    def of(cls, norm: nn.BatchNorm1d) -> SynchronisedBatchNorm:
        """The synchronised norm with the parameters and statistics, not copies, of another."""
        new = cls(norm.num_features, norm.eps, norm.momentum)
        new._parameters, new._buffers = norm._parameters, norm._buffers
        return new.train(norm.training)
