"""Tensors of a state dict of torchonn, checked and laid out as a grid of tiles.

A tensor has an even number of leading dimensions, alternately along the rows and the columns of
the weight, from the coarsest grid to the finest.

Source: torchonn 0.0.8, layers/utils.py (merge_chunks), by its behaviour.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


class TiledState:
    """Tensors of one layer as tiles, float64.

    Args:
        state: state dict of the layer or of a network.
        prefix: of the layer's names.
        out_features: rows of the weight.
        in_features: columns of the weight.

    Raises:
        ValueError: if a number of features is not one.
    """

    def __init__(
        self, state: Mapping[str, Tensor], prefix: str, out_features: int, in_features: int
    ) -> None:
        for name, value in (("out_features", out_features), ("in_features", in_features)):
            if type(value) is not int or value < 1:
                raise ValueError(f"`{name}` must be an integer >= 1, got {value!r}")
        self._state, self._prefix = state, prefix
        self.features = (out_features, in_features)
        """Rows and columns of the weight."""

    def tiles(self, name: str, rank: int) -> Tensor:
        """(tile rows, tile columns, ...) of a tensor with ``rank`` dimensions per block.

        Raises:
            ValueError: if it is missing, not finite or no grid of blocks.
        """
        key = self._prefix + name
        if key not in self._state:
            raise ValueError(f"the state dict has no {key!r}")
        tensor = finite_tensor(key, self._state[key], None)
        outer = tensor.ndim - rank
        if outer < 2 or outer % 2 or not tensor.numel():
            raise ValueError(f"{key!r} must be a grid of blocks, got shape {tuple(tensor.shape)}")
        order = [*range(0, outer, 2), *range(1, outer, 2), *range(outer, tensor.ndim)]
        block = tensor.shape[outer:]
        grid = [math.prod(tensor.shape[start:outer:2]) for start in (0, 1)]
        return tensor.permute(order).reshape(*grid, *block)

    def covering(self, tensor: Tensor, size: int) -> Tensor:
        """The tiles of a grid of k x k tiles that hold a part of the weight.

        Raises:
            ValueError: if there are too few.
        """
        needed = [math.ceil(features / size) for features in self.features]
        if any(found < count for found, count in zip(tensor.shape, needed, strict=False)):
            raise ValueError(
                f"a weight of {self.features} needs {needed} blocks of {size} x {size}, "
                f"got {list(tensor.shape[:2])}"
            )
        return tensor[: needed[0], : needed[1]]


def finite_tensor(key: str, value: Any, ndim: int | None) -> Tensor:
    """A tensor of a state dict in float64, on the CPU.

    Args:
        key: its name.
        value: what the state dict holds.
        ndim: number of dimensions it must have; None for any.

    Raises:
        ValueError: if it is no real tensor, has another number of dimensions or is not finite.
    """
    if not isinstance(value, Tensor) or not value.is_floating_point():
        raise ValueError(f"{key!r} must be a real tensor")
    if ndim is not None and value.ndim != ndim:
        raise ValueError(f"{key!r} must have {ndim} dimensions, got {value.ndim}")
    tensor = value.detach().to("cpu", torch.float64)
    if not tensor.isfinite().all():
        raise ValueError(f"{key!r} has entries that are not finite")
    return tensor
