"""How far matrices are from being unitary."""

from typing import Any

import numpy as np

from photonic.kernels.compile import kernel


@kernel
def measure_deviation(first: int, last: int, matrices: Any, deviation: Any) -> None:
    """Largest entry of |U^H U - 1| of each matrix.

    Args:
        first: first matrix to handle.
        last: one beyond the last.
        matrices: (B, N, N) complex128; read only.
        deviation: (B,) to be filled.
    """
    n = matrices.shape[1]
    re, im = np.empty((n, n)), np.empty((n, n))
    real, imag = np.empty(n), np.empty(n)
    for item in range(first, last):
        for r in range(n):
            for j in range(n):
                re[r, j], im[r, j] = matrices[item, r, j].real, matrices[item, r, j].imag
        largest = 0.0
        for i in range(n):
            for j in range(i, n):
                real[j], imag[j] = 0.0, 0.0
            real[i] = -1.0
            for r in range(n):
                a, b, row_re, row_im = re[r, i], im[r, i], re[r], im[r]
                for j in range(i, n):
                    real[j] += a * row_re[j] + b * row_im[j]
                    imag[j] += a * row_im[j] - b * row_re[j]
            for j in range(i, n):
                largest = max(largest, real[j] ** 2 + imag[j] ** 2)
        deviation[item] = np.sqrt(largest)
