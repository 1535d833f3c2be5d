"""Phase settings that make a mesh perform a given unitary."""

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from photonic.conventions import wrap_phase
from photonic.kernels.nulling import null_clements, null_reck
from photonic.kernels.unitarity import measure_deviation
from photonic.layout import MeshLayout
from photonic.phases import MeshPhases
from photonic.threads import share

_NULLING = {"clements": null_clements, "reck": null_reck}
_GRAIN = 2**16
"""Cubed modes that are worth a thread."""

ComplexArray = NDArray[np.complex128]


def decompose(
    unitary: Tensor | ArrayLike, layout: MeshLayout, *, tolerance: float = 1e-10
) -> MeshPhases:
    """Settings for which the mesh performs ``unitary``, exact to rounding.

    unitary = diag(exp(i output_phase)) K_{C-1} ... K_1 K_0, with K_x the column x of
    ``mzi_block(theta, phi)``. A free interferometer is set to bar, theta = pi; a free phi,
    in a bar or a cross, is 0. So a diagonal matrix needs no phi, and its rebuild is exact.

    Args:
        unitary: (..., N, N) real or complex matrices; computed in complex128, threads over
            matrices.
        layout: wiring of N modes, Clements or Reck.
        tolerance: largest accepted entry of |U^H U - 1|.

    Returns:
        Settings of batch shape (...) on the CPU: theta in [0, pi], phi and output_phase in
        [0, 2 pi).

    Raises:
        ValueError: if the layout is not universal, the shape does not fit it, an entry is not
            finite, the matrix is not unitary or the tolerance is negative.

    Source: Clements et al., Optica 3, 1460 (2016); Reck et al., Phys. Rev. Lett. 73, 58 (1994).
    """
    if not layout.is_universal:
        raise ValueError(f"a {layout.kind} mesh has no direct decomposition; use `fit_unitary`")
    if not tolerance >= 0:
        raise ValueError(f"`tolerance` must not be negative, got {tolerance}")
    matrices = _as_complex(unitary)
    size = layout.num_modes
    if matrices.ndim < 2 or matrices.shape[-2:] != (size, size):
        raise ValueError(f"`unitary` must have shape (..., {size}, {size}), got {matrices.shape}")
    batch_shape = matrices.shape[:-2]
    matrices = np.ascontiguousarray(matrices.reshape(-1, size, size))
    _check_unitary(matrices, tolerance)
    angles = [
        np.empty((len(matrices), count)) for count in (layout.num_mzis, layout.num_mzis, size)
    ]
    null, index = _NULLING[layout.kind], _site_index(layout)
    share(
        lambda first, last: null(first, last, matrices, index, *angles),
        len(matrices),
        grain=_grain(matrices),
    )
    theta, phi, screen = (torch.from_numpy(a).reshape(*batch_shape, a.shape[-1]) for a in angles)
    return MeshPhases(theta=theta, phi=phi, output_phase=wrap_phase(screen))


def _as_complex(unitary: Tensor | ArrayLike) -> ComplexArray:
    if isinstance(unitary, Tensor):
        unitary = unitary.detach().cpu().resolve_conj().resolve_neg().numpy()
    return np.asarray(unitary, dtype=np.complex128)


def _check_unitary(matrices: ComplexArray, tolerance: float) -> None:
    num_bad = np.count_nonzero(~np.isfinite(matrices))
    if num_bad:
        raise ValueError(f"`unitary` must be finite, got {num_bad} entries that are not")
    deviations = np.zeros(len(matrices))
    share(
        lambda first, last: measure_deviation(first, last, matrices, deviations),
        len(matrices),
        grain=_grain(matrices),
    )
    deviation = deviations.max(initial=0.0)
    if not deviation <= tolerance:
        raise ValueError(
            f"`unitary` must be unitary: |U^H U - 1| reaches {deviation:.2e}, above {tolerance:.1e}"
        )


def _grain(matrices: ComplexArray) -> int:
    """Matrices that are worth a thread."""
    return _GRAIN // matrices.shape[-1] ** 3 + 1


@lru_cache(maxsize=64)  # the same few layouts recur
def _site_index(layout: MeshLayout) -> NDArray[np.intp]:
    """(columns, N) position in the arrays of the layout by column and upper mode."""
    index = np.full((layout.num_columns, layout.num_modes), -1)
    index[layout.column, layout.mode] = np.arange(layout.num_mzis)
    return index
