"""The weights that a drawn chip realises when it is programmed.

Order of application: target phases -> wrap -> crosstalk pre-compensation -> converter -> drive
coefficient -> crosstalk -> bias residue -> drift -> static phase noise -> shot noise -> coupler
angles -> loss -> transfer matrices -> weights. An ideal chip takes the same path and draws nothing.

A tile has three meshes, V, sigma and U in the order of the light. The shifters of a mesh are kept
in one flat order: theta of each MZI, phi of each MZI, then the output screen (none for sigma, whose
attenuators are isolated MZIs, heated by no neighbour).
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from photonic.chip import Chip
from photonic.conventions import wrap_phase
from photonic.hardware import HardwareConfig
from photonic.impairments.crosstalk import apply_crosstalk, precompensate_crosstalk
from photonic.impairments.loss import loss_gain
from photonic.impairments.quantisation import quantise_phase
from photonic.layout import MeshLayout
from photonic.phases import MeshPhases
from photonic.program import Program
from photonic.propagation import transfer_matrix

# Shapes: R, C tiles, M MZIs of a mesh, N modes, S = 2 M + N shifters, r attenuators.
_Floats = NDArray[np.float64]

MESHES = ("V", "sigma", "U")
"""The meshes of a tile, in the order of the light."""


class MeshState(NamedTuple):
    """What the light meets in a mesh or in the attenuators."""

    phase: _Floats
    """(..., S) [rad] phases, in flat order."""
    coupler_error: _Floats | None = None
    """(..., M, 2) [rad] coupler angle errors (a, b); None = 50:50."""
    insertion_loss_db: _Floats | None = None
    """(..., M) [dB] loss of each MZI; None = lossless."""


def flat_phases(phases: MeshPhases) -> _Floats:
    """Phases of a mesh in flat order, wrapped.

    Args:
        phases: settings of a mesh or of a batch of meshes.

    Returns:
        (..., S) [rad] in [0, 2 pi): theta, phi, output screen.
    """
    joined = torch.cat([phases.theta, phases.phi, phases.output_phase], dim=-1)
    return wrap_phase(joined).detach().cpu().numpy()


def target_phases(program: Program) -> dict[str, _Floats]:
    """Ideal phases of all tiles, wrapped, by mesh.

    Args:
        program: ideal settings of a layer.

    Returns:
        "V" and "U": (R, C, S) [rad]; "sigma": (R, C, 2 r) [rad], theta then phi of each attenuator.
    """
    sigma = wrap_phase(torch.cat(program.attenuator_phases(), dim=-1)).detach().cpu().numpy()
    return {"V": flat_phases(program.v), "sigma": sigma, "U": flat_phases(program.u)}


def commanded_phases(program: Program, hardware: HardwareConfig) -> dict[str, _Floats]:
    """Phases that the drive is asked for, before rounding, by mesh.

    Args:
        program: ideal settings of a layer.
        hardware: decides on pre-compensation and on the largest mesh.

    Returns:
        As ``target_phases``; with pre-compensation U and V are solved for crosstalk and may exceed
        2 pi.

    Raises:
        ValueError: if a mesh is too large for the hardware, or crosstalk cannot be compensated.
    """
    check_fits(program, hardware)
    phases = target_phases(program)
    if hardware.is_precompensated:
        for mesh, layout in (("V", program.v_layout), ("U", program.u_layout)):
            phases[mesh] = precompensate_crosstalk(phases[mesh], layout, hardware.crosstalk)
    return phases


def check_fits(program: Program, hardware: HardwareConfig) -> None:
    """Refuse a program whose meshes are larger than the hardware carries.

    Raises:
        ValueError: if a mesh has more than ``max_modes`` modes.
    """
    largest = max(program.u_layout.num_modes, program.v_layout.num_modes)
    limit = hardware.max_modes
    if limit is not None and largest > limit:
        raise ValueError(
            f"{hardware.name} carries at most {limit} modes, {program.name!r} needs {largest}; "
            f"map with --tile {limit} or less"
        )


def realised_state(
    command: _Floats,
    chip: Chip,
    name: str,
    layout: MeshLayout | None,
    time_s: float = 0.0,
    shot: int = 0,
) -> MeshState:
    """What the light meets when the drive is asked for some phases.

    Args:
        command: (..., S) [rad] commanded phases, in flat order.
        chip: drawn chip.
        name: key of the mesh in the draws of the chip.
        layout: wiring of the mesh; None for isolated attenuators.
        time_s: [s] time since the calibration.
        shot: index of the shot.

    Returns:
        Phases with all errors of the chip, its coupler errors and losses.

    Raises:
        ValueError: if the drive cannot reach a phase or the time is out of range.
    """
    shape = command.shape
    mzis = (*shape[:-1], shape[-1] // 2 if layout is None else layout.num_mzis)
    phase = quantise_phase(command, chip.hardware)
    factors = chip.gamma_factors(name, shape)
    if factors is not None:
        phase = phase * factors
    if layout is not None:
        phase = apply_crosstalk(phase, layout, chip.hardware.crosstalk)
    for error in (
        chip.bias_residual(name, shape),
        chip.drift(name, shape, time_s),
        chip.static_phase_noise(name, shape),
        chip.shot_phase_noise(name, shape, shot),
    ):
        if error is not None:
            phase = phase + error
    return MeshState(phase, chip.coupler_errors(name, mzis), chip.insertion_losses(name, mzis))


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
    u = mesh_matrix(program.u_layout, states["U"], dtype)
    v = mesh_matrix(program.v_layout, states["V"], dtype)
    sigma = torch.from_numpy(attenuator_field(states["sigma"])).to(u.dtype)
    return program.assemble(u, sigma, v)


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
    commands = commanded_phases(program, chip.hardware)
    layouts = {"V": program.v_layout, "sigma": None, "U": program.u_layout}
    states = {
        mesh: realised_state(
            commands[mesh], chip, f"{program.name}/{mesh}", layouts[mesh], time_s, shot
        )
        for mesh in MESHES
    }
    weight = weight_from_states(program, states, dtype)
    hardware = chip.hardware
    if hardware.insertion_loss_db and hardware.is_loss_compensated:
        crossed = 1 + sum(
            2 * layout.num_mzis / layout.num_modes
            for layout in (program.u_layout, program.v_layout)
        )
        weight = weight * loss_gain(hardware.insertion_loss_db, crossed)
    return weight
