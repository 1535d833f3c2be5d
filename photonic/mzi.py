"""Closed form of the Mach-Zehnder interferometer (MZI) and of its couplers."""

import math

import torch
from torch import Tensor

BlockEntries = tuple[Tensor, Tensor, Tensor, Tensor]
"""Entries (M00, M01, M10, M11) of a 2 x 2 block, each (...) complex."""


def coupler(angle: Tensor) -> Tensor:
    """Transfer matrix of a lossless directional coupler.

    C(angle) = [[cos, i sin], [i sin, cos]]; 50:50 at pi/4, power_cross = sin^2.

    Args:
        angle: (...) [rad] splitting angle.

    Returns:
        (..., 2, 2) complex, unitary; C(a) C(b) = C(a + b).
    """
    zero = torch.zeros_like(angle)
    bar, cross = torch.complex(angle.cos(), zero), torch.complex(zero, angle.sin())
    return _stack_block((bar, cross, cross, bar))


def mzi_block(theta: Tensor, phi: Tensor, coupler_error: Tensor | None = None) -> Tensor:
    """Transfer matrix of one Mach-Zehnder interferometer.

    M = C(pi/4 + b) L(theta) C(pi/4 + a) L(phi), L(x) = diag(exp(i x), 1). Without errors
    M = i exp(i theta/2) [[exp(i phi) S, c], [exp(i phi) c, -S]], S, c = sin, cos(theta/2):
    theta = 0 is cross, theta = pi is bar.

    Args:
        theta: (...) [rad] internal phase.
        phi: (...) [rad] external phase.
        coupler_error: (..., 2) [rad] deviations (a, b) of the first and second coupler from pi/4.

    Returns:
        (..., 2, 2) complex ``M[..., out, in]``; unitary, det M = exp(i (theta + phi)).

    Source: Clements et al., Optica 3, 1460 (2016), with the block of conventions.py, item 5.
    """
    return _stack_block(mzi_entries(theta, phi, coupler_error))


def mzi_entries(theta: Tensor, phi: Tensor, coupler_error: Tensor | None = None) -> BlockEntries:
    """Entries of ``mzi_block``, as four tensors.

    Args:
        theta: (...) [rad] internal phase.
        phi: (...) [rad] external phase.
        coupler_error: (..., 2) [rad] deviations (a, b) of the two couplers from pi/4.

    Returns:
        M00, M01, M10, M11, each (...) complex, broadcast over the arguments.
    """
    sin, cos = (theta / 2).sin(), (theta / 2).cos()
    # The float nearest to pi means bar. Its rounding leaves a leak of 6e-17, alike in every bar,
    # that would add up coherently along a mesh; it is removed, its gradient is not.
    cos = cos - torch.where(theta == math.pi, cos, 0.0).detach()
    external = torch.complex(phi.cos(), phi.sin())
    if coupler_error is None:
        common = torch.complex(-sin, cos)  # i exp(i theta/2)
        upper = common * external
        return upper * sin, common * cos, upper * cos, common * -sin
    first, second = coupler_error.unbind(-1)
    difference, total = first - second, first + second
    bar, leak = sin * difference.cos(), cos * total.sin()
    cross, skew = cos * total.cos(), sin * difference.sin()
    internal = torch.complex(cos, sin)
    upper = internal * external
    return (
        upper * torch.complex(-leak, bar),
        internal * torch.complex(-skew, cross),
        upper * torch.complex(skew, cross),
        internal * torch.complex(-leak, -bar),
    )


def _stack_block(entries: BlockEntries) -> Tensor:
    m00, m01, m10, m11 = torch.broadcast_tensors(*entries)
    return torch.stack((m00, m01, m10, m11), dim=-1).unflatten(-1, (2, 2))
