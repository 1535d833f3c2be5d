"""From tensors to kernels: views, block sizes, outputs and threads.

Block sizes follow from the number of fields and the dtype, never from the number of threads, so
that results do not depend on it.
"""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from photonic.conventions import db_to_amplitude
from photonic.kernels.backward import backpropagate
from photonic.kernels.forward import propagate
from photonic.kernels.simd import VECTOR_BYTES
from photonic.kernels.trigonometry import LARGEST
from photonic.layout import MeshLayout
from photonic.threads import share

_FORWARD_BLOCK, _BACKWARD_BLOCK = 128, 32
"""Fields per block: enough to pay for the coefficients, few enough that the rows stay in cache."""
_CHUNK = 128
"""Fewest fields per item; more items mean more partial gradients."""
_MAX_CHUNKS = 8
_GRAIN = 2**17
"""Interferometers times fields that are worth a thread."""

_View = tuple[NDArray[Any], int, int, int]
"""Real view of a complex tensor (B, N, R), and its steps from mesh to mesh, mode and field."""


def launch_forward(
    layout: MeshLayout,
    theta: Tensor,
    phi: Tensor,
    output_phase: Tensor,
    fields: Tensor | None,
    coupler_error: Tensor | None,
    arm_loss_db: Tensor | None,
) -> Tensor:
    """Output fields (B, N, R), in memory as the input; arguments as ``numba_backend.propagate``."""
    n = layout.num_modes
    num_fields = n if fields is None else fields.shape[-1]
    is_by_rows = fields is not None and _is_by_rows(fields)
    output = _empty(len(theta), n, num_fields, theta.dtype, is_by_rows)
    amplitude = None if arm_loss_db is None else db_to_amplitude(arm_loss_db)
    settings = _settings(theta, phi, output_phase, coupler_error, amplitude)
    sizes, chunks = _sizes(layout, num_fields, _FORWARD_BLOCK, theta.dtype)
    views = _view(fields, theta.dtype), _view(output, theta.dtype)
    wiring, simd = (layout.mode, layout.partner), vectors(theta.dtype)

    def work(first: int, last: int) -> None:
        propagate((first, last, chunks), sizes, wiring, settings, *views, simd)

    share(work, len(theta) * chunks, grain=_grain(sizes))
    return output


def launch_backward(
    layout: MeshLayout,
    wanted: tuple[bool, ...],
    output: Tensor,
    gradient: Tensor,
    theta: Tensor,
    phi: Tensor,
    output_phase: Tensor,
    fields: Tensor | None,
    coupler_error: Tensor | None,
    arm_loss_db: Tensor | None,
) -> tuple[Tensor, ...]:
    """Gradients of theta, phi, output_phase, fields, coupler_error and arm_loss_db.

    Args:
        layout: wiring.
        wanted: which of the six gradients are needed; of the others zeros of any shape are given.
        output: (B, N, R) of ``launch_forward``.
        gradient: (B, N, R) gradient of the output.
        theta: and all further arguments as in ``launch_forward``.
    """
    dtype, meshes = theta.dtype, len(theta)
    amplitude = None if arm_loss_db is None else db_to_amplitude(arm_loss_db)
    settings = _settings(theta, phi, output_phase, coupler_error, amplitude)
    sizes, chunks = _sizes(layout, output.shape[-1], _BACKWARD_BLOCK, dtype)
    n, m = sizes[:2]
    num_rows = 10 if wanted[5] else 4 if wanted[4] else 2
    per_mzi = theta.new_empty(meshes, chunks, num_rows, m)
    per_output = theta.new_empty(meshes, chunks, n)
    per_field = None
    if wanted[3]:
        per_field = _empty(*output.shape, dtype, _is_by_rows(fields))
    light = output
    if amplitude is not None and m:
        unit = torch.eye(n, dtype=dtype.to_complex())
        light = unit.expand(meshes, n, n) if fields is None else fields
    views = _view(light, dtype), _view(gradient, dtype)
    flat = per_mzi.view(-1).numpy(), num_rows, per_output.view(-1).numpy()
    results = (*flat, _view(per_field, dtype))
    wiring, simd = (layout.mode, layout.partner), vectors(dtype)

    def work(first: int, last: int) -> None:
        backpropagate((first, last, chunks), sizes, wiring, settings, *views, results, simd)

    share(work, meshes * chunks, grain=_grain(sizes) // 4)
    summed, none = _sum_chunks(per_mzi), theta.new_zeros(())
    arms = none
    if wanted[5]:
        arms = summed[:, 4:].transpose(-1, -2).unflatten(-1, (3, 2)) * (-math.log(10) / 20)
    # Copies: gradients must not share memory, nor keep the partial sums alive.
    couplers = summed[:, 2:4].transpose(-1, -2).clone() if wanted[4] else none
    return (
        summed[:, 0].clone(),
        summed[:, 1].clone(),
        _sum_chunks(per_output).clone(),
        none if per_field is None else per_field,
        couplers,
        arms,
    )


def _empty(meshes: int, n: int, num_fields: int, dtype: torch.dtype, is_by_rows: bool) -> Tensor:
    """(B, N, R) complex fields, in memory mode by mode or as rows (B, R, N).

    By numpy, which asks for huge pages where they pay.
    """
    kind = np.complex64 if dtype == torch.float32 else np.complex128
    memory = torch.from_numpy(np.empty(meshes * n * num_fields, kind)).untyped_storage()
    steps = (n * num_fields, 1, n) if is_by_rows else (n * num_fields, num_fields, 1)
    # Not a view of an array: results of a Function that are views refuse changes in place.
    return torch.empty(0, dtype=dtype.to_complex()).set_(memory, 0, (meshes, n, num_fields), steps)


def _is_by_rows(fields: Tensor) -> bool:
    """True if the modes of a field (B, N, R) are neighbours in memory."""
    return fields.stride(-2) < fields.stride(-1)


def _sum_chunks(partial: Tensor) -> Tensor:
    """Sum over the second dimension, into its first entry."""
    for chunk in range(1, partial.shape[1]):
        partial[:, 0] += partial[:, chunk]
    return partial[:, 0]


def _sizes(
    layout: MeshLayout, num_fields: int, block: int, dtype: torch.dtype
) -> tuple[tuple[int, int, int, int, int], int]:
    """Sizes for the kernels, and the number of chunks per mesh."""
    lanes = vectors(dtype)[0]
    width = min(block, math.ceil(num_fields / lanes) * lanes) or lanes
    chunk = max(_CHUNK, math.ceil(num_fields / _MAX_CHUNKS / width) * width)
    chunks = max(1, math.ceil(num_fields / chunk))
    return (layout.num_modes, layout.num_mzis, num_fields, chunk, width), chunks


def _grain(sizes: tuple[int, int, int, int, int]) -> int:
    """Items that are worth a thread."""
    _, m, num_fields, chunk, _ = sizes
    return max(1, _GRAIN // max(1, m * min(num_fields, chunk)))


def vectors(dtype: torch.dtype) -> tuple[int, float]:
    """Lanes of a vector and the largest argument of its sine."""
    return VECTOR_BYTES // dtype.itemsize, LARGEST[str(dtype).removeprefix("torch.")]


def _settings(*tensors: Tensor | None) -> tuple[NDArray[Any], ...]:
    """One-dimensional arrays, empty for what is absent."""
    empty = torch.empty(0, dtype=tensors[0].dtype).numpy()
    return tuple(
        empty if tensor is None else tensor.detach().resolve_neg().contiguous().view(-1).numpy()
        for tensor in tensors
    )


def _view(tensor: Tensor | None, dtype: torch.dtype) -> _View:
    """Real view of a complex tensor (B, N, R) without a copy; empty if there is none."""
    if tensor is None:
        return torch.empty(0, dtype=dtype).numpy(), 0, 0, 0
    real = torch.view_as_real(tensor.detach().resolve_conj().resolve_neg())
    extent = 1 + sum(
        (size - 1) * step for size, step in zip(real.shape, real.stride(), strict=True)
    )
    flat = real.as_strided((extent if real.numel() else 0,), (1,))
    return (flat.numpy(), *real.stride()[:3])
