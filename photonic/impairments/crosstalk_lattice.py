"""Thermal crosstalk of nearest neighbours, and the lattice on which all shifters of a mesh sit."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from photonic.layout import MeshLayout


def shifter_sites(layout: MeshLayout) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Lattice site (y, X) of every shifter, in the flat order theta, phi, output screen.

    y is the (upper) mode; X = 2 column for phi, 2 column + 1 for theta, 2 num_columns for the
    screen.

    Args:
        layout: wiring of the mesh.

    Returns:
        (S,) modes y and (S,) positions X along the light, S = 2 num_mzis + num_modes.
    """
    modes = np.arange(layout.num_modes)
    screen = np.full_like(modes, 2 * layout.num_columns)
    y = np.concatenate([layout.mode, layout.mode, modes])
    return y, np.concatenate([2 * layout.column + 1, 2 * layout.column, screen])


def lattice_matrix(layout: MeshLayout, coefficient: float) -> sparse.csr_array:
    """Omega = 1 + c A in phi~ = Omega phi; A joins the lattice sites (y, X+-1) and (y+-2, X).

    Args:
        layout: wiring of the mesh.
        coefficient: nearest-neighbour coefficient c; 0 gives the identity.

    Returns:
        (S, S) sparse symmetric, S = 2 num_mzis + num_modes.

    Source: Gu et al., L2ight, NeurIPS 2021 (Omega, there of one phase per MZI); the lattice of two
    shifters per MZI is assumed.
    """
    y, x = shifter_sites(layout)
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
