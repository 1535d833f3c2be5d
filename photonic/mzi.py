"""Closed form of the Mach-Zehnder interferometer (MZI) and of its couplers."""

import math

import torch
from torch import Tensor

from photonic.checks import as_real_tensor, broadcast_shape, not_negative
from photonic.conventions import db_to_amplitude

BlockEntries = tuple[Tensor, Tensor, Tensor, Tensor]
"""Entries (M00, M01, M10, M11) of a 2 x 2 block, each (...) complex."""


def complex_of(real: Tensor, imag: Tensor) -> Tensor:
    """real + i imag, as ``torch.complex``, whose gradient fails under nested ``torch.func.vmap``.

    Args:
        real: (...) real.
        imag: (...) real, of the same shape.

    Returns:
        (...) complex.
    """
    return torch.view_as_complex(torch.stack((real, imag), dim=-1))


def coupler(angle: Tensor) -> Tensor:
    """Transfer matrix of a lossless directional coupler.

    C(angle) = [[cos, i sin], [i sin, cos]]; 50:50 at pi/4, power_cross = sin^2.

    Args:
        angle: (...) [rad] splitting angle.

    Returns:
        (..., 2, 2) complex, unitary; C(a) C(b) = C(a + b).
    """
    angle = as_real_tensor("angle", angle)
    zero = torch.zeros_like(angle)
    bar, cross = complex_of(angle.cos(), zero), complex_of(zero, angle.sin())
    return _stack_block((bar, cross, cross, bar))


def mzi_block(
    theta: Tensor,
    phi: Tensor,
    coupler_error: Tensor | None = None,
    arm_loss_db: Tensor | None = None,
) -> Tensor:
    """Transfer matrix of one Mach-Zehnder interferometer.

    M = G_2 C(pi/4 + b) G_1 L(theta) C(pi/4 + a) G_0 L(phi), with L(x) = diag(exp(i x), 1) and the
    losses G_s = diag(10^(-arm_loss_db[s] / 20)) of the two arms. Without errors and losses
    M = i exp(i theta/2) [[exp(i phi) S, c], [exp(i phi) c, -S]], S, c = sin, cos(theta/2):
    theta = 0 is cross, theta = pi is bar.

    Args:
        theta: (...) [rad] internal phase.
        phi: (...) [rad] external phase.
        coupler_error: (..., 2) [rad] deviations (a, b) of the first and second coupler from pi/4.
        arm_loss_db: (..., 3, 2) [dB] loss of the upper and the lower arm before the first coupler,
            between the couplers and behind the second one.

    Returns:
        (..., 2, 2) complex ``M[..., out, in]``; without loss unitary, det M = exp(i (theta + phi)).

    Raises:
        TypeError: if an argument does not hold real floating numbers.
        ValueError: if a shape does not fit or a loss is negative.

    Source: Clements et al., Optica 3, 1460 (2016), with the block of conventions.py, item 5.
    """
    parts = {"theta": as_real_tensor("theta", theta), "phi": as_real_tensor("phi", phi)}
    tails = {"theta": (), "phi": ()}
    if coupler_error is not None:
        parts["coupler_error"] = as_real_tensor("coupler_error", coupler_error)
        tails["coupler_error"] = (2,)
    if arm_loss_db is not None:
        parts["arm_loss_db"] = as_real_tensor("arm_loss_db", arm_loss_db)
        tails["arm_loss_db"] = (3, 2)
        not_negative("arm_loss_db", parts["arm_loss_db"])
    broadcast_shape(parts, tails)
    return _stack_block(mzi_entries(**parts))


def mzi_entries(
    theta: Tensor,
    phi: Tensor,
    coupler_error: Tensor | None = None,
    arm_loss_db: Tensor | None = None,
) -> BlockEntries:
    """Entries of ``mzi_block``, as four tensors.

    Args:
        theta: (...) [rad] internal phase.
        phi: (...) [rad] external phase.
        coupler_error: (..., 2) [rad] deviations (a, b) of the two couplers from pi/4.
        arm_loss_db: (..., 3, 2) [dB] loss by section and arm.

    Returns:
        M00, M01, M10, M11, each (...) complex, broadcast over the arguments.
    """
    sin, cos = (theta / 2).sin(), (theta / 2).cos()
    # The float nearest to pi means bar. Its rounding leaves a leak of 6e-17, alike in every bar,
    # that would add up coherently along a mesh; it is removed, its gradient is not.
    cos = cos - torch.where(theta == math.pi, cos, 0.0).detach()
    external = complex_of(phi.cos(), phi.sin())
    if arm_loss_db is not None:
        return _lossy_entries(sin, cos, external, coupler_error, arm_loss_db)
    if coupler_error is None:
        common = complex_of(-sin, cos)  # i exp(i theta/2)
        upper = common * external
        return upper * sin, common * cos, upper * cos, common * -sin
    first, second = coupler_error.unbind(-1)
    difference, total = first - second, first + second
    bar, leak = sin * difference.cos(), cos * total.sin()
    cross, skew = cos * total.cos(), sin * difference.sin()
    internal = complex_of(cos, sin)
    upper = internal * external
    return (
        upper * complex_of(-leak, bar),
        internal * complex_of(-skew, cross),
        upper * complex_of(skew, cross),
        internal * complex_of(-leak, -bar),
    )


def _lossy_entries(
    sin: Tensor,
    cos: Tensor,
    external: Tensor,
    coupler_error: Tensor | None,
    arm_loss_db: Tensor,
) -> BlockEntries:
    """Entries of a block with a loss in each of its six pieces of waveguide.

    With p, q = (g1_upper +- g1_lower) / 2 the block without its outer pieces is p M(theta) -
    q M(theta + pi): unequal arms between the couplers mix in the block of the other state.
    """
    before, between, behind = db_to_amplitude(arm_loss_db).unbind(-2)
    mean, excess = between.sum(-1) / 2, (between[..., 0] - between[..., 1]) / 2
    if coupler_error is None:
        coupler_error = torch.zeros_like(between)
    first, second = coupler_error.unbind(-1)
    difference, total = first - second, first + second
    bar, leak = sin * difference.cos(), cos * total.sin()
    cross, skew = cos * total.cos(), sin * difference.sin()
    other_bar, other_leak = cos * difference.cos(), -sin * total.sin()
    other_cross, other_skew = -sin * total.cos(), cos * difference.sin()
    common = complex_of(-sin, cos)  # i exp(i theta/2)
    m00 = complex_of(mean * bar + excess * other_leak, mean * leak - excess * other_bar)
    m01 = complex_of(mean * cross + excess * other_skew, mean * skew - excess * other_cross)
    m10 = complex_of(mean * cross - excess * other_skew, -mean * skew - excess * other_cross)
    m11 = complex_of(excess * other_leak - mean * bar, mean * leak + excess * other_bar)
    upper, lower = common * before[..., 0] * external, common * before[..., 1]
    return (
        behind[..., 0] * upper * m00,
        behind[..., 0] * lower * m01,
        behind[..., 1] * upper * m10,
        behind[..., 1] * lower * m11,
    )


def _stack_block(entries: BlockEntries) -> Tensor:
    m00, m01, m10, m11 = torch.broadcast_tensors(*entries)
    return torch.stack((m00, m01, m10, m11), dim=-1).unflatten(-1, (2, 2))
