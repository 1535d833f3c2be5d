"""Rounding of commanded phases to the codes of the converter."""

import numpy as np
from numpy.typing import NDArray

from photonic.drive import code_to_phase, phase_to_code
from photonic.hardware import HardwareConfig


def quantise_phase(phase: NDArray[np.float64], hardware: HardwareConfig) -> NDArray[np.float64]:
    """Phases that the converter can command, nearest to the given ones.

    Phase-uniform: phi~ = D round(phi/D), D = phi_max/(2^b - 1). Voltage-uniform: V is rounded to
    multiples of v_max/(2^b - 1) and phi~ = pi (V~/v_pi)^2.

    Args:
        phase: (...) [rad] commanded phase.
        hardware: gives the converter; without ``dac_bits`` the phase is returned as it is.

    Returns:
        (...) [rad] within half a step of the phase modulo 2 pi (the step of V for a voltage DAC).

    Raises:
        ValueError: if the drive cannot reach a phase.

    Source: Gu et al., L2ight, NeurIPS 2021 (Q in their equation for the noisy phases).
    """
    if hardware.dac_bits is None:
        return phase
    return code_to_phase(phase_to_code(phase, hardware), hardware)
