"""The weights that a drawn chip realises when it is programmed.

Order of application: target phases -> wrap -> crosstalk pre-compensation -> converter -> drive
coefficient -> failures -> crosstalk -> bias -> drift -> static phase noise -> shot noise -> coupler
angles -> loss -> transfer matrices -> weights. An ideal chip takes the same path and draws nothing.
All of it is differentiable with respect to the commanded phases; rounding passes gradients straight
through.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields

import torch
from torch import Tensor

from photonic.chip import Chip
from photonic.driven import DrivenLayers, drive_layers
from photonic.mesh_errors import MeshErrors
from photonic.mesh_optics import MeshState, attenuator_field, mesh_matrix
from photonic.mesh_state import (
    MESHES,
    Commands,
    mesh_layouts,
    nominal_commands,
    state_of_driven,
)
from photonic.program import Program, tile_matrices

# Shapes: R, C tiles of a layer, T tiles of several layers, S shifters of a mesh, r attenuators.


def weight_from_states(
    program: Program, states: dict[str, MeshState], dtype: torch.dtype = torch.float64
) -> Tensor:
    """Weights that a program's tiles apply when its meshes are in given states.

    Args:
        program: gives layouts, scales and the assembly of tiles; its phases are not used.
        states: state of "V", "sigma" and "U".
        dtype: real dtype of the propagation.

    Returns:
        (out_features, in_features) real: scale Re(U diag(sigma) V), tile by tile.
    """
    flat = {
        mesh: MeshState(*(None if part is None else part.flatten(0, 1) for part in states[mesh]))
        for mesh in MESHES
    }
    return _weights([program], flat, [program.scale], dtype)[0]


def realise(
    program: Program, chip: Chip, shot: int = 0, *, dtype: torch.dtype = torch.float64
) -> Tensor:
    """Weight matrix that a chip applies when it is given a program.

    Errors are drawn once for the whole tile grid of each mesh, under the names "layer/V",
    "layer/sigma" and "layer/U". With ``is_loss_compensated`` the weight is multiplied by
    ``electronic_gain``.

    Args:
        program: ideal settings of a layer.
        chip: drawn chip at a time; an ideal one gives ``program.weight()`` within rounding.
        shot: index of the shot, for shot noise.
        dtype: real dtype of the propagation and of the result.

    Returns:
        (out_features, in_features) real weight on the CPU.

    Raises:
        ValueError: if a mesh is too large for the hardware or the drive cannot reach a phase.
    """
    return realise_all([program], chip, shot, dtype=dtype)[0]


def realise_all(
    programs: Sequence[Program], chip: Chip, shot: int = 0, *, dtype: torch.dtype = torch.float64
) -> list[Tensor]:
    """Weight matrices that a chip applies when it is given the programs of several layers.

    All tiles of all layers that have the same wiring pass in one batch. Arguments, errors and the
    bits of each weight are those of ``realise``.

    Args:
        programs: ideal settings of each layer, with different names.
        chip: drawn chip.
        shot: index of the shot.
        dtype: real dtype of the propagation and of the results.

    Returns:
        One (out_features, in_features) weight per program.
    """
    commands = [nominal_commands(program, chip.hardware) for program in programs]
    return realise_commands(programs, commands, chip, shot, dtype=dtype)


def realise_commands(
    programs: Sequence[Program],
    commands: Sequence[Commands],
    chip: Chip,
    shot: int = 0,
    *,
    dtype: torch.dtype = torch.float64,
) -> list[Tensor]:
    """Weight matrices that a chip applies when its controller asks for given phases.

    Args:
        programs: layouts and names of the layers; their phases are not used.
        commands: what is asked for in each layer, from ``nominal_commands`` or a calibration.
        chip: drawn chip.
        shot: index of the shot.
        dtype: real dtype of the propagation and of the results.

    Returns:
        One (out_features, in_features) weight per program, differentiable with respect to the
        commands.

    Raises:
        ValueError: if two layers share a name or the drive cannot reach a phase.
    """
    return realise_driven(drive_layers(programs, commands, chip.hardware), chip, shot, dtype=dtype)


def realise_driven(
    driven: DrivenLayers, chip: Chip, shot: int = 0, *, dtype: torch.dtype = torch.float64
) -> list[Tensor]:
    """Weight matrices that a chip applies when its converters give certain phases.

    Bits of a weight do not depend on the layers beside it.

    Args:
        driven: from ``drive_layers``, shared by all chips of a description.
        chip: drawn from the description that the layers were driven for.
        shot: index of the shot.
        dtype: real dtype of the propagation and of the results.

    Returns:
        One (out_features, in_features) weight per program.

    Raises:
        ValueError: if the chip is of another description.
    """
    if chip.hardware != driven.hardware:
        raise ValueError(
            f"driven for {driven.hardware.name!r}, but the chip is of another description"
        )
    weights: dict[int, Tensor] = {}
    for group in driven.groups:
        drawn = [layer_errors(driven.programs[i], chip, shot) for i in group.members]
        states = {
            mesh: state_of_driven(
                group.phases[mesh], _joined([one[mesh] for one in drawn]), chip.hardware, layout
            )
            for mesh, layout in group.layouts.items()
        }
        scales = [driven.scales[i] for i in group.members]
        programs = [driven.programs[i] for i in group.members]
        weights |= zip(group.members, _weights(programs, states, scales, dtype), strict=True)
    return [weights[i] for i in range(len(driven.programs))]


def _joined(errors: Sequence[MeshErrors]) -> MeshErrors:
    """Errors of all tiles of several layers of one wiring, in one batch dimension."""

    def join(name: str) -> Tensor | None:
        parts = [getattr(error, name) for error in errors]
        return None if parts[0] is None else torch.cat([part.flatten(0, 1) for part in parts])

    return MeshErrors(**{field.name: join(field.name) for field in fields(MeshErrors)})


def _weights(
    programs: Sequence[Program],
    states: Mapping[str, MeshState],
    scales: Sequence[Tensor],
    dtype: torch.dtype,
) -> list[Tensor]:
    """Weights of layers of one wiring, from the (T, ...) states of all their tiles."""
    u_layout, v_layout = programs[0].u_layout, programs[0].v_layout
    field = attenuator_field(states["sigma"]).to(dtype.to_complex())
    u, v = (
        mesh_matrix(u_layout, states["U"], dtype),
        mesh_matrix(v_layout, states["V"], dtype),
    )
    tiles = tile_matrices(u, field, v).split([program.num_tiles for program in programs])
    return [
        program.join_tiles(part.unflatten(0, program.grid_shape), scale)
        for program, part, scale in zip(programs, tiles, scales, strict=True)
    ]


def layer_errors(program: Program, chip: Chip, shot: int = 0) -> dict[str, MeshErrors]:
    """Errors of all meshes of a layer on a chip, by mesh."""
    shifters = {
        "V": 2 * program.v_layout.num_mzis + program.v_layout.num_modes,
        "sigma": 2 * program.rank,
        "U": 2 * program.u_layout.num_mzis + program.u_layout.num_modes,
    }
    return {
        mesh: chip.mesh_errors(
            f"{program.name}/{mesh}", layout, program.grid_shape, shifters[mesh], shot
        )
        for mesh, layout in mesh_layouts(program).items()
    }
