"""One drawn chip: its frozen fabrication errors, and its errors at a time and in a shot.

A chip stores nothing but its key. Each method draws one effect for one named mesh from the key
(seed, chip, mesh, effect[, time or shot]), so the same call gives the same bits everywhere.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from photonic.drift import DriftLaw, OrnsteinUhlenbeck, RandomWalk, drift_path
from photonic.hardware import HardwareConfig
from photonic.impairments.bias import bias_residual
from photonic.impairments.coupler import coupler_errors
from photonic.impairments.gamma import gamma_factors
from photonic.impairments.loss import insertion_losses
from photonic.impairments.phase_noise import phase_noise
from photonic.randomness import keyed_generator

_Draw = NDArray[np.float64] | None
_SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True)
class Chip:
    """A chip drawn from a description; equal keys are the same chip, bit for bit.

    Every method takes the name of a mesh (for a program: "layer/U", "layer/sigma", "layer/V") and
    the shape of its shifters or MZIs, batch first. It returns None when the effect is absent.
    """

    hardware: HardwareConfig
    """Description that the chip is drawn from."""
    seed: int = 0
    """Seed of the run."""
    index: int = 0
    """Number of the chip within the run."""

    def generator(self, mesh: str, effect: str, *key: int) -> np.random.Generator:
        """Generator of one effect on one mesh; ``key`` adds a shot or another index."""
        return keyed_generator(self.seed, self.index, mesh, effect, *key)

    def gamma_factors(self, mesh: str, shape: tuple[int, ...]) -> _Draw:
        """``shape`` factors on the driven phases; see ``impairments.gamma``."""
        return gamma_factors(self.hardware.gamma_spread, shape, self.generator(mesh, "gamma"))

    def bias_residual(self, mesh: str, shape: tuple[int, ...]) -> _Draw:
        """``shape`` [rad] bias left by calibration; see ``impairments.bias``."""
        return bias_residual(self.hardware.bias_residual_rad, shape, self.generator(mesh, "bias"))

    def static_phase_noise(self, mesh: str, shape: tuple[int, ...]) -> _Draw:
        """``shape`` [rad] phase errors of this chip; see ``impairments.phase_noise``."""
        return phase_noise(self.hardware.phase_noise_rad, shape, self.generator(mesh, "phase"))

    def shot_phase_noise(self, mesh: str, shape: tuple[int, ...], shot: int) -> _Draw:
        """``shape`` [rad] phase errors of one shot; see ``impairments.phase_noise``."""
        generator = self.generator(mesh, "shot", shot)
        return phase_noise(self.hardware.shot_phase_noise_rad, shape, generator)

    def coupler_errors(self, mesh: str, shape: tuple[int, ...]) -> _Draw:
        """(``shape``, 2) [rad] coupler angle errors (a, b); see ``impairments.coupler``."""
        figures = self.hardware.coupler_sigma_rad, self.hardware.coupler_offset_rad
        return coupler_errors(*figures, shape, self.generator(mesh, "coupler"))

    def insertion_losses(self, mesh: str, shape: tuple[int, ...]) -> _Draw:
        """``shape`` [dB] losses of the MZIs; see ``impairments.loss``."""
        figures = self.hardware.insertion_loss_db, self.hardware.insertion_loss_std_db
        return insertion_losses(*figures, shape, self.generator(mesh, "loss"))

    def drift(self, mesh: str, shape: tuple[int, ...], time_s: float) -> _Draw:
        """``shape`` [rad] drift since the calibration at time 0.

        Args:
            mesh: name of the mesh.
            shape: shape of the shifters.
            time_s: [s] time since the calibration.

        Raises:
            ValueError: if the chip drifts and the time is outside its paths.
        """
        laws = self._drift_laws()
        if not laws:
            return None
        key = self.index, mesh, "drift"
        paths = [drift_path(time_s, law, shape, self.seed, *key, kind) for kind, law in laws]
        return sum(paths[1:], start=paths[0])

    def _drift_laws(self) -> list[tuple[str, DriftLaw]]:
        hardware, laws = self.hardware, []
        if hardware.random_walk_rad_per_sqrt_hour:
            rate = hardware.random_walk_rad_per_sqrt_hour**2 / _SECONDS_PER_HOUR
            laws.append(("random_walk", RandomWalk(rate)))
        if hardware.ou_sigma_rad and hardware.ou_time_constant_s:
            law = OrnsteinUhlenbeck(hardware.ou_sigma_rad, hardware.ou_time_constant_s)
            laws.append(("ornstein_uhlenbeck", law))
        return laws
