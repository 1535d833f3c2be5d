"""From commanded phases to the phases that light meets; differentiable.

phi~ = Omega D(Gamma Q(phi)) + d: the drive ends and the converter rounds (Q), heaters differ
(Gamma), failed shifters ignore both (D), heat spreads (Omega), and bias, drift and noise add (d).
Limits and rounding pass gradients straight through; everything else has its exact derivative.

Source: Gu et al., L2ight, NeurIPS 2021 (Phi -> Omega Gamma Q(Phi) + Phi_b).
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Tensor

from photonic.drive import drive_reach, has_short_drive, reached_phases
from photonic.drive_laws.branch import HeaterSettings, shortfall
from photonic.hardware import HardwareConfig
from photonic.impairments.crosstalk import (
    crosstalk_matrix,
    precompensate_crosstalk,
    solve_crosstalk_transposed,
)
from photonic.impairments.quantisation import quantise_phase
from photonic.kernels.phases import settle, warm_rows
from photonic.layout import MeshLayout
from photonic.mesh_errors import MeshErrors
from photonic.threads import share

# Shapes: ... batch of meshes, T meshes, S shifters, M MZIs and N modes of a mesh.

_GRAIN = 64
"""Meshes that are worth a thread."""


def realised_phase(
    command: Tensor, errors: MeshErrors, hardware: HardwareConfig, layout: MeshLayout | None
) -> Tensor:
    """Phases that the light meets when the drive is asked for some phases.

    Args:
        command: (..., S) float64 [rad] commanded phases, in flat order.
        errors: drawn errors of these meshes.
        hardware: converter and crosstalk.
        layout: wiring of the mesh; None for isolated attenuators, which no neighbour heats.

    Returns:
        (..., S) [rad].

    Raises:
        ValueError: if the drive cannot reach a phase.
    """
    return phase_of_driven(driven_phase(command, hardware), errors, hardware, layout)


def driven_phase(command: Tensor, hardware: HardwareConfig) -> Tensor:
    """Phases that the converter gives when it is asked for some: all that no drawn error touches.

    Args:
        command: (...) float64 [rad] commanded phases.
        hardware: limits of the drive, and converter.

    Returns:
        (...) [rad]; with ``is_drive_clipped`` the nearest ones where the drive ends.

    Raises:
        ValueError: if the drive cannot reach a phase and is not to be clipped.
    """
    reached = reached_phase(command, hardware)
    return reached if hardware.dac_bits is None else _Quantise.apply(reached, hardware)


def reached_phase(command: Tensor, hardware: HardwareConfig) -> Tensor:
    """Commanded phases within the limits of the drive, before the converter.

    Args:
        command: (...) float64 [rad] commanded phases.
        hardware: limits of the drive.

    Returns:
        (...) [rad]; ``command`` itself if the drive reaches all of it. The derivative is that of
        the identity.

    Raises:
        ValueError: if the drive cannot reach a phase and is not to be clipped.
    """
    found = missed_phases(command, hardware)
    short = found and shortfall([(found, lambda place: f"shifter {place} of these meshes")])
    if not short:
        return command
    if not hardware.is_drive_clipped:
        short.refuse()
    return _Clip.apply(command, found)


def missed_phases(command: Tensor, hardware: HardwareConfig) -> HeaterSettings | None:
    """``reached_phases`` of commands; None without more work if the drive reaches all of them.

    Args:
        command: (...) float64 [rad] commanded phases.
        hardware: limits of the drive.
    """
    if not has_short_drive(hardware):
        return None
    phase = command.detach().numpy()
    if not phase.size or (phase.min() >= 0 and phase.max() <= drive_reach(hardware)):
        return None
    return reached_phases(phase, hardware)


def phase_of_driven(
    driven: Tensor, errors: MeshErrors, hardware: HardwareConfig, layout: MeshLayout | None
) -> Tensor:
    """Phases that the light meets when the converter gives some phases.

    Args:
        driven: (..., S) float64 [rad], from ``driven_phase``.
        errors: drawn errors of these meshes.
        hardware: crosstalk.
        layout: wiring of the mesh; None for isolated attenuators.

    Returns:
        (..., S) [rad].
    """
    phase = driven
    if errors.gamma is not None:
        phase = phase * errors.gamma
    if errors.stuck is not None:
        phase = torch.where(errors.stuck.isnan(), phase, errors.stuck)
    phase = warmed(phase, hardware, layout)
    return phase if errors.offset is None else phase + errors.offset


def warmed(driven: Tensor, hardware: HardwareConfig, layout: MeshLayout | None) -> Tensor:
    """Phases of shifters that warm each other, Omega phi.

    Args:
        driven: (..., S) float64 [rad] phases that the heaters are driven to.
        hardware: crosstalk.
        layout: wiring of the mesh; None for isolated attenuators, which no neighbour heats.

    Returns:
        (..., S) [rad]; ``driven`` itself without crosstalk.
    """
    if layout is None or not hardware.has_crosstalk:
        return driven
    return _Heat.apply(driven, crosstalk_matrix(layout, hardware))


def settled_phases(
    driven: Tensor,
    warm: Tensor,
    errors: MeshErrors,
    hardware: HardwareConfig,
    layout: MeshLayout,
    dtype: torch.dtype,
) -> tuple[Tensor, Tensor, Tensor]:
    """``phase_of_driven`` in one pass, without a gradient, as settings of meshes.

    Args:
        driven: (T, S) float64 [rad], from ``driven_phase``.
        warm: ``warmed`` of them, for chips whose errors all come after the crosstalk.
        errors: drawn errors of these meshes.
        hardware: crosstalk.
        layout: wiring of the meshes.
        dtype: real dtype of the settings.

    Returns:
        theta (T, M), phi (T, M) and output phases (T, N) [rad], the bits of ``phase_of_driven``
        rounded to ``dtype``.
    """
    is_warm = errors.gamma is None and errors.stuck is None
    phases = (warm if is_warm else driven).numpy()
    m, n = layout.num_mzis, layout.num_modes
    settings = tuple(torch.empty(len(phases), size, dtype=dtype) for size in (m, m, n))
    drawn = tuple(_array(part) for part in (errors.gamma, errors.stuck, errors.offset))
    heat = _heat(None if is_warm else crosstalk_matrix(layout, hardware))
    targets = tuple(part.numpy() for part in settings)
    share(lambda *items: settle(items, phases, drawn, heat, targets), len(phases), grain=_GRAIN)
    return settings


def precompensated(phase: Tensor, hardware: HardwareConfig, layout: MeshLayout) -> Tensor:
    """Commands that crosstalk turns into the given phases modulo 2 pi.

    Args:
        phase: (..., S) float64 [rad] targets in [0, 2 pi).
        hardware: crosstalk.
        layout: wiring of the mesh.

    Returns:
        (..., S) [rad] commands >= 0; their derivative is Omega^-1.

    Raises:
        ValueError: if no positive command exists.
    """
    return _Precompensate.apply(phase, hardware, layout)


class _Quantise(torch.autograd.Function):
    """Rounding to the codes of the converter, with the derivative of the identity."""

    @staticmethod
    def forward(ctx: Any, phase: Tensor, hardware: HardwareConfig) -> Tensor:
        return torch.from_numpy(quantise_phase(phase.detach().numpy(), hardware))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad, None


class _Clip(torch.autograd.Function):
    """The nearest phases within reach, with the derivative of the identity."""

    @staticmethod
    def forward(ctx: Any, phase: Tensor, found: HeaterSettings) -> Tensor:
        kept = phase.detach().numpy()
        return torch.from_numpy(np.where(found.miss_rad > 0, found.heat_rad, kept))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad, None


class _Heat(torch.autograd.Function):
    """Omega phi for a sparse Omega."""

    @staticmethod
    def forward(ctx: Any, phase: Tensor, omega: sparse.csr_array) -> Tensor:
        ctx.omega = omega
        return _product(omega, phase)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return _product(ctx.omega.T.tocsr(), grad), None


class _Precompensate(torch.autograd.Function):
    """Omega^-1 (phi + 2 pi m), the integers m held fixed in the derivative."""

    @staticmethod
    def forward(ctx: Any, phase: Tensor, hardware: HardwareConfig, layout: MeshLayout) -> Tensor:
        ctx.figures = layout, hardware
        return torch.from_numpy(precompensate_crosstalk(phase.detach().numpy(), layout, hardware))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        solved = solve_crosstalk_transposed(grad.numpy(), *ctx.figures)
        return torch.from_numpy(solved), None, None


def _product(matrix: sparse.csr_array, phase: Tensor) -> Tensor:
    flat = np.ascontiguousarray(phase.detach().numpy().reshape(-1, phase.shape[-1]))
    product, heat = np.empty_like(flat), _heat(matrix)
    share(lambda *items: warm_rows(items, flat, heat, product), len(flat), grain=_GRAIN)
    return torch.from_numpy(product).reshape(phase.shape)


def _heat(matrix: sparse.csr_array | None) -> tuple[NDArray[Any], ...]:
    """Row starts, columns and entries of a matrix for the kernels; empty without one."""
    if matrix is None:
        return np.empty(0, np.uint32), np.empty(0, np.uint32), np.empty(0)
    # Unsigned: the kernel need not ask whether an index counts from the end.
    return matrix.indptr.astype(np.uint32), matrix.indices.astype(np.uint32), matrix.data


def _array(part: Tensor | None) -> NDArray[np.float64]:
    """A (T, S) array for the kernels, of no entries if there is none."""
    return np.empty((0, 0)) if part is None else part.detach().contiguous().numpy()
