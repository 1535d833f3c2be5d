"""The factory through which every dense layer of the network is built.

It is the only place where light can enter: a caller passes its own ``linear(in, out)`` to get a
network whose dense layers are photonic.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn


class LinearFactory(Protocol):
    """Makes an affine layer y = x W^T + b."""

    def __call__(self, in_features: int, out_features: int, bias: bool = True) -> nn.Module:
        """A module that maps (..., in_features) to (..., out_features).

        It has the parameters ``weight`` (out_features, in_features) and ``bias`` (out_features,)
        or None, as ``nn.Linear``; layers with a special start set them.
        """
        ...


def digital_linear(in_features: int, out_features: int, bias: bool = True) -> nn.Linear:
    """The default: an ordinary ``nn.Linear``."""
    return nn.Linear(in_features, out_features, bias=bias)


class SiluMLP(nn.Module):
    """Lin - SiLU - Lin."""

    def __init__(
        self, in_features: int, width: int, out_features: int, linear: LinearFactory
    ) -> None:
        super().__init__()
        self.inner = linear(in_features, width)
        self.outer = linear(width, out_features)

    def forward(self, x: Tensor) -> Tensor:
        """(..., out_features) of (..., in_features)."""
        return self.outer(nn.functional.silu(self.inner(x)))
