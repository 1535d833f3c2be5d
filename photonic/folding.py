"""Settings of any value brought into the ranges of the conventions, without changing the matrix."""

import math

import torch

from photonic.checks import instance
from photonic.conventions import TWO_PI, wrap_phase
from photonic.layout import MeshLayout
from photonic.phases import MeshPhases


def fold_phases(layout: MeshLayout, phases: MeshPhases) -> MeshPhases:
    """Settings in the ideal ranges that perform the same matrix.

    M(2 pi - theta, phi) = exp(-i theta) diag(1, -1) M(theta, phi + pi) brings theta into
    [0, pi]; the phases p, q behind the interferometer travel on to the next one, where
    M(theta, phi) diag(exp(i p), exp(i q)) = exp(i q) M(theta, phi + p - q), and end in the screen.

    Args:
        layout: wiring of N modes.
        phases: settings of any real value.

    Returns:
        Detached settings: theta in [0, pi], phi and output_phase in [0, 2 pi); the same transfer
        matrix within rounding.

    Raises:
        TypeError: if an argument is not of its kind.
        ValueError: if the settings are not those of the layout.

    Source: conventions.py, items 5 and 8.
    """
    instance("layout", layout, MeshLayout)
    instance("phases", phases, MeshPhases)
    if (phases.num_modes, phases.num_mzis) != (layout.num_modes, layout.num_mzis):
        raise ValueError(
            f"`phases` must be of {layout.num_modes} modes and {layout.num_mzis} interferometers, "
            f"got {phases.num_modes} and {phases.num_mzis}"
        )
    theta = wrap_phase(phases.theta.detach())
    phi, carried = phases.phi.detach().clone(), torch.zeros_like(phases.output_phase)
    folded = (theta > math.pi).to(theta.dtype)
    theta = theta + folded * (TWO_PI - 2 * theta)
    for mzis, modes, span in layout.columns():
        pairs = carried[..., modes].unflatten(-1, (-1, 2, span))
        upper, lower = (part.flatten(-2) for part in pairs.unbind(-2))
        half_turn = math.pi * folded[..., mzis]
        phi[..., mzis] += upper - lower + half_turn
        common = lower - theta[..., mzis] * folded[..., mzis]
        behind = torch.stack((common, common + half_turn), -1)
        carried[..., modes] = behind.unflatten(-2, (-1, span)).transpose(-1, -2).flatten(-3)
    output_phase = phases.output_phase.detach() + carried
    return MeshPhases(theta, wrap_phase(phi), wrap_phase(output_phase))
