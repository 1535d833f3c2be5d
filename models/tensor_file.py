"""Tensors of a safetensors file that somebody else wrote, checked before they are used."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

_BROKEN = (SafetensorError, ValueError, KeyError, TypeError, AssertionError, RuntimeError)
"""What the library raises on damaged headers, unknown types and shapes beyond its integers."""


class TensorFileError(ValueError):
    """A file of tensors that cannot be used; one line saying why."""


def read_tensors(data: bytes) -> dict[str, Tensor]:
    """Tensors of a safetensors file, by name.

    Raises:
        TensorFileError: if it is damaged or holds types that are not known.
    """
    try:
        return load(data)
    except _BROKEN as error:
        lines = str(error).splitlines()
        reason = lines[0][:200] if lines else type(error).__name__
        raise TensorFileError(f"no readable safetensors file ({reason})") from None


def require_tensors(tensors: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse tensors other than finite float64 ones of given names and shapes.

    Raises:
        TensorFileError: naming the first one that is missing, unknown or does not fit.
    """
    for what, names in (
        ("is missing", shapes.keys() - tensors.keys()),
        ("is not known", tensors.keys() - shapes.keys()),
    ):
        if names:
            raise TensorFileError(f"tensor {min(names)[:80]!r} {what}")
    for name, shape in shapes.items():
        tensor = tensors[name]
        if tuple(tensor.shape) != shape:
            raise TensorFileError(f"`{name}` must have shape {shape}, got {tuple(tensor.shape)}")
        if tensor.dtype != torch.float64:
            raise TensorFileError(f"`{name}` must be float64, got {tensor.dtype}")
        if not tensor.isfinite().all():
            raise TensorFileError(f"`{name}` holds numbers that are not finite")
