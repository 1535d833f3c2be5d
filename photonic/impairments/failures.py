"""Shifters that do not do what they are told: stuck, dead, or held at full scale."""

import numpy as np
from numpy.typing import NDArray

_TURN = 2 * np.pi


def failed_phases(
    stuck_probability: float,
    dead_probability: float,
    full_scale_probability: float,
    full_scale_rad: float,
    shape: tuple[int, ...],
    generator: np.random.Generator,
) -> NDArray[np.float64] | None:
    """Driven phases of the shifters that failed: U[0, 2 pi) if stuck, 0 if dead, or full scale.

    A dead heater is not driven, so it warms no neighbour, but its neighbours warm it. One uniform
    number decides what happens to a shifter and a second one the phase at which it may be stuck, so
    the count of draws is fixed, and a larger probability with the same generator keeps all earlier
    failures.

    Args:
        stuck_probability: chance of a random phase.
        dead_probability: chance of an open heater.
        full_scale_probability: chance of the full scale; the three add to at most 1.
        full_scale_rad: [rad] phase at the full scale of the drive.
        shape: shape of the shifters.
        generator: source of randomness.

    Returns:
        ``shape`` [rad] driven phases, NaN where a shifter works; None if all probabilities are 0.

    Source: assumed; the control software of the Stanford mesh (solgaardlab/phox) keeps a list of
    broken shifters. No published yield of a mesh was found.
    """
    if not (stuck_probability or dead_probability or full_scale_probability):
        return None
    lot, phase = generator.uniform(size=(2, *shape))
    is_stuck = lot < stuck_probability
    is_dead = ~is_stuck & (lot < stuck_probability + dead_probability)
    # Counted from the other end, so that no other probability moves these shifters.
    is_full = lot >= 1 - full_scale_probability
    cases = [is_stuck, is_dead, is_full]
    return np.select(cases, [_TURN * phase, 0.0, full_scale_rad], default=np.nan)
