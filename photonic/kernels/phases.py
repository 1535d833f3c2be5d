"""From the phases that converters give to the settings of meshes, one mesh after another."""

from typing import Any

import numpy as np

from photonic.kernels.compile import exact_device, exact_kernel


@exact_kernel
def settle(items: Any, driven: Any, errors: Any, heat: Any, settings: Any) -> None:
    """Settings of the meshes ``items[0] .. items[1] - 1``; see ``phase_chain``.

    Args:
        items: (first, last).
        driven: (T, S) phases that the converters give.
        errors: factors, phases of failed shifters (NaN where one works) and offsets, (T, S) each;
            (0, 0) what is absent.
        heat: row starts, columns and entries of the crosstalk matrix, all empty without crosstalk.
        settings: theta (T, M), phi (T, M) and output phases (T, N) to fill, S = 2 M + N.
    """
    gamma, stuck, offset = errors
    theta, phi, screen = settings
    size, m = driven.shape[1], theta.shape[1]
    row, warm = np.empty(size, np.float64), np.empty(size, np.float64)
    for mesh in range(items[0], items[1]):
        for i in range(size):
            row[i] = driven[mesh, i]
        if gamma.size:
            for i in range(size):
                row[i] *= gamma[mesh, i]
        if stuck.size:
            for i in range(size):
                if not np.isnan(stuck[mesh, i]):
                    row[i] = stuck[mesh, i]
        if heat[0].size:
            _warm(row, heat, warm)
        else:
            warm[:] = row
        if offset.size:
            for i in range(size):
                warm[i] += offset[mesh, i]
        for i in range(m):
            theta[mesh, i], phi[mesh, i] = warm[i], warm[m + i]
        for i in range(screen.shape[1]):
            screen[mesh, i] = warm[2 * m + i]


@exact_kernel
def warm_rows(items: Any, driven: Any, heat: Any, warmed: Any) -> None:
    """Omega times each of the rows ``items[0] .. items[1] - 1`` of (T, S) phases."""
    for mesh in range(items[0], items[1]):
        _warm(driven[mesh], heat, warmed[mesh])


@exact_device
def _warm(row: Any, heat: Any, warm: Any) -> None:
    starts, columns, entries = heat
    for i in range(len(row)):
        total = 0.0
        for k in range(starts[i], starts[i + 1]):
            total += entries[k] * row[columns[k]]
        warm[i] = total
