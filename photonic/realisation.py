"""The weights that a drawn chip realises when it is programmed.

Order of application: target phases -> wrap -> crosstalk pre-compensation -> converter -> drive
coefficient -> failures -> crosstalk -> bias -> drift -> static phase noise -> shot noise -> coupler
angles -> loss -> transfer matrices -> weights. An ideal chip takes the same path and draws nothing.
All of it is differentiable with respect to the commanded phases; rounding passes gradients straight
through.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from photonic.checks import instance, real_dtype, whole_number
from photonic.chip import Chip
from photonic.driven import DrivenLayers, DrivenTiles, drive_layers, joint_meshes
from photonic.mesh_errors import MeshErrors
from photonic.mesh_optics import MeshState, attenuator_field, mesh_matrix
from photonic.mesh_state import MESHES, Commands, nominal_commands, state_of_driven
from photonic.phase_chain import settled_phases
from photonic.program import Program, check_programs, tile_matrices
from photonic.propagation import transfer_matrix

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
    u, v = (
        mesh_matrix(program.u_layout, flat["U"], dtype),
        mesh_matrix(program.v_layout, flat["V"], dtype),
    )
    tiles = tile_matrices(u, _field(flat["sigma"], dtype), v)
    return program.join_tiles(tiles.unflatten(0, program.grid_shape))


def realise(
    program: Program, chip: Chip, shot: int = 0, *, dtype: torch.dtype = torch.float64
) -> Tensor:
    """Weight matrix that a chip applies when it is given a program.

    Errors are drawn once for the whole tile grid of each mesh, under the names "layer/V",
    "layer/sigma" and "layer/U", with the name of the program in place of "layer": programs of the
    same name have the same errors, also in separate calls, as a layer has before and after a
    training. With ``is_loss_compensated`` the weight is multiplied by
    ``electronic_gain``.

    Args:
        program: ideal settings of a layer.
        chip: drawn chip at a time; an ideal one gives ``program.weight()`` within rounding.
        shot: index of the shot, for shot noise.
        dtype: real dtype of the propagation and of the result.

    Returns:
        (out_features, in_features) real weight on the CPU.

    Raises:
        TypeError: if an argument is not of its kind.
        ValueError: if the program has no name, a mesh is too large for the hardware or the drive
            cannot reach a phase.
    """
    instance("program", program, Program)
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
    programs = check_programs(programs)
    instance("chip", chip, Chip)
    shot = whole_number("shot", shot)
    real_dtype("dtype", dtype)
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
        ValueError: if a layer has no name, two layers share one, or the drive cannot reach a phase.
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
    meshes = [meshes for group in driven.groups for meshes in group.meshes.values()]
    drawn = iter(chip.joint_errors(meshes, shot))
    weights: dict[int, Tensor] = {}
    for group in driven.groups:
        errors = {mesh: next(drawn) for mesh in group.meshes}
        scale = torch.cat([driven.scales[i].flatten() for i in group.members])
        weights |= zip(group.members, _weights(group, errors, scale, dtype), strict=True)
    return [weights[i] for i in range(len(driven.programs))]


def layer_errors(program: Program, chip: Chip, shot: int = 0) -> dict[str, MeshErrors]:
    """Errors of all meshes of a layer on a chip, by mesh."""
    return {
        mesh: chip.mesh_errors(
            meshes.names[0], meshes.layout, program.grid_shape, meshes.num_shifters, shot
        )
        for mesh, meshes in joint_meshes([program]).items()
    }


def _weights(
    group: DrivenTiles, errors: Mapping[str, MeshErrors], scale: Tensor, dtype: torch.dtype
) -> list[Tensor]:
    """Weights of layers of one wiring, from the errors of all their tiles and (T,) factors."""
    sigma = state_of_driven(group.phases["sigma"], errors["sigma"], group.hardware, None)
    u, v = (_matrices(group, mesh, errors[mesh], dtype) for mesh in "UV")
    tiles = tile_matrices(u, _field(sigma, dtype), v)
    tiles = tiles * scale.to(tiles)[:, None, None]
    rows = tiles.flatten(0, 1).index_select(0, group.row_order)
    sizes = [count * group.u_layout.num_modes for count in group.meshes["U"].counts]
    return [
        part.reshape(program.grid_shape[0] * program.tile_shape[0], -1)[
            : program.out_features, : program.in_features
        ]
        for program, part in zip(group.programs, rows.split(sizes), strict=True)
    ]


def _matrices(group: DrivenTiles, mesh: str, errors: MeshErrors, dtype: torch.dtype) -> Tensor:
    """(T, N, N) complex matrices of the meshes U or V of all tiles."""
    layout, phases = group.layouts[mesh], group.phases[mesh]
    if torch.is_grad_enabled() and phases.requires_grad:
        return mesh_matrix(layout, state_of_driven(phases, errors, group.hardware, layout), dtype)
    settings = settled_phases(
        phases.detach(), group.warm[mesh].detach(), errors, group.hardware, layout, dtype
    )
    names = ("coupler_error", "insertion_loss_db", "arm_loss_db")
    drawn = {name: getattr(errors, name) for name in names}
    return transfer_matrix(layout, *settings, **drawn)


def _field(sigma: MeshState, dtype: torch.dtype) -> Tensor:
    return attenuator_field(sigma).to(dtype.to_complex())
