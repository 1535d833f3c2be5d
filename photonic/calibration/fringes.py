"""Fringes: what a power says about one phase while its shifter is scanned.

A reading that depends on one phase g t + b, t the commanded value, is m + A cos(g t + b). The fits
are batched over tiles and shifters.
"""

from typing import NamedTuple

import torch
from torch import Tensor

# Shapes: ... tiles and shifters, O readings, T commands.

_GRID = 41
"""Slopes that are tried, so that a fit starts within the reach of its iteration."""
_ITERATIONS = 8
"""Gauss-Newton steps; the error is squared in each."""


class Fringe(NamedTuple):
    """Parameters of A cos(g t + b) + mean."""

    slope: Tensor
    """(...) phase per commanded phase, g > 0."""
    offset: Tensor
    """(...) [rad] phase b at command 0, in (-pi, pi]."""
    amplitude: Tensor
    """(...) A >= 0."""


def fit_fringe(command: Tensor, signal: Tensor, slope: Tensor, spread: float) -> Fringe:
    """Fringe that fits readings best.

    Least squares of mean + A cos(g t + b): the best slope of a grid, then Gauss-Newton on all four
    parameters.

    Args:
        command: (T,) [rad] commanded phases, at least 5, over about a turn or more.
        signal: (..., T) readings.
        slope: expected slope, broadcast to (...).
        spread: relative deviation of the slope that is searched, on both sides.

    Returns:
        Slopes within the spread; where nothing is modulated, parameters of the noise.

    Raises:
        ValueError: if there are fewer than 5 commands.
    """
    if len(command) < 5:
        raise ValueError(f"a fringe needs at least 5 commands, got {len(command)}")
    factors = torch.linspace(1 - spread, 1 + spread, _GRID, dtype=torch.float64)
    trials = slope[..., None] * factors
    sines = _linear_fit(command, signal[..., None, :], trials)
    best = sines.explained.argmax(-1, keepdim=True)
    parts = (sines.mean, sines.cos, sines.sin, trials.expand_as(sines.mean))
    parameters = torch.cat([part.gather(-1, best) for part in parts], dim=-1)
    for _ in range(_ITERATIONS):
        parameters = parameters + _gauss_newton_step(command, signal, parameters)
        low, high = slope * (1 - spread), slope * (1 + spread)
        parameters[..., 3] = parameters[..., 3].clamp(low, high)
    _, cos, sin, fitted = parameters.unbind(-1)
    return Fringe(fitted, torch.atan2(-sin, cos), torch.hypot(cos, sin))


def common_weights(command: Tensor, signals: Tensor, slope: Tensor) -> Tensor:
    """Weights that join readings of one phase into the reading of the largest contrast.

    Readings a_o cos(g t + b) + m_o with signed a_o are joined with weights a_o/|a|: noise that is
    alike in all of them is then least against the fringe.

    Args:
        command: (T,) [rad] commanded phases.
        signals: (..., O, T) readings of one phase each.
        slope: expected slope, broadcast to (...); a few per cent of error do not matter.

    Returns:
        (..., O) of norm 1; their common sign is arbitrary.
    """
    sines = _linear_fit(command, signals, slope[..., None])
    # The phase b is common up to pi: the sum over its doubled angle finds it.
    doubled = torch.complex(sines.cos, -sines.sin).square().sum(-1, keepdim=True)
    half = doubled.angle() / 2
    signed = sines.cos * half.cos() - sines.sin * half.sin()
    return signed / signed.norm(dim=-1, keepdim=True).clamp(min=torch.finfo(signed.dtype).tiny)


class _Sines(NamedTuple):
    """Linear fit mean + cos cos(g t) + sin sin(g t) at given slopes."""

    mean: Tensor
    cos: Tensor
    sin: Tensor
    explained: Tensor
    """Sum of squares of the fit."""


def _linear_fit(command: Tensor, signal: Tensor, slope: Tensor) -> _Sines:
    angle = slope[..., None] * command
    basis = torch.stack((torch.ones_like(angle), angle.cos(), angle.sin()), dim=-1)
    moments = (basis.mT @ signal[..., None]).squeeze(-1)
    fit = torch.linalg.solve(basis.mT @ basis, moments[..., None]).squeeze(-1)
    return _Sines(*fit.unbind(-1), (fit * moments).sum(-1))


def _gauss_newton_step(command: Tensor, signal: Tensor, parameters: Tensor) -> Tensor:
    """(..., 4) change of mean, cos, sin and slope."""
    mean, cos, sin, slope = parameters[..., None, :].unbind(-1)
    angle = slope * command
    c, s = angle.cos(), angle.sin()
    residue = signal - (mean + cos * c + sin * s)
    jacobian = torch.stack((torch.ones_like(c), c, s, command * (sin * c - cos * s)), dim=-1)
    normal = jacobian.mT @ jacobian
    # Without a fringe the slope has no meaning: keep the equations solvable.
    floor = torch.finfo(normal.dtype).eps * normal.diagonal(dim1=-2, dim2=-1).amax(-1)
    normal = normal + floor[..., None, None] * torch.eye(4, dtype=normal.dtype)
    gradient = (jacobian * residue[..., None]).sum(-2)
    return torch.linalg.solve(normal, gradient[..., None]).squeeze(-1)
