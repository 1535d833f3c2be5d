"""Families of calibration laws phi = p0 + f(x) of many shifters at once, and inverses of f.

x is the drive, a voltage [V] or a current [mA], x >= 0. f rises with x up to ``top``. p0, the phase
without drive, is kept by ``LawSet``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_MAX_STEPS = 200
"""Bound of the safeguarded Newton iteration; bisection alone needs about 60 steps."""
_MAX_DOUBLINGS = 1100
"""Doublings from the smallest to the largest number."""


class Family(Protocol):
    """f of G shifters."""

    def heat(self, drive: Floats) -> Floats:
        """(G,) [rad] f of (G,) drives."""

    def drive(self, heat: Floats) -> Floats:
        """(G,) drives on the rising branch; every ``heat`` lies in the range of f."""

    def bottom(self) -> Floats:
        """(G,) smallest drive that f is known for."""

    def top(self) -> Floats:
        """(G,) largest drive of the rising branch; inf if it does not end."""


@dataclass(frozen=True, eq=False)
class Quartic:
    """f = p1 V^2 + p2 V^4, or the same of a current.

    The inverse V^2 = 2 f/(p1 + sqrt(p1^2 + 4 p2 f)) is stable for p2 -> 0 and takes the rising
    branch for p2 < 0.

    Args:
        p1: (G,) [rad/V^2], positive.
        p2: (G,) [rad/V^4].

    Source: fits the heater data of Yin et al., SCATTER, ICCAD (2024); the inverse is derived.
    """

    p1: Floats
    """(G,) [rad/V^2]."""
    p2: Floats
    """(G,) [rad/V^4]."""

    def heat(self, drive: Floats) -> Floats:
        """(G,) [rad] p1 V^2 + p2 V^4."""
        square = drive**2
        return square * (self.p1 + self.p2 * square)

    def drive(self, heat: Floats) -> Floats:
        """(G,) [V] inverse on the rising branch."""
        # At the peak the root is of zero, or of its rounding error.
        root = np.sqrt(np.maximum(self.p1**2 + 4 * self.p2 * heat, 0.0))
        return np.sqrt(2 * heat / (self.p1 + root))

    def bottom(self) -> Floats:
        """Zeros."""
        return np.zeros_like(self.p1)

    def top(self) -> Floats:
        """(G,) [V] sqrt(-p1/(2 p2)) for p2 < 0."""
        is_bent = self.p2 < 0
        with np.errstate(over="ignore"):
            peak = np.sqrt(self.p1 / (-2 * np.where(is_bent, self.p2, -1.0)))
        return np.where(is_bent, peak, np.inf)


@dataclass(frozen=True, eq=False)
class Cubic:
    """f = c1 x + c2 x^2 + c3 x^3, rising from x = 0.

    Covers phi = p0 + p1 V + p2 V^2 + p3 V^3 and phi = p0 + p1 I^2 + p2 I^3. The inverse is Newton's
    method inside a bracket, with a bisection step whenever Newton leaves it.

    Args:
        c1: (G,) [rad per drive].
        c2: (G,) [rad per squared drive].
        c3: (G,) [rad per cubed drive].

    Source: Sanchez-Jacome, PhD thesis, UPV (2025) (law of the current).
    """

    c1: Floats
    """(G,) [rad per drive]."""
    c2: Floats
    """(G,) [rad per squared drive]."""
    c3: Floats
    """(G,) [rad per cubed drive]."""

    def heat(self, drive: Floats) -> Floats:
        """(G,) [rad] c1 x + c2 x^2 + c3 x^3."""
        return drive * (self.c1 + drive * (self.c2 + drive * self.c3))

    def drive(self, heat: Floats) -> Floats:
        """(G,) inverse on the rising branch."""
        low, high = np.zeros_like(heat), self._bracket(heat)
        x = 0.5 * (low + high)
        for _ in range(_MAX_STEPS):
            excess = self.heat(x) - heat
            is_above = excess > 0
            high, low = np.where(is_above, x, high), np.where(is_above, low, x)
            slope = self.c1 + x * (2 * self.c2 + 3 * self.c3 * x)
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                newton = x - excess / slope
            is_inside = (newton >= low) & (newton <= high)
            after = np.where(excess == 0, x, np.where(is_inside, newton, 0.5 * (low + high)))
            is_still = np.abs(after - x) <= np.spacing(x)
            x = after
            if is_still.all():
                break
        return np.where(heat <= 0, 0.0, x)

    def bottom(self) -> Floats:
        """Zeros."""
        return np.zeros_like(self.c1)

    def top(self) -> Floats:
        """(G,) first positive root of the slope c1 + 2 c2 x + 3 c3 x^2."""
        a, half_b, c = 3 * self.c3, self.c2, self.c1
        root = np.sqrt(np.maximum(half_b**2 - a * c, 0.0))
        q = -(half_b + np.copysign(root, half_b))
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            candidates = np.stack([q / a, c / q])
        is_root = np.isfinite(candidates) & (candidates > 0) & (half_b**2 - a * c > 0)
        return np.where(is_root, candidates, np.inf).min(axis=0)

    def _bracket(self, heat: Floats) -> Floats:
        """(G,) drives at or beyond the inverse, on the rising branch."""
        top = self.top()
        high = np.minimum(top, 1.0)
        for _ in range(_MAX_DOUBLINGS):
            with np.errstate(over="ignore"):
                is_short = (self.heat(high) < heat) & (high < top)
            if not is_short.any():
                break
            high = np.where(is_short, np.minimum(2 * high, top), high)
        return high


@dataclass(frozen=True, eq=False)
class LookupTable:
    """f through measured points, linear between them in the squared drive, that is in the heat.

    Args:
        points: (G, n) or (1, n) drives, strictly ascending.
        phases: (G, n) or (1, n) [rad], strictly ascending.
    """

    points: Floats
    """(G, n) or (1, n) drives."""
    phases: Floats
    """(G, n) or (1, n) [rad]."""

    def heat(self, drive: Floats) -> Floats:
        """(G,) [rad] interpolated phases."""
        return _interpolate(drive**2, self.points**2, self.phases)

    def drive(self, heat: Floats) -> Floats:
        """(G,) interpolated drives."""
        return np.sqrt(_interpolate(heat, self.phases, self.points**2))

    def bottom(self) -> Floats:
        """(G,) or (1,) first drives."""
        return self.points[:, 0]

    def top(self) -> Floats:
        """(G,) or (1,) last drives."""
        return self.points[:, -1]


def _interpolate(x: Floats, knots: Floats, values: Floats) -> Floats:
    """(G,) values between knots (G, n) or (1, n), linear; beyond the ends the end values."""
    size = knots.shape[1]
    if len(knots) == 1:
        segment = np.searchsorted(knots[0], x, side="right") - 1
    else:
        segment = (knots <= x[:, None]).sum(axis=1) - 1
    segment = np.clip(segment, 0, size - 2)

    def at(table: Floats, offset: int) -> Floats:
        rows = np.zeros_like(segment) if len(table) == 1 else np.arange(len(segment))
        return table[rows, segment + offset]

    low, high = at(knots, 0), at(knots, 1)
    share = np.clip((x - low) / (high - low), 0.0, 1.0)
    return (1 - share) * at(values, 0) + share * at(values, 1)
