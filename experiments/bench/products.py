"""The matrix products of a computation, taken out of it to be timed alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

_PRODUCTS = (
    torch.ops.aten.mm.default,
    torch.ops.aten.addmm.default,
    torch.ops.aten.bmm.default,
)
Call = tuple[Callable[..., Tensor], tuple[Any, ...]]


class _Recorder(TorchDispatchMode):
    """Notes every matrix product, of backward passes too, with its operands."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func in _PRODUCTS:
            self.calls.append((func, args))
        return func(*args, **(kwargs or {}))


def matrix_products(function: Callable[[], object]) -> list[Call]:
    """The products of one call: operator and operands, in their order in memory."""
    with _Recorder() as recorder:
        function()
    return recorder.calls


@torch.no_grad()
def multiply(calls: list[Call]) -> None:
    """All the products again, and nothing else."""
    for product, operands in calls:
        product(*operands)
