"""The weights that a drawn chip realises when it is programmed.

Order of application: target phases -> wrap -> crosstalk pre-compensation -> converter -> drive
coefficient -> failures -> crosstalk -> bias -> drift -> static phase noise -> shot noise -> coupler
angles -> loss -> transfer matrices -> weights. An ideal chip takes the same path and draws nothing.
All of it is differentiable with respect to the commanded phases; rounding passes gradients straight
through.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from photonic.chip import Chip
from photonic.hardware import HardwareConfig
from photonic.impairments.loss import loss_gain
from photonic.layout import MeshLayout
from photonic.mesh_errors import MeshErrors
from photonic.mesh_optics import MeshState, attenuator_field, mesh_matrix
from photonic.mesh_state import (
    MESHES,
    Commands,
    mesh_layouts,
    nominal_commands,
    realised_state,
)
from photonic.program import Program, tile_matrices

# Shapes: R, C tiles, M MZIs of a mesh, N modes, S = 2 M + N shifters, r attenuators.


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
    return weights_from_states([program], [states], [program.scale], dtype)[0]


def weights_from_states(
    programs: Sequence[Program],
    states: Sequence[dict[str, MeshState]],
    scales: Sequence[Tensor],
    dtype: torch.dtype,
) -> list[Tensor]:
    """Weights of several programs; tiles of the same wiring pass in one batch.

    Args:
        programs: as in ``weight_from_states``.
        states: of each program, batch shape (R, C) each, all with the same kinds of errors.
        scales: (R, C) of each program.
        dtype: real dtype of the propagation.

    Returns:
        One weight per program.
    """
    groups: dict[tuple[MeshLayout, MeshLayout], list[int]] = {}
    for i, program in enumerate(programs):
        groups.setdefault((program.u_layout, program.v_layout), []).append(i)
    weights: dict[int, Tensor] = {}
    for (u_layout, v_layout), members in groups.items():
        u, sigma, v = (_joined([states[i][mesh] for i in members]) for mesh in ("U", "sigma", "V"))
        field = attenuator_field(sigma).to(dtype.to_complex())
        matrices = mesh_matrix(u_layout, u, dtype), mesh_matrix(v_layout, v, dtype)
        tiles = tile_matrices(matrices[0], field, matrices[1])
        parts = tiles.split([programs[i].num_tiles for i in members])
        weights |= {
            i: programs[i].join_tiles(part.unflatten(0, programs[i].grid_shape), scales[i])
            for i, part in zip(members, parts, strict=True)
        }
    return [weights[i] for i in range(len(programs))]


def _joined(states: Sequence[MeshState]) -> MeshState:
    """Meshes of all tiles of several layers in one batch dimension."""

    def join(parts: Sequence[Tensor | None]) -> Tensor | None:
        return None if parts[0] is None else torch.cat([part.flatten(0, 1) for part in parts])

    return MeshState(*map(join, zip(*states, strict=True)))


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
    names = [program.name for program in programs]
    if len(set(names)) < len(names):
        raise ValueError(f"layers must have different names, or they share their draws: {names}")
    states = []
    for program, command in zip(programs, commands, strict=True):
        errors = layer_errors(program, chip, shot)
        layouts = mesh_layouts(program)
        states.append(
            {
                mesh: realised_state(
                    command.phases[mesh], errors[mesh], chip.hardware, layouts[mesh]
                )
                for mesh in MESHES
            }
        )
    scales = [
        command.scale * electronic_gain(program, chip.hardware)
        for program, command in zip(programs, commands, strict=True)
    ]
    return weights_from_states(programs, states, scales, dtype)


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
