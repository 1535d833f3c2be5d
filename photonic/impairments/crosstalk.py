"""Thermal crosstalk between neighbouring shifters of a mesh, and its pre-compensation.

Shifters are numbered theta of each MZI, phi of each MZI, then the output screen, as in
``photonic.realisation``. They sit on a lattice (y, X): y is the (upper) mode, X = 2 column for phi,
2 column + 1 for theta and 2 num_columns for the screen.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import SuperLU, splu

from photonic.layout import MeshLayout

_TURN = 2 * np.pi
_MAX_LIFTS = 16
"""Rounds of 2 pi lifts; 1 to 4 occur for c <= 0.05 and N <= 32."""


@lru_cache(maxsize=64)  # the same few layouts recur for every layer of every chip
def crosstalk_matrix(layout: MeshLayout, coefficient: float) -> sparse.csr_array:
    """Omega = 1 + c A in phi~ = Omega phi; A joins the lattice sites (y, X+-1) and (y+-2, X).

    Args:
        layout: wiring of the mesh.
        coefficient: nearest-neighbour coefficient c; 0 gives the identity.

    Returns:
        (S, S) sparse symmetric, S = 2 num_mzis + num_modes; shared, not to be changed.

    Source: lattice of reference 2.4, after Gu et al., L2ight, NeurIPS 2021 (Omega).
    """
    modes = np.arange(layout.num_modes)
    y = np.concatenate([layout.mode, layout.mode, modes])
    x = np.concatenate(
        [2 * layout.column + 1, 2 * layout.column, np.full_like(modes, 2 * layout.num_columns)]
    )
    site = np.full((layout.num_modes + 2, 2 * layout.num_columns + 2), -1)
    site[y, x] = np.arange(len(y))
    rows, columns = [], []
    for dy, dx in ((0, 1), (2, 0)):
        neighbour = site[y + dy, x + dx]
        is_there = neighbour >= 0
        rows.append(np.flatnonzero(is_there))
        columns.append(neighbour[is_there])
    i, j = np.concatenate(rows), np.concatenate(columns)
    half = sparse.coo_array((np.full(len(i), float(coefficient)), (i, j)), shape=(len(y), len(y)))
    return (sparse.eye_array(len(y)) + half + half.T).tocsr()


@lru_cache(maxsize=64)
def _factors(layout: MeshLayout, coefficient: float) -> SuperLU:
    """LU factors of the crosstalk matrix."""
    return splu(crosstalk_matrix(layout, coefficient).tocsc())


def apply_crosstalk(
    phase: NDArray[np.float64], layout: MeshLayout, coefficient: float
) -> NDArray[np.float64]:
    """Phases Omega phi after thermal crosstalk.

    Args:
        phase: (..., S) [rad] phases that the heaters were driven to.
        layout: wiring of the mesh.
        coefficient: nearest-neighbour coefficient c; 0 returns ``phase`` itself.

    Returns:
        (..., S) [rad] phases that the light sees.

    Source: Gu et al., L2ight, NeurIPS 2021 (Omega in their equation for the noisy phases).
    """
    if not coefficient:
        return phase
    flat = phase.reshape(-1, phase.shape[-1])
    return (crosstalk_matrix(layout, coefficient) @ flat.T).T.reshape(phase.shape)


def precompensate_crosstalk(
    phase: NDArray[np.float64], layout: MeshLayout, coefficient: float
) -> NDArray[np.float64]:
    """Commands phi_cmd = Omega^-1 (phi + 2 pi m) >= 0 that crosstalk turns into phi modulo 2 pi.

    The integers m start at 0; 1 is added wherever the solution is negative, until none is. The
    commands may exceed 2 pi and must not be wrapped.

    Args:
        phase: (..., S) [rad] target phases in [0, 2 pi).
        layout: wiring of the mesh.
        coefficient: nearest-neighbour coefficient c; 0 returns ``phase`` itself.

    Returns:
        (..., S) [rad] commands; ``apply_crosstalk`` of them equals ``phase`` modulo 2 pi.

    Raises:
        ValueError: if no lift makes every command positive (c too large for the mesh).

    Source: reference 5.1; Teofilovic et al., J. Lightwave Technol. 42, 7816 (2024).
    """
    if not coefficient:
        return phase
    target = phase.reshape(-1, phase.shape[-1]).T.copy()
    factors = _factors(layout, coefficient)
    command = factors.solve(target)
    for _ in range(_MAX_LIFTS):
        is_negative = command < 0
        if not is_negative.any():
            return command.T.reshape(phase.shape).copy()
        target[is_negative] += _TURN
        affected = is_negative.any(axis=0)
        command[:, affected] = factors.solve(target[:, affected])
    raise ValueError(f"crosstalk {coefficient:g} leaves no positive commands for this mesh")
