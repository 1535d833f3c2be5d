"""The choice of how light is propagated; the only place that knows all backends.

"numba" runs the compiled kernels, on CPU tensors; "torch" is plain torch on any device and
differentiable to any order. Without a wish CPU tensors take the first and all others the second.
"""

from collections.abc import Callable
from typing import Literal, get_args

from torch import Tensor

from photonic.numba_backend import propagate as propagate_by_numba
from photonic.torch_backend import propagate as propagate_by_torch

Backend = Literal["numba", "torch"]

_PROPAGATE: dict[str, Callable[..., Tensor]] = {
    "numba": propagate_by_numba,
    "torch": propagate_by_torch,
}


def choose(theta: Tensor, backend: Backend | None) -> Callable[..., Tensor]:
    """The function that propagates light for settings like ``theta``.

    Args:
        theta: settings; their device decides where nothing is asked for.
        backend: forced choice, or None.

    Raises:
        ValueError: if the backend is unknown, or cannot compute on the device.
    """
    if backend is None:
        backend = "numba" if theta.device.type == "cpu" else "torch"
    if backend not in _PROPAGATE:
        known = ", ".join(map(repr, get_args(Backend)))
        raise ValueError(f"`backend` must be one of {known} or None, got {backend!r}")
    if backend == "numba" and theta.device.type != "cpu":
        raise ValueError(f"`backend` 'numba' needs CPU tensors, got {theta.device}")
    return _PROPAGATE[backend]
