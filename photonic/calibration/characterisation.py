"""Characterisation of a chip: factor and bias of each phase shifter, from outputs alone.

Every result is read off fringes, output powers as functions of one command; no gradient and no
model of the individual chip is used. How the fringes are taken is described in ``survey``. Biases
may be of any size.

**What powers cannot see.** The output screen of U is read by homodyne, as the tensor core reads its
outputs anyway, and the factors of the V screen and of the attenuators' phi with it. The biases of
the V screen, of the attenuators' phi and of the first phi behind them add up along a mode: only
their sum has a meaning. The first two are set to 0, and the biases of U make up for them. So U and
V are realised up to phases of the modes between them, which cancel in the product.

**Errors left.** Noise of the readings; coupler errors and crosstalk within a scan, in second order;
a converter of one turn, which does not reach the last 2 pi (1 - gamma) of a weak heater.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from photonic.calibration.bench import Bench
from photonic.calibration.chip_estimate import reachable_command
from photonic.calibration.survey import Survey
from photonic.conventions import wrap_phase
from photonic.hardware import HardwareConfig
from photonic.impairments.crosstalk import precompensate_crosstalk
from photonic.mesh_state import Commands, mesh_layouts, target_phases
from photonic.program import Program

# Shapes: R, C tiles, S shifters of a mesh.

_SETTLED_RAD = 0.1
"""[rad] Change in a pass below which the errors left, squared in each pass, are small."""


@dataclass(frozen=True, eq=False)
class Characterisation:
    """Measured chain of all shifters of a layer, phase = Omega (gamma command) + bias."""

    gamma: Mapping[str, Tensor]
    """By mesh, (R, C, S) factors on the driven phases."""
    bias: Mapping[str, Tensor]
    """By mesh, (R, C, S) [rad] in [-pi, pi), in the gauge of the module."""
    last_change: Tensor
    """(R, C) [rad] largest change of a bias of U or V in the last pass; large = not converged."""
    num_passes: int
    """Passes over all columns."""
    num_settings: int
    """How often phases were set."""
    num_reads: int
    """Input vectors sent through every tile."""


def characterise(bench: Bench, *, num_commands: int = 12, max_passes: int = 12) -> Characterisation:
    """Factors and biases of all shifters behind a bench.

    Args:
        bench: square tiles to measure; their phases are changed.
        num_commands: T, equally spaced commands of a fringe over the range of the drive; more of
            them average more noise.
        max_passes: passes over all columns; fewer once no bias moves by more than 0.1 rad.

    Returns:
        The characterisation, with its cost in settings and reads.

    Raises:
        ValueError: if tiles are not square, or there are too few commands or passes.
    """
    if max_passes < 1:
        raise ValueError(f"`max_passes` must be at least 1, got {max_passes}")
    settings, reads = bench.num_settings, bench.num_reads
    survey = Survey(bench, num_commands)
    survey.measure_attenuators_by_total_power()
    num_passes, change = 0, torch.tensor(math.inf)
    while num_passes < max_passes and (change > _SETTLED_RAD).any():
        change = survey.measure_meshes()
        survey.measure_attenuators()
        num_passes += 1
    survey.measure_screens()
    return Characterisation(
        survey.estimate.gamma,
        survey.estimate.bias,
        change,
        num_passes,
        bench.num_settings - settings,
        bench.num_reads - reads,
    )


def characterised_commands(
    program: Program,
    hardware: HardwareConfig,
    characterisation: Characterisation,
    phases: Mapping[str, Tensor] | None = None,
) -> Commands:
    """What a controller asks for that knows this chip.

    Omega^-1 (phase - bias)/gamma with crosstalk compensation, (phase - bias)/gamma without.

    Args:
        program: ideal settings of the layer that was characterised.
        hardware: data sheet.
        characterisation: measured on this chip.
        phases: by mesh, (R, C, S) [rad] targets in place of those of the program.

    Returns:
        Commands for which weights differ from their targets by errors of the measurement, of
        couplers and losses, and of the converter.

    Raises:
        ValueError: if crosstalk cannot be compensated with positive commands.
    """
    targets = target_phases(program) if phases is None else phases
    commands = {}
    for mesh, layout in mesh_layouts(program).items():
        gamma, bias = characterisation.gamma[mesh], characterisation.bias[mesh]
        if hardware.is_precompensated and layout is not None:
            known = {"gamma": gamma.numpy(), "bias": bias.numpy()}
            target = wrap_phase(targets[mesh]).numpy()
            solved = precompensate_crosstalk(target, layout, hardware, **known)
            commands[mesh] = torch.from_numpy(solved)
        else:
            driven = wrap_phase(targets[mesh] - bias)
            commands[mesh] = reachable_command(driven, gamma, hardware)
    return Commands(commands, program.scale)
