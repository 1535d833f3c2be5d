"""Choice of the branch: which of the drives that give a phase modulo 2 pi is used."""

from __future__ import annotations

from collections.abc import Callable
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
    """Phases that heaters are asked for."""

    heat_rad: Floats
    """(K,) [rad] phases above the bias, within reach."""
    miss_rad: Floats
    """(K,) [rad] distance from what was meant; 0 where it is reached."""


def choose_heat(
    phase: Floats,
    reach: tuple[Floats, Floats],
    name_of: Callable[[int], str],
    *,
    present: Floats | None = None,
    is_clipped: bool = False,
) -> HeaterSettings:
    """Heater phases that equal given phases modulo 2 pi.

    Args:
        phase: (K,) [rad] any real values, bias subtracted.
        reach: (K,) [rad] smallest and largest phase that allowed drives give.
        name_of: position of a shifter to its name, for messages.
        present: (K,) [rad] present heater phases: the nearest branch is taken, so that the thermal
            steps are small; None takes the branch of lowest power.
        is_clipped: take the nearest reachable phase where there is none.

    Returns:
        Heater phases, and what they miss.

    Raises:
        DriveLawError: naming the first shifter whose phase no allowed drive reaches.
    """
    low, high = reach
    # Above the smallest phase; the remainder of a tiny negative number would be a whole turn.
    over = np.mod(phase - low, _TURN)
    heat = low + np.where(over >= _TURN, 0.0, over)
    if present is not None:
        with np.errstate(invalid="ignore"):
            most = np.maximum(np.floor((high - heat + _ROUNDING_RAD) / _TURN), 0.0)
        heat = heat + _TURN * np.clip(np.rint((present - heat) / _TURN), 0.0, most)
    return fit_reach(heat, reach, name_of, is_clipped=is_clipped, is_cyclic=True)


def fit_reach(
    heat: Floats,
    reach: tuple[Floats, Floats],
    name_of: Callable[[int], str],
    *,
    is_clipped: bool,
    is_cyclic: bool,
) -> HeaterSettings:
    """Heater phases within reach.

    Args:
        heat: (K,) [rad] heater phases that are asked for.
        reach: (K,) [rad] smallest and largest phase that allowed drives give.
        name_of: position of a shifter to its name, for messages.
        is_clipped: take the nearest reachable phase.
        is_cyclic: nearest modulo 2 pi; False for commands that were solved for crosstalk.

    Raises:
        DriveLawError: naming the first shifter out of reach, unless it is clipped.
    """
    low, high = reach
    above, below = heat - high, low - heat
    is_out = (above > _ROUNDING_RAD) | (below > _ROUNDING_RAD)
    if is_out.any() and not is_clipped:
        first = int(is_out.argmax())
        rest = int(is_out.sum()) - 1
        raise DriveLawError(
            f"{name_of(first)}: no allowed drive gives {heat[first]:.6g} rad; its heater reaches "
            f"{low[first]:.6g} to {high[first]:.6g} rad"
            + (f" ({rest} more shifters are out of reach)" if rest else "")
        )
    nearest = np.clip(heat, low, high)
    if is_cyclic:
        is_lower = is_out & (above > 0) & (low + _TURN - heat < above)
        nearest = np.where(is_lower, low, nearest)
    return HeaterSettings(nearest, np.where(is_out, _distance(nearest, heat, is_cyclic), 0.0))


def _distance(a: Floats, b: Floats, is_cyclic: bool) -> Floats:
    apart = np.abs(a - b)
    return np.abs(np.mod(apart + np.pi, _TURN) - np.pi) if is_cyclic else apart


def turn_distance(a: Floats, b: Floats) -> NDArray[np.float64]:
    """(...) [rad] distance of phases modulo 2 pi, from 0 to pi."""
    return np.abs(np.mod(a - b + np.pi, _TURN) - np.pi)
