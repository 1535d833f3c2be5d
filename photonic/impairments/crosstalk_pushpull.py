"""Thermal crosstalk of MZIs whose heated arm is chosen by the sign of the phase."""

import numpy as np
from numpy.typing import NDArray

from photonic.impairments.crosstalk_distance import scatter_crosstalk


def pushpull_crosstalk(
    phase: NDArray[np.float64], position_um: NDArray[np.float64], arm_spacing_um: float
) -> NDArray[np.float64]:
    """Phases after crosstalk between heaters on both arms.

    phi~_i = phi_i + sum_{j != i} (g(|h_j - u_i|) - g(|h_j - l_i|)) |phi_j|. The upper arm u_i is at
    the position of MZI i and the lower arm l_i one spacing before it in X; the heated arm h_j is
    u_j for phi_j >= 0, else l_j. The map is linear only where no phase changes its sign.

    Args:
        phase: (..., S) [rad] phases from -pi/2 to pi/2.
        position_um: (S, 2) [um] positions (X, Y) of the upper arms.
        arm_spacing_um: [um] distance w of the arms of an MZI.

    Returns:
        (..., S) [rad] phases that the light sees.

    Raises:
        ValueError: if a phase exceeds pi/2 in size.

    Source: Yin et al., SCATTER, ICCAD (2024).
    """
    if phase.size and not np.abs(phase).max() <= np.pi / 2:
        raise ValueError(f"phases must be within +-pi/2, got {np.abs(phase).max():.4g}")
    upper, lower = position_um, position_um - np.array([arm_spacing_um, 0.0])
    from_upper, from_lower = (_difference(upper, lower, heater) for heater in (upper, lower))
    push, pull = np.maximum(phase, 0.0), np.maximum(-phase, 0.0)
    return phase + push @ from_upper.T + pull @ from_lower.T


def _difference(
    upper: NDArray[np.float64], lower: NDArray[np.float64], heater: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(S, S) g to the upper arm minus g to the lower arm, [victim, aggressor], 0 on itself."""
    warming, cooling = (
        scatter_crosstalk(np.linalg.norm(arm[:, None] - heater, axis=-1)) for arm in (upper, lower)
    )
    np.fill_diagonal(warming, 0.0)
    np.fill_diagonal(cooling, 0.0)
    return warming - cooling
