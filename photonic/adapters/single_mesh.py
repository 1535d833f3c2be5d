"""Settings of one mesh as checked arrays: what every adapter starts from."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from photonic.layout import MeshLayout

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SingleMesh:
    """Settings of a single mesh of N modes and M interferometers, in the order of its layout."""

    theta: FloatArray
    """(M,) [rad] internal phases."""
    phi: FloatArray
    """(M,) [rad] external phases."""
    output_phase: FloatArray
    """(N,) [rad] screen after the last column."""
    coupler_error: FloatArray
    """(M, 2) [rad] deviations (a, b) of the couplers from pi/4."""
    insertion_loss_db: FloatArray
    """(M,) [dB] loss of each interferometer, on both its arms."""


def single_mesh(
    layout: MeshLayout,
    theta: Tensor,
    phi: Tensor,
    output_phase: Tensor,
    coupler_error: Tensor | None = None,
    insertion_loss_db: Tensor | None = None,
) -> SingleMesh:
    """Settings as float64 arrays; what is None is zero.

    Args:
        layout: wiring of N modes and M interferometers.
        theta: (M,) [rad] internal phases.
        phi: (M,) [rad] external phases.
        output_phase: (N,) [rad] screen after the last column.
        coupler_error: (M, 2) [rad] deviations (a, b) of the couplers from pi/4.
        insertion_loss_db: (M,) [dB] loss of each interferometer, at least 0.

    Returns:
        The same numbers, detached and on the CPU.

    Raises:
        ValueError: if a shape is not that of a single mesh of this layout, an entry is not finite
            or a loss is negative.
    """
    num_mzis = layout.num_mzis
    settings = SingleMesh(
        theta=_checked("theta", theta, num_mzis),
        phi=_checked("phi", phi, num_mzis),
        output_phase=_checked("output_phase", output_phase, layout.num_modes),
        coupler_error=_checked("coupler_error", coupler_error, num_mzis, 2),
        insertion_loss_db=_checked("insertion_loss_db", insertion_loss_db, num_mzis),
    )
    if (settings.insertion_loss_db < 0).any():
        lowest = settings.insertion_loss_db.min()
        raise ValueError(f"`insertion_loss_db` must be at least 0, got {lowest}")
    return settings


def _checked(name: str, values: Tensor | None, *shape: int) -> FloatArray:
    if values is None:
        return np.zeros(shape)
    if tuple(values.shape) != shape:
        raise ValueError(f"`{name}` must have shape {shape}, got {tuple(values.shape)}")
    array = values.detach().to("cpu", torch.float64).numpy()
    if not np.isfinite(array).all():
        raise ValueError(f"`{name}` must be finite")
    return array
