"""Layers on simulated benches, and how far a bench is from the layer."""

import torch
from torch import Tensor

from photonic.calibration.simulated_bench import SimulatedBench
from photonic.chip import Chip
from photonic.hardware import HardwareConfig, load_hardware
from photonic.layout import MeshLayout
from photonic.mapping import map_linear
from photonic.mesh_errors import MeshErrors
from photonic.mesh_optics import MeshState
from photonic.mesh_state import MESHES, Commands, nominal_commands, state_of_driven
from photonic.phase_chain import driven_phase
from photonic.program import Program
from photonic.realisation import realise_commands
from tests.photonic.matrices import random_normal

IDEAL = load_hardware("ideal")
TYPICAL = load_hardware("soi_typical")
OPTICS = TYPICAL.without("quantisation", "crosstalk")
"""Everything that a continuous drive without crosstalk leaves."""


def layer(rows: int = 8, columns: int = 8, tile: int = 4, mesh: str = "clements") -> Program:
    weight = random_normal(0, rows, columns)
    return map_linear(weight, layout=mesh, tile=tile, name="layer")


def bench(program: Program, hardware: HardwareConfig, read_noise: float = 0.0) -> SimulatedBench:
    """A bench of one chip, set to the nominal commands."""
    simulated = SimulatedBench(program, Chip(hardware, 3), read_noise)
    commands = nominal_commands(program, hardware)
    for mesh in MESHES:
        simulated.set_phases(mesh, commands.phases[mesh])
    return simulated


def targets(program: Program) -> Tensor:
    """(R, C, m, n) tiles of the weight, padded with zeros."""
    (grid_rows, grid_columns), (rows, columns) = program.grid_shape, program.tile_shape
    padded = torch.zeros(grid_rows * rows, grid_columns * columns, dtype=torch.float64)
    padded[: program.out_features, : program.in_features] = program.weight()
    return padded.reshape(grid_rows, rows, grid_columns, columns).transpose(1, 2)


def realised(program: Program, hardware: HardwareConfig, commands: Commands) -> Tensor:
    """Weight that the chip of ``bench`` performs with given commands."""
    return realise_commands([program], [commands], Chip(hardware, 3))[0]


def weight_error(program: Program, hardware: HardwareConfig, commands: Commands) -> float:
    """||W~ - W||/||W|| of commands on the chip of ``bench``."""
    weight = program.weight()
    difference = realised(program, hardware, commands) - weight
    return (torch.linalg.norm(difference) / torch.linalg.norm(weight)).item()


def realised_state(
    command: Tensor, errors: MeshErrors, hardware: HardwareConfig, layout: MeshLayout | None
) -> MeshState:
    """What the light meets when the drive is asked for phases."""
    return state_of_driven(driven_phase(command, hardware), errors, hardware, layout)
