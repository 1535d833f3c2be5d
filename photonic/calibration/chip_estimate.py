"""What is known of the phase shifters of a layer, and the commands that follow from it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from photonic.calibration.drive_range import DriveRange
from photonic.conventions import TWO_PI, wrap_phase
from photonic.drive import code_to_phase, phase_to_code
from photonic.hardware import HardwareConfig
from photonic.impairments.crosstalk import crosstalk_matrix
from photonic.layout import MeshLayout
from photonic.mesh_state import mesh_layouts
from photonic.program import Program

# Shapes: R, C tiles, S shifters of a mesh, P some of them.

_SETTLING = 4
"""Rounds of a command that accounts for the heat of all others; each gains a factor c << 1."""


@dataclass(frozen=True, eq=False)
class ChipEstimate:
    """Believed chain phase = Omega (gamma Q(command)) + bias of all shifters.

    Converter Q and crosstalk Omega are those of the data sheet. The tensors of ``gamma`` and
    ``bias`` are changed in place as more is learnt.
    """

    hardware: HardwareConfig
    """Data sheet."""
    layouts: Mapping[str, MeshLayout | None]
    """Wiring by mesh; None for the attenuators."""
    omega: Mapping[str, Tensor]
    """By mesh, (S, S) nominal crosstalk."""
    gamma: Mapping[str, Tensor]
    """By mesh, (R, C, S) factors on the driven phases."""
    bias: Mapping[str, Tensor]
    """By mesh, (R, C, S) [rad]."""

    @classmethod
    def nominal(cls, program: Program, hardware: HardwareConfig) -> "ChipEstimate":
        """What the data sheet says: gamma = 1 and bias = 0."""
        layouts = mesh_layouts(program)
        omega = {mesh: _omega(layout, program.rank, hardware) for mesh, layout in layouts.items()}
        shapes = {mesh: (*program.grid_shape, len(matrix)) for mesh, matrix in omega.items()}
        return cls(
            hardware,
            layouts,
            omega,
            {mesh: torch.ones(shape, dtype=torch.float64) for mesh, shape in shapes.items()},
            {mesh: torch.zeros(shape, dtype=torch.float64) for mesh, shape in shapes.items()},
        )

    def num_thetas(self, mesh: str) -> int:
        """Number of MZIs or attenuators of a mesh; their theta come first."""
        layout = self.layouts[mesh]
        return len(self.omega[mesh]) // 2 if layout is None else layout.num_mzis

    def phases(self, mesh: str, command: Tensor) -> Tensor:
        """(R, C, S) [rad] phases that light is believed to meet, the converter included."""
        driven = self.gamma[mesh] * rounded_command(command, self.hardware)
        return driven @ self.omega[mesh].mT + self.bias[mesh]

    def settled(
        self, mesh: str, command: Tensor, shifters: slice | Tensor, target: Tensor | float
    ) -> Tensor:
        """Commands with which some shifters have given phases, the others as they are.

        Args:
            mesh: "V", "sigma" or "U".
            command: (R, C, S) [rad].
            shifters: P shifters to change.
            target: (..., P) [rad] their phases, modulo 2 pi.

        Returns:
            (R, C, S) [rad], not rounded.
        """
        command, gamma = command.clone(), self.gamma[mesh][..., shifters]
        for _ in range(_SETTLING):
            heated = (self.gamma[mesh] * command) @ self.omega[mesh].mT + self.bias[mesh]
            lacking = target - heated[..., shifters]
            driven = wrap_phase(gamma * command[..., shifters] + lacking)
            command[..., shifters] = reachable_command(driven, gamma, self.hardware)
        return command


def reachable_command(driven: Tensor, gamma: Tensor, hardware: HardwareConfig) -> Tensor:
    """Commands that drive shifters to given phases, or as near as the drive can.

    A converter of one turn does not reach the phases between 2 pi gamma and 2 pi of a weak heater:
    they go to the nearer end. An extended drive and one without a converter have no such gap.

    Args:
        driven: (...) [rad] phases in [0, 2 pi).
        gamma: (...) positive factors of the shifters.
        hardware: tells the range of the drive.

    Returns:
        (...) [rad] commands driven/gamma.
    """
    command = driven / gamma
    if hardware.dac_bits is None:
        return command
    top = DriveRange(hardware).largest
    # A product, because torch.where of two Python numbers is single precision, beyond the turn.
    nearest = (driven - top * gamma < TWO_PI - driven).to(command) * top
    return torch.where(command > top, nearest, command)


def rounded_command(command: Tensor, hardware: HardwareConfig) -> Tensor:
    """(...) [rad] what the converter of the data sheet makes of commands."""
    if hardware.dac_bits is None:
        return command
    return torch.from_numpy(code_to_phase(phase_to_code(command.numpy(), hardware), hardware))


def signed_phase(phase: Tensor) -> Tensor:
    """(...) [rad] phase modulo 2 pi in [-pi, pi)."""
    return wrap_phase(phase + math.pi) - math.pi


def _omega(layout: MeshLayout | None, rank: int, hardware: HardwareConfig) -> Tensor:
    """(S, S) nominal crosstalk; attenuators have none."""
    if layout is None:
        return torch.eye(2 * rank, dtype=torch.float64)
    matrix = crosstalk_matrix(layout, hardware)
    if matrix is None:
        return torch.eye(2 * layout.num_mzis + layout.num_modes, dtype=torch.float64)
    return torch.from_numpy(matrix.toarray())
