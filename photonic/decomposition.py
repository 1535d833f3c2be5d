"""Phase settings that make a mesh perform a given unitary."""

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from photonic.checks import as_tensor, instance, real_number
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
    unitary: Tensor | ArrayLike,
    layout: MeshLayout,
    *,
    tolerance: float = 1e-10,
    project: bool = False,
) -> MeshPhases:
    """Settings for which the mesh performs ``unitary``, exact to rounding.

    unitary = diag(exp(i output_phase)) K_{C-1} ... K_1 K_0, with K_x the column x of
    ``mzi_block(theta, phi)``. A free interferometer is set to bar, theta = pi; a free phi,
    in a bar or a cross, is 0. So a diagonal matrix needs no phi, and its rebuild is exact.

    Args:
        unitary: (..., N, N) real or complex matrices; computed in complex128, threads over
            matrices.
        layout: wiring of N modes, Clements or Reck.
        tolerance: largest accepted entry of |U^H U - 1|; the phases of a matrix that is off by as
            much perform a matrix about as far from it.
        project: take the nearest unitary of each matrix instead, as for one printed with a few
            digits; the tolerance is not used.

    Returns:
        Settings of batch shape (...) on the CPU: theta in [0, pi], phi and output_phase in
        [0, 2 pi).

    Raises:
        TypeError: if an argument is not of its kind.
        ValueError: if the layout is not universal, the shape does not fit it, an entry is not
            finite, the matrix is not unitary (or, with ``project``, singular) or the tolerance is
            negative.

    Source: Clements et al., Optica 3, 1460 (2016); Reck et al., Phys. Rev. Lett. 73, 58 (1994).
    """
    instance("layout", layout, MeshLayout)
    if not layout.is_universal:
        raise ValueError(f"a {layout.kind} mesh has no direct decomposition; use `fit_unitary`")
    tolerance = real_number("tolerance", tolerance, 0.0)
    matrices, size = unitary_candidates(unitary, layout), layout.num_modes
    batch_shape = matrices.shape[:-2]
    matrices = np.ascontiguousarray(matrices.reshape(-1, size, size))
    if project:
        matrices = nearest_unitary(matrices)
    else:
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


def unitary_candidates(unitary: Tensor | ArrayLike, layout: MeshLayout) -> ComplexArray:
    """(..., N, N) complex128 matrices of an argument ``unitary``, finite and of the right size.

    Raises:
        TypeError: if it does not hold numbers.
        ValueError: if the shape does not fit the layout or an entry is not finite.
    """
    tensor, size = as_tensor("unitary", unitary).detach().cpu(), layout.num_modes
    matrices = tensor.to(torch.complex128).resolve_conj().resolve_neg().numpy()
    if matrices.ndim < 2 or matrices.shape[-2:] != (size, size):
        raise ValueError(f"`unitary` must have shape (..., {size}, {size}), got {matrices.shape}")
    num_bad = np.count_nonzero(~np.isfinite(matrices))
    if num_bad:
        raise ValueError(f"`unitary` must be finite, got {num_bad} entries that are not")
    return matrices


def nearest_unitary(matrices: ComplexArray) -> ComplexArray:
    """The unitary factor W V^H of each matrix W S V^H, nearest to it in the Frobenius norm.

    Args:
        matrices: (..., N, N) finite.

    Returns:
        (..., N, N), unitary within rounding; a unitary within rounding is itself.

    Raises:
        ValueError: if a matrix is singular, so that its nearest unitary is not unique.

    Source: Fan and Hoffman, Proc. Amer. Math. Soc. 6, 111 (1955).
    """
    left, singular, right = np.linalg.svd(matrices)
    lowest = singular.shape[-1] * np.finfo(np.float64).eps * singular[..., 0]
    if not (singular[..., -1] > lowest).all():
        raise ValueError("`unitary` must not be singular: it has no nearest unitary to project on")
    return left @ right


def _check_unitary(matrices: ComplexArray, tolerance: float) -> None:
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
            "; `tolerance=` accepts more, `project=True` takes the nearest unitary"
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
