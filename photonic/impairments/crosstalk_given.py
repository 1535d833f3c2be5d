"""Thermal crosstalk by a measured matrix."""

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from photonic.layout import MeshLayout


def given_matrix(layout: MeshLayout, rows: Sequence[Sequence[float]]) -> sparse.csr_array:
    """Omega in phi~ = Omega phi, as given.

    Args:
        layout: wiring of the mesh.
        rows: square matrix Omega[victim, aggressor], shifters in the order theta of each MZI, phi
            of each MZI, output screen.

    Returns:
        (S, S) sparse, S = 2 num_mzis + num_modes.

    Raises:
        ValueError: if the matrix is not of the size of the mesh.

    Source: Fyrillas et al., arXiv:2310.15349 (2024) (the whole matrix, learnt from data).
    """
    matrix = np.array(rows, dtype=np.float64)
    size = 2 * layout.num_mzis + layout.num_modes
    if matrix.shape != (size, size):
        got = " x ".join(map(str, matrix.shape))
        raise ValueError(
            f"`crosstalk_rows` must be {size} x {size} for {layout.kind} meshes of "
            f"{layout.num_modes} modes, got {got}"
        )
    return sparse.csr_array(matrix)
