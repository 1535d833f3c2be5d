"""What a controller asks of the meshes of a layer, and what the light meets there.

A tile has three meshes, V, sigma and U in the order of the light. The shifters of a mesh are kept
in one flat order: theta of each MZI, phi of each MZI, then the output screen (none for sigma, whose
attenuators are isolated MZIs, heated by no neighbour).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from photonic.conventions import wrap_phase
from photonic.hardware import HardwareConfig
from photonic.layout import MeshLayout
from photonic.mesh_errors import MeshErrors
from photonic.mesh_optics import MeshState
from photonic.phase_chain import phase_of_driven, precompensated
from photonic.phases import MeshPhases
from photonic.program import Program

# Shapes: R, C tiles, M MZIs of a mesh, N modes, S = 2 M + N shifters, r attenuators.

MESHES = ("V", "sigma", "U")
"""The meshes of a tile, in the order of the light."""


@dataclass(frozen=True, eq=False)
class Commands:
    """What a controller asks of the tiles of one layer.

    Args:
        phases: mesh name to commanded phases [rad], before rounding: "V" and "U" (R, C, S), "sigma"
            (R, C, 2 r), theta then phi of each attenuator. With crosstalk compensation they may
            exceed 2 pi.
        scale: (R, C) factors applied by the electronics.
    """

    phases: Mapping[str, Tensor]
    """Mesh name to commanded phases [rad]."""
    scale: Tensor
    """(R, C) factors applied by the electronics."""


def mesh_layouts(program: Program) -> dict[str, MeshLayout | None]:
    """Wiring of each mesh of a tile; None for the isolated attenuators."""
    return {"V": program.v_layout, "sigma": None, "U": program.u_layout}


def flat_phases(phases: MeshPhases) -> Tensor:
    """Phases of a mesh in flat order, wrapped.

    Args:
        phases: settings of a mesh or of a batch of meshes.

    Returns:
        (..., S) [rad] in [0, 2 pi): theta, phi, output screen.
    """
    return wrap_phase(torch.cat([phases.theta, phases.phi, phases.output_phase], dim=-1))


def target_phases(program: Program) -> dict[str, Tensor]:
    """Ideal phases of all tiles, wrapped, by mesh.

    Args:
        program: ideal settings of a layer.

    Returns:
        "V" and "U": (R, C, S) [rad]; "sigma": (R, C, 2 r) [rad], theta then phi of each attenuator.
    """
    sigma = wrap_phase(torch.cat(program.attenuator_phases(), dim=-1))
    return {"V": flat_phases(program.v), "sigma": sigma, "U": flat_phases(program.u)}


def nominal_commands(
    program: Program, hardware: HardwareConfig, phases: Mapping[str, Tensor] | None = None
) -> Commands:
    """What a controller asks for that knows the data sheet of a chip, but not this chip.

    Args:
        program: ideal settings of a layer.
        hardware: decides on pre-compensation and on the largest mesh.
        phases: targets [rad] in place of those of the program; any real values, wrapped here.

    Returns:
        The targets; with pre-compensation U and V are solved for the nominal crosstalk.

    Raises:
        ValueError: if a mesh is too large for the hardware, or crosstalk cannot be compensated.
    """
    check_fits(program, hardware)
    if phases is None:
        commands = target_phases(program)
    else:
        commands = {mesh: wrap_phase(phases[mesh]) for mesh in MESHES}
    if hardware.is_precompensated:
        for mesh, layout in mesh_layouts(program).items():
            if layout is not None:
                commands[mesh] = precompensated(commands[mesh], hardware, layout)
    return Commands(commands, program.scale)


def check_fits(program: Program, hardware: HardwareConfig) -> None:
    """Refuse a program whose meshes are larger than the hardware carries, or of another wiring.

    Raises:
        ValueError: if a mesh has more than ``max_modes`` modes or not the wiring ``mesh``.
    """
    largest = max(program.u_layout.num_modes, program.v_layout.num_modes)
    limit = hardware.max_modes
    if limit is not None and largest > limit:
        raise ValueError(
            f"{hardware.name} carries at most {limit} modes, {program.name!r} needs {largest}; "
            f"map with --tile {limit} or less"
        )
    kind = program.u_layout.kind
    if hardware.mesh is not None and kind != hardware.mesh:
        raise ValueError(
            f"{hardware.name} is wired as {hardware.mesh}, {program.name!r} as {kind}; "
            f"map with --mesh {hardware.mesh}"
        )


def state_of_driven(
    driven: Tensor, errors: MeshErrors, hardware: HardwareConfig, layout: MeshLayout | None
) -> MeshState:
    """What the light meets when the converters give some phases.

    Args:
        driven: (..., S) float64 [rad] phases that the converters give, in flat order.
        errors: drawn errors of these meshes, from ``Chip.mesh_errors``.
        hardware: crosstalk.
        layout: wiring of the mesh; None for isolated attenuators.

    Returns:
        Phases with all errors, coupler errors and losses.
    """
    return MeshState(
        phase_of_driven(driven, errors, hardware, layout),
        errors.coupler_error,
        errors.insertion_loss_db,
        errors.arm_loss_db,
    )
