"""Conversion between a lumped phase error and the amplitude fidelity of Haar targets.

Published chips state how well they meet random unitaries, as an amplitude fidelity. The lumped
phase error is the std of independent errors on all shifters that makes an otherwise perfect mesh
equally good; it stands for couplers, crosstalk and read-out too. Both directions are Monte Carlo
with the same draws for every std.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import scipy
import torch
from torch import Tensor

from photonic.checks import real_number, whole_number
from photonic.haar import haar_phases
from photonic.layout import MeshLayout
from photonic.propagation import transfer_matrix
from photonic.quality import amplitude_fidelity as fidelity_between
from photonic.randomness import keyed_generator

_NUM_DRAWS = 2000
_LARGEST_SIGMA = 1.0
"""[rad]; beyond it a mesh is nearly random and its fidelity says little."""
_SIGMA_STEP = 0.01
"""Relative step of the slope at the solution."""
_SIGMA_TOLERANCE = 1e-14
"""[rad]; the draws are fixed, so that the solution is limited by rounding alone."""


class Estimate(NamedTuple):
    """Result of a Monte Carlo calculation."""

    value: float
    """Estimated quantity."""
    standard_error: float
    """Its standard error from the scatter of the draws."""


def amplitude_fidelity_of_sigma(
    sigma: float,
    num_modes: int,
    mesh: str = "clements",
    *,
    num_draws: int = _NUM_DRAWS,
    seed: int = 0,
) -> Estimate:
    """Mean amplitude fidelity of Haar targets on a mesh with a lumped phase error.

    F = E (1/N) sum_ij |U_ij| |U~_ij|, where U~ has sigma n added to every theta, phi and output
    phase of U, n independent standard normal.

    Args:
        sigma: [rad] std of the phase errors.
        num_modes: number N of waveguides.
        mesh: "clements" or "reck".
        num_draws: pairs of target and errors.
        seed: seed of the draws; the same seed gives the same pairs for every sigma.

    Returns:
        F, 1 for sigma = 0, and its standard error.

    Raises:
        ValueError: if sigma is negative or not finite, there are fewer than two draws, or the mesh
            has no Haar statistics.

    Source: amplitude fidelity as in Taballione et al., arXiv:2203.01801 (2023).
    """
    sigma = real_number("sigma", sigma, 0.0)
    return _mean(_sampler(num_modes, mesh, num_draws, seed)(sigma))


def lumped_phase_error(
    amplitude_fidelity: float,
    num_modes: int,
    mesh: str = "clements",
    *,
    num_draws: int = _NUM_DRAWS,
    seed: int = 0,
) -> Estimate:
    """Lumped phase error [rad] at which Haar targets have a given mean amplitude fidelity.

    The root of ``amplitude_fidelity_of_sigma`` for the draws of the seed. Its standard error is
    that of the fidelity over the slope.

    Args:
        amplitude_fidelity: published mean over Haar targets, in (0, 1].
        num_modes: number N of waveguides.
        mesh: "clements" or "reck".
        num_draws: pairs of target and errors.
        seed: seed of the draws.

    Returns:
        Std of the phase errors [rad], at most 1, and its standard error.

    Raises:
        ValueError: if the fidelity is outside (0, 1] or lower than phase errors of 1 rad make it,
            there are fewer than two draws, or the mesh has no Haar statistics.

    Source: derived; amplitude fidelity as in Taballione et al., arXiv:2203.01801 (2023).
    """
    if not 0 < amplitude_fidelity <= 1:
        raise ValueError(f"`amplitude_fidelity` must lie in (0, 1], got {amplitude_fidelity}")
    sample = _sampler(num_modes, mesh, num_draws, seed)
    if amplitude_fidelity == 1:
        return Estimate(0.0, 0.0)
    lowest = _mean(sample(_LARGEST_SIGMA)).value
    if amplitude_fidelity < lowest:
        raise ValueError(
            f"`amplitude_fidelity` {amplitude_fidelity:g} is not that of a small phase error: "
            f"{_LARGEST_SIGMA:g} rad on {num_modes} modes leave {lowest:.3f}"
        )
    sigma = scipy.optimize.brentq(
        lambda trial: _mean(sample(trial)).value - amplitude_fidelity,
        0.0,
        _LARGEST_SIGMA,
        xtol=_SIGMA_TOLERANCE,
    )
    step = _SIGMA_STEP * sigma
    slope = (_mean(sample(sigma + step)).value - _mean(sample(sigma - step)).value) / (2 * step)
    return Estimate(sigma, _mean(sample(sigma)).standard_error / abs(slope))


def _sampler(num_modes: int, mesh: str, num_draws: int, seed: int) -> Callable[[float], Tensor]:
    """Function from sigma to the (num_draws,) amplitude fidelities of fixed targets and errors."""
    num_draws = whole_number("num_draws", num_draws, 2)
    layout = MeshLayout(mesh, num_modes)
    key = mesh, num_modes
    phases = haar_phases(layout, num_draws, generator=keyed_generator(seed, "haar", *key))
    settings = phases.theta, phases.phi, phases.output_phase
    generator = keyed_generator(seed, "lumped", *key)
    errors = [torch.from_numpy(generator.standard_normal(tuple(x.shape))) for x in settings]
    target = transfer_matrix(layout, *settings)

    def sample(sigma: float) -> Tensor:
        noisy = (x + sigma * error for x, error in zip(settings, errors, strict=True))
        return fidelity_between(target, transfer_matrix(layout, *noisy))

    return sample


def _mean(samples: Tensor) -> Estimate:
    return Estimate(samples.mean().item(), samples.std().item() / math.sqrt(len(samples)))
