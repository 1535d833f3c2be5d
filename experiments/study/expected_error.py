"""Expected square error of a layer whose phases are set by a drive that is not perfect, exactly.

What rounding and known crosstalk make of the phases is the same on every chip of a description.
Around these phases ``photonic.expected_weight_error`` is exact, and the mean of the weights is a
product of means; together they give the error against the digital weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from photonic import HardwareConfig, Program, expected_weight_error, mean_transfer_matrix
from photonic.layout import MeshLayout
from photonic.mesh_errors import MeshErrors
from photonic.mesh_state import mesh_layouts, nominal_commands, state_of_driven
from photonic.phase_chain import driven_phase
from photonic.phases import MeshPhases

# Shapes: R, C tiles of a layer, S shifters of a mesh, r attenuators.


@dataclass(frozen=True, eq=False, kw_only=True)
class SetProgram(Program):
    """A program whose attenuators have any phases.

    Attributes:
        attenuators: (R, C, r) [rad] theta and phi; ``attenuation`` is their amplitude.
    """

    attenuators: tuple[Tensor, Tensor]

    def attenuator_phases(self) -> tuple[Tensor, Tensor]:
        """Theta and phi of the attenuators, (R, C, r) [rad]."""
        return self.attenuators


def set_program(program: Program, hardware: HardwareConfig) -> SetProgram:
    """The phases that light meets on a chip of a description without any drawn error.

    Args:
        program: ideal settings of a layer.
        hardware: converter and crosstalk.

    Raises:
        ValueError: if the drive cannot reach a phase.
    """
    asked = nominal_commands(program, hardware).phases
    met = {
        mesh: state_of_driven(driven_phase(asked[mesh], hardware), MeshErrors(), hardware, layout)
        for mesh, layout in mesh_layouts(program).items()
    }
    theta, phi = met["sigma"].phase.chunk(2, dim=-1)
    return SetProgram(
        name=program.name,
        out_features=program.out_features,
        in_features=program.in_features,
        u_layout=program.u_layout,
        v_layout=program.v_layout,
        u=_mesh_phases(met["U"].phase, program.u_layout),
        v=_mesh_phases(met["V"].phase, program.v_layout),
        attenuation=(theta / 2).sin().clamp(0, 1),
        scale=program.scale,
        attenuators=(theta, phi),
    )


def _mesh_phases(phase: Tensor, layout: MeshLayout) -> MeshPhases:
    """Phases in flat order as settings of a mesh."""
    return MeshPhases(*phase.split([layout.num_mzis, layout.num_mzis, layout.num_modes], dim=-1))


def expected_square(program: SetProgram, weight: Tensor, stds: Mapping[str, float]) -> float:
    """E||W~ - W||^2 of a layer whose phases are those of a program plus independent normal errors.

    With M = E W~ and any reference P, E||W~ - W||^2 = E||W~ - P||^2 - ||M - P||^2 + ||M - W||^2;
    P is the weight of the program with attenuators that turn no phase.

    Args:
        program: phases without errors.
        weight: (out_features, in_features) W, of the digital layer.
        stds: [rad] standard deviation of the phases of "V", "sigma" and "U".
    """
    mean = _mean_weight(program, stds)
    square = (mean - weight.to(mean)).square().sum().item()
    if not any(stds.values()):
        return square
    around = expected_weight_error(program, stds).sum().item()
    return around - (mean - program.weight()).square().sum().item() + square


def _mean_weight(program: SetProgram, stds: Mapping[str, float]) -> Tensor:
    """E W~: meshes and attenuators are independent; a phasor with noise s shrinks by e^(-s^2/2)."""
    u, v = (
        mean_transfer_matrix(layout, phases.theta, phases.phi, phases.output_phase, stds[mesh])
        for mesh, layout, phases in (
            ("U", program.u_layout, program.u),
            ("V", program.v_layout, program.v),
        )
    )
    shrink = torch.tensor(-(stds["sigma"] ** 2) / 2, dtype=torch.float64).exp()
    internal, external = (
        shrink * torch.polar(torch.ones_like(phase), phase) for phase in program.attenuators
    )
    return program.assemble(u, (internal - 1) / 2 * external, v)
