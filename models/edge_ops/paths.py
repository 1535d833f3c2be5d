"""Which tensors the compiled loops can take, and how they see them."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

_COMPILED_DTYPES = (torch.float32, torch.float64)


WORTHWHILE = 2048
"""Rows below which plain torch is as fast, so that nothing is compiled for a few predictions."""


def is_compiled(values: Tensor, num_rows: int) -> bool:
    """True for ordinary real tensors of the processor, outside of ``torch.func`` transforms.

    Without gradients also only from ``WORTHWHILE`` rows on: edges, sites or lengths, whatever the
    operation goes through one by one. The choice follows from the size of the work alone and not
    from what is compiled already, so that the same work gives the same bits.
    """
    if num_rows < WORTHWHILE and not torch.is_grad_enabled():
        return False
    in_transform = torch._C._functorch.peek_interpreter_stack() is not None
    is_plain = values.device.type == "cpu" and values.dtype in _COMPILED_DTYPES
    return is_plain and not in_transform


def is_plain_norm(norm: nn.Module, values: Tensor, num_rows: int) -> bool:
    """True for the batch norm of torch in its usual form, the only one that the loops know.

    Others are subclasses (statistics of several processes), norms without weights, averages of all
    batches, and torch's own refusal to train on a single row.
    """
    return (
        type(norm) is nn.BatchNorm1d
        and norm.affine
        and norm.track_running_stats
        and norm.momentum is not None
        and norm.weight.dtype == values.dtype
        and (num_rows > 1 or not norm.training)
    )


def array(tensor: Tensor) -> NDArray[Any]:
    """The numbers of a tensor as a contiguous array, its own memory where that is possible."""
    return tensor.detach().contiguous().numpy()


def zeros(like: Tensor, *shape: int) -> Tensor:
    """Zeros in the dtype of a tensor, and in its shape if none is given."""
    return torch.zeros(shape or like.shape, dtype=like.dtype)
