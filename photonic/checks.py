"""Arguments of public calls, checked where they enter: counts, numbers, seeds, choices, tensors.

Every message names the argument. NumPy's numbers and arrays are as good as Python's and torch's; a
truth value is no number, and text is none either.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor


def whole_number(name: str, value: Any, least: int | None = None) -> int:
    """A count, a size or a seed.

    Args:
        name: of the argument.
        value: Python's or NumPy's integer.
        least: smallest allowed value; None for any.

    Raises:
        ValueError: if the value is no integer, or below ``least``. Sizes come from files too, where
            any value is one of the user's.
    """
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_whole or (least is not None and value < least):
        bound = "" if least is None else f" >= {least}"
        raise ValueError(f"`{name}` must be an integer{bound}, got {_short(value)}")
    return int(value)


def real_number(name: str, value: Any, low: float = -math.inf, *, is_open: bool = False) -> float:
    """A finite number.

    Args:
        name: of the argument.
        value: Python's or NumPy's integer or float, or a tensor or array of one.
        low: smallest allowed value, 0 or none.
        is_open: ``low`` itself is not allowed.

    Raises:
        TypeError: if the value is no real number.
        ValueError: if it is not finite or too low.
    """
    if isinstance(value, Tensor | np.ndarray) and value.ndim == 0:
        value = value.item()
    if not isinstance(value, int | float | np.integer | np.floating) or isinstance(value, bool):
        raise TypeError(f"`{name}` must be a real number, got {_short(value)}")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"`{name}` must be finite, got {number}")
    if number < low or (is_open and number == low):
        bound = "be positive" if is_open else "not be negative"
        raise ValueError(f"`{name}` must {bound}, got {number:g}")
    return number


def instance(name: str, value: Any, kind: type | tuple[type, ...]) -> None:
    """Refuse what is not of a class.

    Raises:
        TypeError: naming the argument and the class.
    """
    if not isinstance(value, kind):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        names = " or ".join(part.__name__ for part in kinds)
        raise TypeError(f"`{name}` must be a {names}, got {_short(value)}")


def real_dtype(name: str, value: Any, *, is_half: bool = False) -> None:
    """Refuse what is not float32 or float64.

    Args:
        name: of the argument.
        value: dtype.
        is_half: float16 and bfloat16 are allowed too.

    Raises:
        TypeError: naming the argument.
    """
    allowed = (torch.float32, torch.float64)
    allowed += (torch.float16, torch.bfloat16) if is_half else ()
    if value not in allowed:
        names = ", ".join(str(dtype).removeprefix("torch.") for dtype in allowed)
        raise TypeError(f"`{name}` must be one of {names}, got {_short(value)}")


def as_tensor(name: str, value: Tensor | ArrayLike) -> Tensor:
    """A tensor of numbers; arrays and nested lists are copied in their own precision.

    Args:
        name: of the argument.
        value: tensor, array, or what ``numpy.asarray`` makes one of.

    Raises:
        TypeError: if it does not hold numbers, or holds truth values.
    """
    if not isinstance(value, Tensor):
        try:
            array = np.asarray(value)
            if array.dtype.kind not in "iufc":
                raise TypeError
            value = torch.from_numpy(array.astype(array.dtype.newbyteorder("="), order="C"))
        except (TypeError, ValueError) as error:
            raise TypeError(f"`{name}` must hold numbers, got {_short(value)}") from error
    if value.dtype == torch.bool:
        raise TypeError(f"`{name}` must hold numbers, got truth values")
    return value


def as_real_tensor(name: str, value: Tensor | ArrayLike) -> Tensor:
    """A tensor of real floating numbers, from a tensor, an array or nested lists.

    Raises:
        TypeError: if it holds anything else; a complex or an integer number too.
    """
    tensor = as_tensor(name, value)
    if not tensor.is_floating_point():
        raise TypeError(f"`{name}` must hold real floating numbers, got {tensor.dtype}")
    return tensor


def broadcast_shape(
    parts: Mapping[str, Tensor], tails: Mapping[str, tuple[int | str, ...]]
) -> tuple[dict[str, torch.Size], torch.Size]:
    """Leading dimensions of each tensor, by name, and of all together.

    Args:
        parts: tensors by name.
        tails: last dimensions that each must have; a letter stands for a size that fits none.

    Raises:
        ValueError: naming the tensor whose last dimensions do not fit, or all leading dimensions if
            they do not broadcast.
    """
    batches = {}
    for name, part in parts.items():
        shape, ndim = part.shape, len(tails[name])
        if len(shape) < ndim or tuple(shape[len(shape) - ndim :]) != tails[name]:
            expected = ", ".join(map(str, tails[name]))
            raise ValueError(f"`{name}` must have shape (..., {expected}), got {tuple(shape)}")
        batches[name] = shape[: len(shape) - ndim]
    first = next(iter(batches.values()))
    if all(batch == first for batch in batches.values()):
        return batches, first
    try:
        return batches, torch.Size(np.broadcast_shapes(*batches.values()))
    except ValueError as error:
        shapes = {name: tuple(batch) for name, batch in batches.items()}
        raise ValueError(f"batch dimensions do not broadcast: {shapes}") from error


def phase_noise_std(name: str, value: float | Tensor | ArrayLike) -> Tensor:
    """Standard deviations [rad] of phases: one number, or a tensor of them.

    Raises:
        TypeError: if it holds anything but real numbers.
        ValueError: if one is negative, or the only one is not finite.
    """
    if not isinstance(value, Tensor | np.ndarray | list | tuple):
        return torch.tensor(real_number(name, value, 0.0), dtype=torch.float64)
    std = as_real_tensor(name, value)
    not_negative(name, std)
    return std


def not_negative(name: str, value: Tensor) -> None:
    """Refuse a negative entry, as of a loss, which would amplify. NaN passes.

    Raises:
        ValueError: naming the argument and its smallest entry.
    """
    try:
        is_refused = bool((value < 0).any())
    except RuntimeError:  # mapped by torch.func.vmap, where values are not known
        return
    if is_refused:
        raise ValueError(f"`{name}` must not be negative, got {value[value < 0].min():g}")


def _short(value: Any) -> str:
    """A value in few characters; tensors and objects by their type."""
    if isinstance(value, str | int | float | complex | torch.dtype) or value is None:
        return repr(value)[:60]
    return type(value).__name__
