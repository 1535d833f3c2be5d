"""Slow drift of every shifter as a consistent path: a value does not depend on the other times.

A path on [0, HORIZON_S] starts at 0 (freshly calibrated). Its end is drawn from the exact law, then
midpoints of midpoints conditionally on their two ends (Levy's construction), each keyed by its
level and index. At 1 s the halving stops; within a second the path is a straight line.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from photonic.randomness import keyed_generator

_LEVELS = 24
HORIZON_S = 2**_LEVELS
"""Last time of a path [s], 194 days."""


class DriftLaw(Protocol):
    """A Gaussian Markov process with d(0) = 0, as far as its path construction needs it."""

    def std_at(self, time_s: float) -> float:
        """Standard deviation of d(time_s) [rad]."""
        ...

    def bridge(self, half_s: float) -> tuple[float, float]:
        """(weight, std): d in the middle of a 2 half_s interval is weight (a + b) + std n."""
        ...


@dataclass(frozen=True)
class RandomWalk:
    """d(t + dt) = d(t) + sqrt(D dt) n: variance D t."""

    rate_rad2_per_s: float
    """D [rad^2/s]."""

    def std_at(self, time_s: float) -> float:
        """Standard deviation sqrt(D t) [rad]."""
        return math.sqrt(self.rate_rad2_per_s * time_s)

    def bridge(self, half_s: float) -> tuple[float, float]:
        """Midpoint mean (a + b)/2 and variance D h/2."""
        return 0.5, math.sqrt(self.rate_rad2_per_s * half_s / 2)


@dataclass(frozen=True)
class OrnsteinUhlenbeck:
    """d(t + dt) = d(t) e^{-dt/tau} + s sqrt(1 - e^{-2 dt/tau}) n, started at 0."""

    sigma: float
    """Stationary standard deviation s [rad], or in the unit of what drifts."""
    time_constant_s: float
    """Correlation time tau [s]."""

    def std_at(self, time_s: float) -> float:
        """Standard deviation s sqrt(1 - e^{-2 t/tau})."""
        return self.sigma * math.sqrt(-math.expm1(-2 * time_s / self.time_constant_s))

    def bridge(self, half_s: float) -> tuple[float, float]:
        """Midpoint mean (a + b)/(2 cosh(h/tau)) and variance s^2 tanh(h/tau)."""
        x = half_s / self.time_constant_s
        decay = math.exp(-x)  # cosh overflows for intervals of many tau
        return decay / (1 + decay * decay), self.sigma * math.sqrt(math.tanh(x))


def drift_path(
    time_s: float, law: DriftLaw, shape: tuple[int, ...], seed: int, *key: str | int
) -> NDArray[np.float64]:
    """Drift d(time_s) of independent shifters, with d(0) = 0 exactly.

    Args:
        time_s: [s] time since the calibration, from 0 to ``HORIZON_S``.
        law: process; its variance is exact at whole seconds.
        shape: shape of the shifters.
        seed: seed of the run.
        key: names the path, for example chip index, mesh and process.

    Returns:
        ``shape`` [rad]; same arguments, same bits, whatever other times were asked for.

    Raises:
        ValueError: if the time is negative or beyond the horizon.

    Source: Levy's midpoint construction; conditional moments of the Ornstein-Uhlenbeck bridge.
    """
    if not 0 <= time_s <= HORIZON_S:
        raise ValueError(f"`time_s` must lie in [0, {HORIZON_S}], got {time_s}")

    def normal(level: int, index: int) -> NDArray[np.float64]:
        return keyed_generator(seed, *key, level, index).standard_normal(shape)

    start, span = 0.0, float(HORIZON_S)
    left, right = np.zeros(shape), law.std_at(span) * normal(0, 0)
    for level in range(1, _LEVELS + 1):
        if time_s in (start, start + span):
            break
        span /= 2
        weight, std = law.bridge(span)
        middle = weight * (left + right) + std * normal(level, int(start // span))
        if time_s < start + span:
            right = middle
        else:
            left, start = middle, start + span
    fraction = (time_s - start) / span
    return (1 - fraction) * left + fraction * right
