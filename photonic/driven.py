"""Layers as the converters of a chip drive them: what all chips of one description share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import torch
from torch import Tensor

from photonic.chip import Meshes
from photonic.drive import has_short_drive
from photonic.drive_laws.branch import HeaterSettings, Shortfall, shortfall
from photonic.hardware import HardwareConfig
from photonic.impairments.loss import loss_gain
from photonic.layout import MeshLayout
from photonic.mesh_state import MESHES, Commands, mesh_layouts
from photonic.phase_chain import driven_phase, missed_phases, warmed
from photonic.program import Program, check_names

# Shapes: R, C tiles of a layer, T tiles of several layers, S shifters of a mesh.


@dataclass(frozen=True, eq=False)
class DrivenTiles:
    """The tiles of all layers of one wiring, one after another.

    Attributes:
        hardware: description of the chips.
        members: numbers of the layers.
        programs: layouts and names of the layers.
        u_layout: wiring of the U meshes.
        v_layout: wiring of the V meshes.
        phases: mesh name to (T, S) float64 [rad] phases that the converters give.
    """

    hardware: HardwareConfig
    members: tuple[int, ...]
    programs: tuple[Program, ...]
    u_layout: MeshLayout
    v_layout: MeshLayout
    phases: dict[str, Tensor]

    @property
    def layouts(self) -> dict[str, MeshLayout | None]:
        """Wiring of each mesh; None for the isolated attenuators."""
        return {"V": self.v_layout, "sigma": None, "U": self.u_layout}

    @cached_property
    def meshes(self) -> dict[str, Meshes]:
        """The meshes of all tiles, by mesh, as a chip draws them."""
        return joint_meshes(self.programs)

    @cached_property
    def row_order(self) -> Tensor:
        """Rows of the tiles, numbered tile after tile, in the order of the padded weights.

        A row of a weight lies in C tiles; the weights come layer by layer.
        """
        orders, first = [], 0
        for program in self.programs:
            num_rows = program.num_tiles * program.tile_shape[0]
            rows = torch.arange(first, first + num_rows).unflatten(0, (*program.grid_shape, -1))
            orders.append(rows.transpose(1, 2).flatten())
            first += num_rows
        return torch.cat(orders)

    @cached_property
    def warm(self) -> dict[str, Tensor]:
        """Mesh name to (T, S) [rad] phases after crosstalk, if no error of a chip precedes it."""
        return {
            mesh: warmed(self.phases[mesh], self.hardware, layout)
            for mesh, layout in self.layouts.items()
        }


@dataclass(frozen=True, eq=False)
class DrivenLayers:
    """Layers whose commands have passed the converters; chips differ in what follows.

    Attributes:
        programs: layouts and names of the layers.
        hardware: description of the chips.
        groups: tiles by wiring.
        scales: (R, C) factors of the electronics for each layer.
    """

    programs: tuple[Program, ...]
    hardware: HardwareConfig
    groups: tuple[DrivenTiles, ...]
    scales: tuple[Tensor, ...]


def drive_layers(
    programs: Sequence[Program], commands: Sequence[Commands], hardware: HardwareConfig
) -> DrivenLayers:
    """What the converters make of commands, once for all chips of a description.

    Args:
        programs: layouts and names of the layers; their phases are not used.
        commands: what is asked for in each layer, from ``nominal_commands`` or a calibration.
        hardware: limits of the drive and whether they clip, converter, and whether the electronics
            make up for the mean loss.

    Returns:
        Differentiable with respect to the commands.

    Raises:
        ValueError: if a layer has no name, two layers share one, or the drive cannot reach a phase
            and is not to be clipped.
    """
    check_names(programs)
    short = drive_shortfall(programs, commands, hardware)
    if short is not None and not hardware.is_drive_clipped:
        short.refuse()
    scales = (
        command.scale * electronic_gain(program, hardware)
        for program, command in zip(programs, commands, strict=True)
    )
    members: dict[tuple[MeshLayout, MeshLayout], list[int]] = {}
    for number, program in enumerate(programs):
        members.setdefault((program.u_layout, program.v_layout), []).append(number)
    groups = (
        DrivenTiles(
            hardware,
            tuple(numbers),
            tuple(programs[i] for i in numbers),
            *layouts,
            _driven([commands[i] for i in numbers], hardware),
        )
        for layouts, numbers in members.items()
    )
    return DrivenLayers(tuple(programs), hardware, tuple(groups), tuple(scales))


def drive_shortfall(
    programs: Sequence[Program], commands: Sequence[Commands], hardware: HardwareConfig
) -> Shortfall | None:
    """Phases of all layers that the drive of the data sheet does not reach; None if it reaches all.

    Args:
        programs: names of the layers.
        commands: what is asked for in each layer.
        hardware: limits of the drive.
    """
    if not has_short_drive(hardware):
        return None
    parts = []
    for program, command in zip(programs, commands, strict=True):
        for mesh in MESHES:
            phase = command.phases[mesh]
            found = missed_phases(phase, hardware) or _reached(phase)
            parts.append((found, partial(_shifter_name, program, mesh, phase.shape[-1])))
    return shortfall(parts)


def _reached(phase: Tensor) -> HeaterSettings:
    """Settings of phases that are all within reach."""
    heat = phase.detach().numpy()
    nothing = np.broadcast_to(0.0, heat.shape)
    return HeaterSettings(heat, nothing, heat, nothing, nothing)


def _shifter_name(program: Program, mesh: str, size: int, place: int) -> str:
    tile, shifter = divmod(place, size)
    row, col = divmod(tile, program.grid_shape[1])
    return f"layer {program.name!r}, tile {row},{col}, shifter {shifter} of {mesh}"


def joint_meshes(programs: Sequence[Program]) -> dict[str, Meshes]:
    """The meshes of all tiles of layers of one wiring, by mesh, as a chip draws them.

    Raises:
        ValueError: if a layer has no name or two layers share one.
    """
    check_names(programs)
    counts = tuple(program.num_tiles for program in programs)
    return {
        mesh: Meshes(
            tuple(f"{program.name}/{mesh}" for program in programs),
            counts,
            layout,
            2 * programs[0].rank if layout is None else 2 * layout.num_mzis + layout.num_modes,
        )
        for mesh, layout in mesh_layouts(programs[0]).items()
    }


def _driven(commands: Sequence[Commands], hardware: HardwareConfig) -> dict[str, Tensor]:
    return {
        mesh: driven_phase(
            torch.cat([command.phases[mesh].flatten(0, 1) for command in commands]), hardware
        )
        for mesh in MESHES
    }


def electronic_gain(program: Program, hardware: HardwareConfig) -> float:
    """Electronic factor that makes up for the mean loss of a core.

    10^(L (n_U + n_V + 1)/20), L the mean loss per MZI and n = 2 num_mzis/num_modes the mean number
    of MZIs that light crosses in a mesh; sections that hold no MZI count with their own loss.

    Args:
        program: layouts of the core.
        hardware: mean losses.

    Returns:
        1 without loss or without compensation.
    """
    if not hardware.is_loss_compensated:
        return 1.0
    crossed, skipped = 1.0, 0.0
    for layout in (program.u_layout, program.v_layout):
        mean = 2 * layout.num_mzis / layout.num_modes
        crossed += mean
        skipped += layout.num_columns - mean
    per_mzi = hardware.insertion_loss_db + 3 * hardware.arm_loss_db
    return loss_gain(per_mzi, crossed) * loss_gain(hardware.edge_loss_db, skipped)
