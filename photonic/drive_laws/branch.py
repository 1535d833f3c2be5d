"""Which of the drives that give a phase modulo 2 pi is used, and what no drive gives.

Export, mapping and realisation share ``fit_reach`` and ``shortfall``: they clip the same shifters
to the same phases, or refuse them in the same words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from photonic.drive_laws.families import Floats
from photonic.drive_laws.records import DriveLawError

Branch = Literal["lowest_power", "nearest"]
_TURN = 2 * np.pi
_ROUNDING_RAD = 1e-12
"""A phase may pass the reach by rounding; it is then the reach."""


@dataclass(frozen=True, eq=False)
class HeaterSettings:
    """Phases that heaters are driven for."""

    heat_rad: Floats
    """(K,) [rad] phases above the bias, within reach."""
    miss_rad: Floats
    """(K,) [rad] distance from what was meant; 0 where it is reached."""
    asked_rad: Floats
    """(K,) [rad] what was meant, above the bias."""
    low_rad: Floats
    """(K,) [rad] smallest phase that the drive gives."""
    high_rad: Floats
    """(K,) [rad] largest phase that the drive gives."""


@dataclass(frozen=True)
class Shortfall:
    """Phases that no allowed drive gives, of one or several layers."""

    num_missed: int
    """Shifters whose phase no allowed drive gives."""
    num_shifters: int
    """All shifters that were looked at."""
    largest_rad: float
    """Largest distance of a phase from the nearest one that its heater reaches [rad]."""
    first: str
    """The first such shifter, what it needs and what its heater reaches."""

    def __str__(self) -> str:
        return (
            f"{self.num_missed:,} of {self.num_shifters:,} shifters are out of reach of their "
            f"drive, by up to {self.largest_rad:.3g} rad"
        )

    def refuse(self) -> None:
        """Raise for these shifters.

        Raises:
            DriveLawError: always, naming the first of them, their number and the largest distance.
        """
        raise DriveLawError(
            f"{self.first} ({self}); `is_drive_clipped: true` of the chip, or --clip of map and "
            "export, takes the nearest phases"
        )


def choose_heat(
    phase: Floats, reach: tuple[Floats, Floats], *, present: Floats | None = None
) -> HeaterSettings:
    """Heater phases that equal given phases modulo 2 pi, or are the nearest within reach.

    Args:
        phase: (K,) [rad] any real values, bias subtracted.
        reach: (K,) [rad] smallest and largest phase that allowed drives give.
        present: (K,) [rad] present heater phases: the nearest branch is taken, so that the thermal
            steps are small; None takes the branch of lowest power.
    """
    low, high = reach
    # Above the smallest phase; the remainder of a tiny negative number would be a whole turn.
    over = np.mod(phase - low, _TURN)
    heat = low + np.where(over >= _TURN, 0.0, over)
    if present is not None:
        with np.errstate(invalid="ignore"):
            most = np.maximum(np.floor((high - heat + _ROUNDING_RAD) / _TURN), 0.0)
        heat = heat + _TURN * np.clip(np.rint((present - heat) / _TURN), 0.0, most)
    return fit_reach(heat, reach, is_cyclic=True)


def fit_reach(heat: Floats, reach: tuple[Floats, Floats], *, is_cyclic: bool) -> HeaterSettings:
    """The nearest heater phases within reach.

    Args:
        heat: (K,) [rad] heater phases that are asked for.
        reach: (K,) [rad] smallest and largest phase that allowed drives give.
        is_cyclic: nearest modulo 2 pi; False for commands that were solved for crosstalk.
    """
    low, high = np.broadcast_arrays(*reach, heat)[:2]
    above, below = heat - high, low - heat
    is_out = (above > _ROUNDING_RAD) | (below > _ROUNDING_RAD)
    nearest = np.clip(heat, low, high)
    if is_cyclic:
        is_lower = is_out & (above > 0) & (low + _TURN - heat < above)
        nearest = np.where(is_lower, low, nearest)
    miss = np.where(is_out, _distance(nearest, heat, is_cyclic), 0.0)
    return HeaterSettings(nearest, miss, heat, low, high)


def shortfall(
    parts: Iterable[tuple[HeaterSettings, Callable[[int], str]]],
) -> Shortfall | None:
    """What heater settings miss; None if they miss nothing.

    Args:
        parts: settings, and the name of a shifter by its place among them.
    """
    num_missed, num_shifters, largest, first = 0, 0, 0.0, ""
    for settings, name_of in parts:
        num_shifters += settings.miss_rad.size
        missed = np.flatnonzero(settings.miss_rad)
        if len(missed) and not num_missed:
            asked, low, high = (
                values.flat[missed[0]]
                for values in (settings.asked_rad, settings.low_rad, settings.high_rad)
            )
            first = (
                f"{name_of(int(missed[0]))}: no allowed drive gives {asked:.6g} rad; its heater "
                f"reaches {low:.6g} to {high:.6g} rad"
            )
        num_missed += len(missed)
        largest = max(largest, float(settings.miss_rad.max(initial=0.0)))
    return Shortfall(num_missed, num_shifters, largest, first) if num_missed else None


def _distance(a: Floats, b: Floats, is_cyclic: bool) -> Floats:
    apart = np.abs(a - b)
    return np.abs(np.mod(apart + np.pi, _TURN) - np.pi) if is_cyclic else apart


def turn_distance(a: Floats, b: Floats) -> NDArray[np.float64]:
    """(...) [rad] distance of phases modulo 2 pi, from 0 to pi."""
    return np.abs(np.mod(a - b + np.pi, _TURN) - np.pi)
