"""Thermal crosstalk between the shifters of a mesh, by the law of the chip, and its compensation.

All laws are linear, phi~ = Omega phi. Shifters are numbered theta of each MZI, phi of each MZI,
then the output screen. The matrices themselves are in ``crosstalk_lattice``, ``crosstalk_distance``
and ``crosstalk_given``.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import SuperLU, splu

from photonic.hardware import HardwareConfig
from photonic.impairments.crosstalk_distance import distance_matrix
from photonic.impairments.crosstalk_given import given_matrix
from photonic.impairments.crosstalk_lattice import lattice_matrix
from photonic.layout import MeshLayout

_TURN = 2 * np.pi
_MAX_LIFTS = 16
"""Rounds of 2 pi lifts; 1 to 4 occur for c <= 0.05 and N <= 32."""
_LAWS: dict[str, tuple[Callable[..., sparse.csr_array], tuple[str, ...]]] = {
    "lattice": (lattice_matrix, ("crosstalk",)),
    "distance": (distance_matrix, ("column_pitch_um", "mode_pitch_um", "heater_coupling")),
    "matrix": (given_matrix, ("crosstalk_rows",)),
}
"""Law to its matrix and to the fields that it takes."""


def crosstalk_matrix(layout: MeshLayout, hardware: HardwareConfig) -> sparse.csr_array | None:
    """Omega in phi~ = Omega phi, by the crosstalk law of the hardware.

    Args:
        layout: wiring of the mesh.
        hardware: names the law and gives its figures.

    Returns:
        (S, S) sparse, S = 2 num_mzis + num_modes, shared and not to be changed; None without
        crosstalk.

    Raises:
        ValueError: if a given matrix is not of the size of the mesh.

    Source: Gu et al., L2ight, NeurIPS 2021 (Omega); each law names its own.
    """
    if not hardware.has_crosstalk:
        return None
    return _matrix(layout, hardware.crosstalk_law, _figures(hardware))


def apply_crosstalk(
    phase: NDArray[np.float64], layout: MeshLayout, hardware: HardwareConfig
) -> NDArray[np.float64]:
    """Phases Omega phi after thermal crosstalk.

    Args:
        phase: (..., S) [rad] phases that the heaters were driven to.
        layout: wiring of the mesh.
        hardware: names the law; without crosstalk ``phase`` itself is returned.

    Returns:
        (..., S) [rad] phases that the light sees.

    Raises:
        ValueError: if a given matrix is not of the size of the mesh.

    Source: Gu et al., L2ight, NeurIPS 2021 (Omega in their equation for the noisy phases).
    """
    matrix = crosstalk_matrix(layout, hardware)
    if matrix is None:
        return phase
    flat = phase.reshape(-1, phase.shape[-1])
    return (matrix @ flat.T).T.reshape(phase.shape)


def precompensate_crosstalk(
    phase: NDArray[np.float64],
    layout: MeshLayout,
    hardware: HardwareConfig,
    *,
    gamma: NDArray[np.float64] | None = None,
    bias: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Commands phi_cmd = Omega^-1 (phi - bias + 2 pi m)/gamma >= 0 that the chip turns into phi.

    Exact for the chain Omega (gamma phi_cmd) + bias, modulo 2 pi. ``phase - bias`` is wrapped; then
    the integers m start at 0 and 1 is added wherever the solution is negative, until none is. The
    commands may exceed 2 pi and must not be wrapped.

    Args:
        phase: (..., S) [rad] target phases in [0, 2 pi).
        layout: wiring of the mesh.
        hardware: names the crosstalk law; without crosstalk Omega = 1.
        gamma: (..., S) known factors of the drive coefficients, positive; None = 1.
        bias: (..., S) [rad] known biases; None = 0.

    Returns:
        (..., S) [rad] commands; ``phase`` itself if there is nothing to compensate.

    Raises:
        ValueError: if no lift makes every command positive (crosstalk too large for the mesh), the
            crosstalk cannot be inverted, or a factor is not positive.

    Source: Teofilovic et al., J. Lightwave Technol. 42, 7816 (2024); the turns m are derived.
    """
    if gamma is not None and gamma.size and not gamma.min() > 0:
        raise ValueError(f"`gamma` must be positive, got {gamma.min():.4g}")
    driven = phase if bias is None else np.mod(phase - bias, _TURN)
    if hardware.has_crosstalk:
        driven = _solve_positive(driven, layout, hardware)
    return driven if gamma is None else driven / gamma


def solve_crosstalk_transposed(
    gradient: NDArray[np.float64], layout: MeshLayout, hardware: HardwareConfig
) -> NDArray[np.float64]:
    """Omega^-T g: derivative with respect to targets of a function of compensated commands.

    Args:
        gradient: (..., S) derivative with respect to the commands.
        layout: wiring of the mesh.
        hardware: names the crosstalk law, which must be present.

    Returns:
        (..., S) derivative with respect to the targets.
    """
    factors = _factors(layout, hardware.crosstalk_law, _figures(hardware))
    flat = np.ascontiguousarray(gradient.reshape(-1, gradient.shape[-1]).T)
    return np.ascontiguousarray(factors.solve(flat, trans="T").T).reshape(gradient.shape)


def _solve_positive(
    phase: NDArray[np.float64], layout: MeshLayout, hardware: HardwareConfig
) -> NDArray[np.float64]:
    """(..., S) [rad] Omega^-1 (phi + 2 pi m) >= 0."""
    factors = _factors(layout, hardware.crosstalk_law, _figures(hardware))
    target = phase.reshape(-1, phase.shape[-1]).copy()
    command = np.empty_like(target)
    affected = np.arange(len(target))
    for _ in range(_MAX_LIFTS):
        for row in affected:  # one by one: the rounding of a block solve depends on its size
            command[row] = factors.solve(target[row])
        is_negative = command < 0
        affected = np.flatnonzero(is_negative.any(axis=-1))
        if not affected.size:
            return command.reshape(phase.shape)
        target[is_negative] += _TURN
    raise ValueError(
        f"the crosstalk of {hardware.name!r} leaves no positive commands for this mesh"
    )


def _figures(hardware: HardwareConfig) -> tuple[Any, ...]:
    """Values of the fields that the law takes."""
    return tuple(getattr(hardware, field) for field in _LAWS[hardware.crosstalk_law][1])


@lru_cache(maxsize=64)  # the same few layouts recur for every layer of every chip
def _matrix(layout: MeshLayout, law: str, figures: tuple[Any, ...]) -> sparse.csr_array:
    return _LAWS[law][0](layout, *figures)


@lru_cache(maxsize=64)
def _factors(layout: MeshLayout, law: str, figures: tuple[Any, ...]) -> SuperLU:
    """LU factors of the crosstalk matrix."""
    try:
        return splu(_matrix(layout, law, figures).tocsc())
    except RuntimeError as error:
        raise ValueError("the crosstalk matrix cannot be inverted") from error
