"""Gaussian drift processes of all shifters: a part of their own and a part in common."""

import math

import numpy as np
from numpy.typing import NDArray

from photonic.drift.flicker import flicker_laws
from photonic.drift.paths import DriftLaw, OrnsteinUhlenbeck, RandomWalk, drift_path
from photonic.hardware.config import HardwareConfig

_SECONDS_PER_HOUR = 3600.0
_Key = tuple[str | int, ...]


def process_laws(hardware: HardwareConfig) -> dict[_Key, DriftLaw]:
    """The Gaussian processes of a chip description, by the name of their draws.

    Args:
        hardware: chip description.

    Raises:
        ValueError: if the correlation times of the 1/f drift are in the wrong order.
    """
    laws: dict[_Key, DriftLaw] = {}
    if hardware.has("random_walk"):
        rate = hardware.random_walk_rad_per_sqrt_hour**2 / _SECONDS_PER_HOUR
        laws["random_walk",] = RandomWalk(rate)
    if hardware.has("ornstein_uhlenbeck"):
        law = OrnsteinUhlenbeck(hardware.ou_sigma_rad, hardware.ou_time_constant_s)
        laws["ornstein_uhlenbeck",] = law
    if hardware.has("flicker"):
        taus = hardware.flicker_tau_min_s, hardware.flicker_tau_max_s
        for number, law in enumerate(flicker_laws(hardware.flicker_sigma_rad, *taus)):
            laws["flicker", number] = law
    return laws


def process_drift(
    laws: dict[_Key, DriftLaw],
    common_fraction: float,
    shape: tuple[int, ...],
    time_s: float,
    seed: int,
    chip_index: int,
    mesh: str,
) -> NDArray[np.float64] | None:
    """Sum over processes of d_k = sqrt(1 - f) own_k + sqrt(f) common, f = ``common_fraction``.

    The common part is one path per process and chip, the same in every mesh; the own part is one
    path per shifter. Both have the law of the process, so that f is the correlation of any two
    shifters of a chip.

    Args:
        laws: processes by the name of their draws.
        common_fraction: share f of the variance that all shifters of a chip have in common.
        shape: shape of the shifters.
        time_s: [s] time since the calibration.
        seed: seed of the run.
        chip_index: number of the chip within the run.
        mesh: name of the mesh.

    Returns:
        ``shape`` [rad], 0 at time 0; None without processes.
    """
    own = common = None
    for key, law in laws.items():
        if common_fraction < 1:
            path = drift_path(time_s, law, shape, seed, chip_index, mesh, "drift", *key)
            own = path if own is None else own + path
        if common_fraction > 0:
            path = drift_path(time_s, law, (), seed, chip_index, "drift", *key)
            common = path if common is None else common + path
    if common is None:
        return own
    shared = math.sqrt(common_fraction) * common
    return np.full(shape, shared) if own is None else math.sqrt(1 - common_fraction) * own + shared
