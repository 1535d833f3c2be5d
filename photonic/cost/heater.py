"""Electrical power that holds phases."""

import math
from collections.abc import Mapping

from torch import Tensor


def heater_power_mw(phases: Mapping[str, Tensor], p_pi_mw: float) -> Tensor:
    """Power of the heaters of each tile, sum p_pi_mw phase/pi over its shifters.

    Args:
        phases: mesh name to (..., S) [rad] phases that the drive is asked for: those of
            ``Commands``, above 2 pi where crosstalk is pre-compensated.
        p_pi_mw: [mW] power for a phase of pi.

    Returns:
        (...) float64 [mW], one per tile.

    Source: derived; a phase is proportional to the power of its heater.
    """
    return p_pi_mw / math.pi * sum(phase.detach().sum(dim=-1) for phase in phases.values())
