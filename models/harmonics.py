"""Real spherical harmonics up to l = 2 of unit vectors, component normalisation."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def harmonics_1(direction: Tensor) -> Tensor:
    """(..., 3) Y1 = sqrt(3) (x, y, z) of unit vectors (..., 3); |Y1|^2 = 3."""
    return math.sqrt(3) * direction


def harmonics_2(direction: Tensor) -> Tensor:
    """(..., 5) Y2 of unit vectors (..., 3), component normalisation; |Y2|^2 = 5.

    Y2 = sqrt(15) (x y, y z, x z, (3 z^2 - 1) / (2 sqrt(3)), (x^2 - y^2) / 2), so that
    Y2(a) . Y2(b) = 5/2 (3 (a . b)^2 - 1).
    """
    x, y, z = direction.unbind(-1)
    components = (
        x * y,
        y * z,
        x * z,
        (3 * z * z - 1) / (2 * math.sqrt(3)),
        (x * x - y * y) / 2,
    )
    return math.sqrt(15) * torch.stack(components, dim=-1)
