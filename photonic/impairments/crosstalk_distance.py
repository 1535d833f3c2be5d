"""Thermal crosstalk by a law of distance on the floor plan of the mesh."""

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from photonic.impairments.crosstalk_lattice import shifter_sites
from photonic.layout import MeshLayout

_NEAR = (1.0, -0.176013871, 9.89616761e-3, -8.29631681e-6, -1.55789201e-5, 3.55117528e-7)
"""Coefficients of d^0 to d^5 below ``_MEETING_UM``."""
_FAR_FACTOR, _FAR_PER_UM = 0.2167267, 0.12747211
_MEETING_UM = 23.0
_NEGLIGIBLE = 1e-12
"""Entries of Omega below this are dropped: 100 shifters of 10 rad then err by 1e-9 rad at most."""


def scatter_crosstalk(distance_um: ArrayLike) -> NDArray[np.float64]:
    """Phase of an arm at a distance from a heated arm, relative to the phase of the heated one.

    g(d) is a polynomial of degree 5 below 23 um and an exponential from there on; g(0) = 1. As
    published, the polynomial turns up at its end, from 0.0098 at 22 um to 0.0118 at 23 um.

    Args:
        distance_um: (...) [um] distance d >= 0 of the two arms.

    Returns:
        (...) g(d).

    Source: Yin et al., SCATTER, ICCAD (2024), fit to their device data.
    """
    distance = np.asarray(distance_um, dtype=np.float64)
    near = np.polynomial.polynomial.polyval(np.minimum(distance, _MEETING_UM), _NEAR)
    return np.where(distance < _MEETING_UM, near, _FAR_FACTOR * np.exp(-_FAR_PER_UM * distance))


def distance_matrix(
    layout: MeshLayout, column_pitch_um: float, mode_pitch_um: float, coupling: float
) -> sparse.csr_array:
    """Omega in phi~ = Omega phi for heaters on upper arms and phases >= 0.

    Omega_ij = coupling (g(|h_j - u_i|) - g(|h_j - l_i|)) for j != i, Omega_ii = 1: heater h_j warms
    both arms u_i and l_i of the victim, whose phase is their difference. The output screen has no
    second arm, so the term of l_i is absent there.

    Args:
        layout: wiring of the mesh.
        column_pitch_um: [um] distance of consecutive shifters along the light (phi to theta).
        mode_pitch_um: [um] distance of neighbouring modes, and so of the arms of an MZI.
        coupling: factor on g, 1 for the device of the source.

    Returns:
        (S, S) sparse, S = 2 num_mzis + num_modes; entries may be negative, those below 1e-12 are 0.

    Source: Yin et al., SCATTER, ICCAD (2024), its law for heaters that are never on lower arms.
    """
    y, x = shifter_sites(layout)
    partner = np.concatenate([layout.partner, layout.partner])
    pitch = np.array([column_pitch_um, mode_pitch_um])
    heater = np.stack([x, y], axis=-1) * pitch
    lower = np.stack([x[: len(partner)], partner], axis=-1) * pitch
    warming = _couplings(heater, heater, coupling) - _couplings(lower, heater, coupling)
    warming.setdiag(1.0)
    warming.data[np.abs(warming.data) < _NEGLIGIBLE] = 0.0
    warming.eliminate_zeros()
    return warming


def _couplings(
    victims: NDArray[np.float64], heaters: NDArray[np.float64], coupling: float
) -> sparse.csr_array:
    """(S, S) coupling g(d) of every victim and heater that are near enough; S heaters."""
    shape = (len(heaters), len(heaters))
    if not coupling or not len(victims):
        return sparse.csr_array(shape)
    reach = max(_MEETING_UM, np.log(_FAR_FACTOR * coupling / _NEGLIGIBLE) / _FAR_PER_UM)
    near, far = (scipy.spatial.KDTree(places) for places in (victims, heaters))
    pairs = near.sparse_distance_matrix(far, reach, output_type="ndarray")
    values = coupling * scatter_crosstalk(pairs["v"])
    return sparse.coo_array((values, (pairs["i"], pairs["j"])), shape=shape).tocsr()
