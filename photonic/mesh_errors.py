"""MeshErrors: everything that a chip does to the meshes of one kind in one layer."""

from dataclasses import dataclass

from torch import Tensor

# Shapes: ... batch of meshes, M MZIs of a mesh, N modes, S = 2 M + N shifters.


@dataclass(frozen=True, eq=False)
class MeshErrors:
    """Drawn errors of a batch of meshes at one time and in one shot; None where one is absent."""

    gamma: Tensor | None = None
    """(..., S) factors on the driven phases, ageing included."""
    stuck: Tensor | None = None
    """(..., S) [rad] driven phases of failed shifters; NaN where a shifter works."""
    offset: Tensor | None = None
    """(..., S) [rad] bias, drift, static and shot noise."""
    coupler_error: Tensor | None = None
    """(..., M, 2) [rad] deviations (a, b) of the coupler angles from pi/4."""
    insertion_loss_db: Tensor | None = None
    """(..., M) [dB] loss of each MZI."""
    arm_loss_db: Tensor | None = None
    """(..., M, 3, 2) [dB] further loss of the arm sections."""
