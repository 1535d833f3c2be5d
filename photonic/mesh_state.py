"""What the light meets in the meshes of a drawn chip: commanded and realised phases, and errors.

A tile has three meshes, V, sigma and U in the order of the light. The shifters of a mesh are kept
in one flat order: theta of each MZI, phi of each MZI, then the output screen (none for sigma, whose
attenuators are isolated MZIs, heated by no neighbour).
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from photonic.chip import Chip
from photonic.conventions import wrap_phase
from photonic.hardware import HardwareConfig
from photonic.impairments.crosstalk import apply_crosstalk, precompensate_crosstalk
from photonic.impairments.quantisation import quantise_phase
from photonic.layout import MeshLayout
from photonic.phases import MeshPhases
from photonic.program import Program

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
