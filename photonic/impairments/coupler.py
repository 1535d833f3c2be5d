"""Errors of the two coupler angles of each MZI."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from photonic.streams import Draws

_DESIGN_UM = 1.55
"""Wavelength at which the dispersive coupler splits 50:50."""


def coupler_errors(
    sigma_rad: float, offset_rad: float, shape: tuple[int, ...], generator: Draws
) -> NDArray[np.float64] | None:
    """Deviations mu + sigma n of the coupler angles from pi/4, independent for both couplers.

    Args:
        sigma_rad: [rad] std of the independent part.
        offset_rad: [rad] part mu common to the chip.
        shape: shape of the MZIs.
        generator: source of randomness.

    Returns:
        (``shape``, 2) [rad] errors (a, b) of the first and second coupler, or None if both figures
        are 0.

    Source: Bandyopadhyay et al., Optica 8, 1247 (2021).
    """
    if not sigma_rad:
        return np.full((*shape, 2), offset_rad) if offset_rad else None
    return generator.normal(offset_rad, sigma_rad, (*shape, 2))


def dispersion_offset(slope_rad_per_nm: float, offset_nm: float) -> float:
    """Error [rad] common to all couplers of a chip at a wavelength beside the design wavelength.

    Args:
        slope_rad_per_nm: [rad/nm] change of the coupler angle with the wavelength.
        offset_nm: [nm] wavelength in use minus design wavelength.

    Returns:
        slope offset [rad], 0 if either is 0.

    Source: linear term of ``directional_coupler_dispersion``.
    """
    return slope_rad_per_nm * offset_nm


def directional_coupler_dispersion(wavelength_um: ArrayLike) -> NDArray[np.float64]:
    """Error of the angle of a directional coupler designed for 1.55 um at another wavelength.

    x = (pi/4)(L_c(1.55)/L_c(w) - 1) with the coupling length
    L_c(w) = (3.53 - 5.44 (w - 1.55)) exp(0.1/(0.15 + 0.185 (w - 1.55))).

    Args:
        wavelength_um: (...) [um] wavelength w in use.

    Returns:
        (...) [rad] error of the coupler angle, common to a chip; +1.86e-3 rad/nm around 1.55 um.

    Source: Zhu et al., Lightening-Transformer, HPCA 2024.
    """
    offset = np.asarray(wavelength_um, dtype=np.float64) - _DESIGN_UM
    design, used = (
        (3.53 - 5.44 * detuning) * np.exp(0.1 / (0.15 + 0.185 * detuning))
        for detuning in (np.zeros_like(offset), offset)
    )
    return np.pi / 4 * (design / used - 1)
