"""The weights that a drawn chip realises when it is programmed.

Order of application: target phases -> wrap -> crosstalk pre-compensation -> converter -> drive
coefficient -> crosstalk -> bias residue -> drift -> static phase noise -> shot noise -> coupler
angles -> loss -> transfer matrices -> weights. An ideal chip takes the same path and draws nothing.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from photonic.chip import Chip
from photonic.hardware import HardwareConfig
from photonic.impairments.loss import loss_gain
from photonic.layout import MeshLayout
from photonic.mesh_state import MESHES, MeshState, commanded_phases, realised_state
from photonic.program import Program, tile_matrices
from photonic.propagation import transfer_matrix

# Shapes: R, C tiles, M MZIs of a mesh, N modes, S = 2 M + N shifters, r attenuators.
_Floats = NDArray[np.float64]


def mesh_matrix(layout: MeshLayout, state: MeshState, dtype: torch.dtype) -> Tensor:
    """Transfer matrix of a mesh in a given state.

    Args:
        layout: wiring of the mesh.
        state: phases and errors, (..., S) and so on.
        dtype: real dtype of the propagation.

    Returns:
        (..., N, N) complex, ``[out, in]``; unitary without loss.
    """
    m = layout.num_mzis
    phase = torch.from_numpy(state.phase).to(dtype)
    errors = (None if x is None else torch.from_numpy(x).to(dtype) for x in state[1:])
    coupler_error, insertion_loss_db = errors
    return transfer_matrix(
        layout,
        phase[..., :m],
        phase[..., m : 2 * m],
        phase[..., 2 * m :],
        coupler_error=coupler_error,
        insertion_loss_db=insertion_loss_db,
    )


def attenuator_field(state: MeshState) -> NDArray[np.complex128]:
    """Field that each attenuator, an MZI used from bar to bar, lets through.

    g e^{i (phi + theta/2)} (i sin(theta/2) cos(a - b) - cos(theta/2) sin(a + b)),
    g = 10^(-insertion_loss_db/20).

    Args:
        state: phases (..., 2 r), theta then phi, and errors.

    Returns:
        (..., r) complex; the real attenuation for ideal settings.

    Source: element M00 of the MZI, reference 1.2.
    """
    theta, phi = np.split(state.phase, 2, axis=-1)
    sine, cosine = np.sin(theta / 2), np.cos(theta / 2)
    if state.coupler_error is None:
        bar = 1j * sine
    else:
        a, b = state.coupler_error[..., 0], state.coupler_error[..., 1]
        bar = 1j * sine * np.cos(a - b) - cosine * np.sin(a + b)
    field = np.exp(1j * (phi + theta / 2)) * bar
    if state.insertion_loss_db is not None:
        field = field * 10 ** (-state.insertion_loss_db / 20)
    return field


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
    return weights_from_states([program], [states], dtype)[0]


def weights_from_states(
    programs: Sequence[Program], states: Sequence[dict[str, MeshState]], dtype: torch.dtype
) -> list[Tensor]:
    """Weights of several programs; tiles of the same wiring pass in one batch.

    Args:
        programs: as in ``weight_from_states``.
        states: of each program, batch shape (R, C) each, all with the same kinds of errors.
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
        field = torch.from_numpy(attenuator_field(sigma)).to(dtype.to_complex())
        matrices = mesh_matrix(u_layout, u, dtype), mesh_matrix(v_layout, v, dtype)
        tiles = tile_matrices(matrices[0], field, matrices[1])
        parts = tiles.split([programs[i].num_tiles for i in members])
        weights |= {
            i: programs[i].join_tiles(part.unflatten(0, programs[i].grid_shape))
            for i, part in zip(members, parts, strict=True)
        }
    return [weights[i] for i in range(len(programs))]


def _joined(states: Sequence[MeshState]) -> MeshState:
    """Meshes of all tiles of several layers in one batch dimension."""

    def join(parts: Sequence[_Floats | None]) -> _Floats | None:
        return None if parts[0] is None else np.concatenate([_flat(part) for part in parts])

    return MeshState(*map(join, zip(*states, strict=True)))


def _flat(part: _Floats) -> _Floats:
    """(R, C, ...) with both tile dimensions joined."""
    return part.reshape(-1, *part.shape[2:])


def realise(
    program: Program,
    chip: Chip,
    time_s: float = 0.0,
    shot: int = 0,
    *,
    dtype: torch.dtype = torch.float64,
) -> Tensor:
    """Weight matrix that a chip applies when it is given a program.

    Errors are drawn once for the whole tile grid of each mesh, under the names "layer/V",
    "layer/sigma" and "layer/U". With ``is_loss_compensated`` the weight is multiplied by
    10^(L (n_U + n_V + 1)/20), L the mean loss and n = 2 num_mzis/num_modes the mean number of MZIs
    that light crosses in a mesh.

    Args:
        program: ideal settings of a layer.
        chip: drawn chip; an ideal one gives ``program.weight()`` within rounding.
        time_s: [s] time since the calibration, for drift.
        shot: index of the shot, for shot noise.
        dtype: real dtype of the propagation and of the result.

    Returns:
        (out_features, in_features) real weight on the CPU.

    Raises:
        ValueError: if a mesh is too large for the hardware, the drive cannot reach a phase, or the
            time is out of range.
    """
    return realise_all([program], chip, time_s, shot, dtype=dtype)[0]


def realise_all(
    programs: Sequence[Program],
    chip: Chip,
    time_s: float = 0.0,
    shot: int = 0,
    *,
    dtype: torch.dtype = torch.float64,
) -> list[Tensor]:
    """Weight matrices that a chip applies when it is given the programs of several layers.

    All tiles of all layers that have the same wiring pass in one batch. Arguments, errors and the
    bits of each weight are those of ``realise``.

    Args:
        programs: ideal settings of each layer, with different names.
        chip: drawn chip.
        time_s: [s] time since the calibration.
        shot: index of the shot.
        dtype: real dtype of the propagation and of the results.

    Returns:
        One (out_features, in_features) weight per program.
    """
    names = [program.name for program in programs]
    if len(set(names)) < len(names):
        raise ValueError(f"layers must have different names, or they share their draws: {names}")
    states = [_states(program, chip, time_s, shot) for program in programs]
    weights = weights_from_states(programs, states, dtype)
    return [weight * _gain(p, chip.hardware) for p, weight in zip(programs, weights, strict=True)]


def _states(program: Program, chip: Chip, time_s: float, shot: int) -> dict[str, MeshState]:
    """States of all meshes of a program on a chip."""
    commands = commanded_phases(program, chip.hardware)
    layouts = {"V": program.v_layout, "sigma": None, "U": program.u_layout}
    return {
        mesh: realised_state(
            commands[mesh], chip, f"{program.name}/{mesh}", layouts[mesh], time_s, shot
        )
        for mesh in MESHES
    }


def _gain(program: Program, hardware: HardwareConfig) -> float:
    """Electronic factor that makes up for the mean loss of a core."""
    if not hardware.insertion_loss_db or not hardware.is_loss_compensated:
        return 1.0
    layouts = program.u_layout, program.v_layout
    crossed = 1 + sum(2 * layout.num_mzis / layout.num_modes for layout in layouts)
    return loss_gain(hardware.insertion_loss_db, crossed)
