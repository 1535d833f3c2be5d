"""Phase settings that make a mesh perform a given unitary."""

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from photonic._nulling import ComplexArray, null_clements, null_reck
from photonic.conventions import wrap_phase
from photonic.layout import MeshLayout
from photonic.phases import MeshPhases

_NULLING = {"clements": null_clements, "reck": null_reck}
_CHUNK_ENTRIES = 2**16  # 1 MiB of complex128, so that a chunk stays in the cache


def decompose(
    unitary: Tensor | ArrayLike, layout: MeshLayout, *, tolerance: float = 1e-10
) -> MeshPhases:
    """Settings for which the mesh performs ``unitary``, exact to rounding.

    unitary = diag(exp(i output_phase)) K_{C-1} ... K_1 K_0, with K_x the column x of
    ``mzi_block(theta, phi)``. A free interferometer is set to bar, theta = pi; a free phi,
    in a bar or a cross, is 0. So a diagonal matrix needs no phi, and its rebuild is exact.

    Args:
        unitary: (..., N, N) real or complex matrices; computed in complex128.
        layout: wiring of N modes.
        tolerance: largest accepted entry of |U^H U - 1|.

    Returns:
        Settings of batch shape (...) on the CPU: theta in [0, pi], phi and output_phase in
        [0, 2 pi).

    Raises:
        ValueError: if the layout is not universal, the shape does not fit it, an entry is not
            finite or the matrix is not unitary.

    Source: Clements et al., Optica 3, 1460 (2016); Reck et al., Phys. Rev. Lett. 73, 58 (1994).
    """
    if not layout.is_universal:
        raise ValueError(f"a {layout.kind} mesh has no direct decomposition; use `fit_unitary`")
    matrices = _as_complex(unitary)
    size = layout.num_modes
    if matrices.ndim < 2 or matrices.shape[-2:] != (size, size):
        raise ValueError(f"`unitary` must have shape (..., {size}, {size}), got {matrices.shape}")
    batch_shape = matrices.shape[:-2]
    matrices = matrices.reshape(-1, size, size)
    _check_unitary(matrices, tolerance)
    theta = np.empty((len(matrices), layout.num_mzis))
    phi = np.empty_like(theta)
    screen = np.empty((len(matrices), size))
    chunk = max(1, _CHUNK_ENTRIES // size**2)
    for start in range(0, len(matrices), chunk):
        part = slice(start, start + chunk)
        work = matrices[part].transpose(1, 2, 0).copy()
        angles = _NULLING[layout.kind](work, layout)
        theta[part], phi[part], screen[part] = (values.T for values in angles)
    output_phase = wrap_phase(torch.from_numpy(screen))
    return MeshPhases(
        theta=torch.from_numpy(theta).reshape(*batch_shape, layout.num_mzis),
        phi=torch.from_numpy(phi).reshape(*batch_shape, layout.num_mzis),
        output_phase=output_phase.reshape(*batch_shape, size),
    )


def _as_complex(unitary: Tensor | ArrayLike) -> ComplexArray:
    if isinstance(unitary, Tensor):
        unitary = unitary.detach().cpu().resolve_conj().resolve_neg().numpy()
    return np.asarray(unitary, dtype=np.complex128)


def _check_unitary(matrices: ComplexArray, tolerance: float) -> None:
    num_bad = np.count_nonzero(~np.isfinite(matrices))
    if num_bad:
        raise ValueError(f"`unitary` must be finite, got {num_bad} entries that are not")
    products = matrices.conj().swapaxes(-1, -2) @ matrices
    deviation = np.abs(products - np.eye(matrices.shape[-1])).max(initial=0.0)
    if not deviation <= tolerance:
        raise ValueError(
            f"`unitary` must be unitary: |U^H U - 1| reaches {deviation:.2e}, above {tolerance:.1e}"
        )
