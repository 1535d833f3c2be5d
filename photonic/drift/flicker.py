"""1/f drift as a sum of independent Ornstein-Uhlenbeck processes, one per decade of time."""

import math

import numpy as np

from photonic.drift.paths import OrnsteinUhlenbeck


def flicker_laws(
    sigma_rad: float, tau_min_s: float, tau_max_s: float
) -> tuple[OrnsteinUhlenbeck, ...]:
    """Processes whose sum has the spectrum sigma^2 4 (pi/2)/(ln(10) omega) between the ends.

    A process of correlation time tau has the one-sided spectrum 4 sigma^2 tau/(1 + (omega tau)^2)
    over frequency omega/(2 pi). With equal sigma and one tau per decade their sum follows 1/omega
    within 11 % from omega = 1/tau_max to 1/tau_min: 6 % ripple, and half a decade lost at each end.

    Args:
        sigma_rad: [rad] stationary std of each process.
        tau_min_s: [s] shortest correlation time.
        tau_max_s: [s] longest correlation time.

    Returns:
        Processes with correlation times from ``tau_min_s`` to ``tau_max_s``, a factor as near to 10
        apart as both ends allow; one process if they are less than half a decade apart.

    Raises:
        ValueError: if ``tau_min_s`` exceeds ``tau_max_s``.

    Source: Milotti, 1/f noise: a pedagogical review, arXiv:physics/0204033 (2002), on the
    superposition of relaxation processes.
    """
    if tau_min_s > tau_max_s:
        raise ValueError(
            f"`flicker_tau_min_s` must be at most `flicker_tau_max_s`, got {tau_min_s:g} and "
            f"{tau_max_s:g}"
        )
    count = 1 + round(math.log10(tau_max_s / tau_min_s))
    taus = np.geomspace(tau_min_s, tau_max_s, count)
    return tuple(OrnsteinUhlenbeck(sigma_rad, float(tau)) for tau in taus)
