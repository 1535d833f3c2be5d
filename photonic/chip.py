"""One drawn chip: its frozen fabrication errors, and its errors at a time and in a shot.

A chip stores nothing but its key. Each method draws one effect for one named mesh from the key
(seed, chip, mesh, effect[, time or shot]), so the same call gives the same bits everywhere.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from photonic.checks import instance, real_number, whole_number
from photonic.drift import HORIZON_S, ageing_factors, phase_drift
from photonic.drive import full_scale_phase
from photonic.hardware import HardwareConfig, load_hardware
from photonic.impairments.attenuator import attenuator_noise
from photonic.impairments.bias import bias_residual, uncalibrated_bias
from photonic.impairments.coupler import coupler_errors, dispersion_offset
from photonic.impairments.failures import failed_phases
from photonic.impairments.gamma import gamma_factors
from photonic.impairments.loss import arm_losses, edge_losses, insertion_losses
from photonic.impairments.phase_noise import phase_noise
from photonic.layout import MeshLayout
from photonic.mesh_errors import MeshErrors
from photonic.randomness import keyed_generator, stream_key
from photonic.streams import Draws, KeyedStreams
from photonic.threads import call_all

# Shapes: T meshes, S shifters of a mesh.

_Draw = NDArray[np.float64] | None

SMALLEST_SHARE = 16_384
"""Shifters from which effects are drawn on several threads."""


class Meshes(NamedTuple):
    """Meshes of one wiring that are drawn together."""

    names: tuple[str, ...]
    """Names, each with its own draws."""
    counts: tuple[int, ...]
    """Meshes of each name, T in all."""
    layout: MeshLayout | None
    """Wiring; None for isolated attenuators."""
    num_shifters: int
    """S, phase shifters per mesh."""

    @property
    def num_meshes(self) -> int:
        """T, meshes of all names."""
        return sum(self.counts)

    @property
    def shifter_shape(self) -> tuple[int, int]:
        """T and S."""
        return self.num_meshes, self.num_shifters

    @property
    def mzi_shape(self) -> tuple[int, int]:
        """T and the number of MZIs of a mesh; an attenuator is one MZI."""
        mzis = self.num_shifters // 2 if self.layout is None else self.layout.num_mzis
        return self.num_meshes, mzis


_Mesh = str | Meshes
"""Whose draws are meant: one mesh or one batch of meshes by name, or several names together."""


@dataclass(frozen=True)
class Chip:
    """A chip drawn from a description; equal keys are the same chip, bit for bit.

    Every method takes the name of a mesh (for a program: "layer/U", "layer/sigma", "layer/V") and
    the shape of its shifters or MZIs, batch first. It returns None when the effect is absent.

    Raises:
        TypeError: if the hardware is neither a description nor a name.
        ValueError: if the seed or the number is no integer, or the time is negative or beyond the
            simulated paths.
    """

    hardware: HardwareConfig
    """Description that the chip is drawn from; a name or a file is read by ``load_hardware``."""
    seed: int = 0
    """Seed of the run."""
    index: int = 0
    """Number of the chip within the run."""
    time_s: float = 0.0
    """Time since the calibration [s]."""

    def __post_init__(self) -> None:
        if isinstance(self.hardware, str | Path):
            object.__setattr__(self, "hardware", load_hardware(self.hardware))
        instance("hardware", self.hardware, HardwareConfig)
        object.__setattr__(self, "seed", whole_number("seed", self.seed))
        object.__setattr__(self, "index", whole_number("index", self.index, 0))
        object.__setattr__(self, "time_s", real_number("time_s", self.time_s))
        if not 0 <= self.time_s <= HORIZON_S:
            raise ValueError(f"`time_s` must lie in [0, {HORIZON_S}], got {self.time_s}")

    def at(self, time_s: float) -> Chip:
        """The same chip at another time [s] since its calibration; a pure function of time."""
        return dataclasses.replace(self, time_s=time_s)

    def generator(self, mesh: str, effect: str, *key: int) -> np.random.Generator:
        """Generator of one effect on one mesh; ``key`` adds a shot or another index."""
        return keyed_generator(self.seed, self.index, mesh, effect, *key)

    def mesh_errors(
        self,
        mesh: str,
        layout: MeshLayout | None,
        batch_shape: tuple[int, ...],
        num_shifters: int,
        shot: int = 0,
    ) -> MeshErrors:
        """All errors of a batch of meshes at the time of the chip.

        Args:
            mesh: name of the mesh.
            layout: wiring; None for isolated attenuators.
            batch_shape: shape of the batch, (R, C) for the tiles of a layer.
            num_shifters: S, phase shifters per mesh.
            shot: index of the shot.

        Returns:
            float64 tensors.
        """
        meshes = Meshes((mesh,), (math.prod(batch_shape),), layout, num_shifters)
        (errors,) = self.joint_errors([meshes], shot)
        parts = {effect: getattr(errors, effect) for effect in self._effects}
        return MeshErrors(
            **{
                effect: None if part is None else part.reshape(*batch_shape, *part.shape[1:])
                for effect, part in parts.items()
            }
        )

    def joint_errors(self, groups: Sequence[Meshes], shot: int = 0) -> list[MeshErrors]:
        """All errors of several groups of meshes, those of ``mesh_errors`` for each name.

        Args:
            groups: meshes of one wiring each.
            shot: index of the shot.

        Returns:
            For each group float64 tensors of batch shape (T,), name after name.
        """
        effects = self._effects
        tasks = [partial(draw, meshes, shot) for meshes in groups for draw in effects.values()]
        num_shifters = sum(math.prod(meshes.shifter_shape) for meshes in groups)
        # Of two threads each draws half of the groups, or of one the factors and the offsets.
        draws = call_all(tasks, grain=len(tasks) if num_shifters < SMALLEST_SHARE else 1)
        tensors = [None if draw is None else torch.from_numpy(draw) for draw in draws]
        size = len(effects)
        parts = (tensors[first : first + size] for first in range(0, len(tensors), size))
        return [MeshErrors(**dict(zip(effects, part, strict=True))) for part in parts]

    @property
    def _effects(self) -> dict[str, Callable[[Meshes, int], _Draw]]:
        """What draws each field of the errors of some meshes in a shot."""
        return {
            "gamma": lambda meshes, _: self._drive_factors(meshes, meshes.shifter_shape),
            "stuck": lambda meshes, _: self.failures(meshes, meshes.shifter_shape),
            "insertion_loss_db": lambda meshes, _: self.insertion_losses(meshes, meshes.mzi_shape),
            "offset": self._offsets,
            "coupler_error": lambda meshes, _: self.coupler_errors(meshes, meshes.mzi_shape),
            "arm_loss_db": lambda meshes, _: self._arm_losses(meshes),
        }

    @cached_property
    def _ages(self) -> bool:
        """True if anything changes with time; asked once, not for every mesh."""
        return self.hardware.has_drift

    def _drive_factors(self, mesh: _Mesh, shape: tuple[int, ...]) -> _Draw:
        return _product((self.gamma_factors(mesh, shape), self.ageing(mesh, shape)))

    def _offsets(self, meshes: Meshes, shot: int) -> _Draw:
        shape, is_attenuator = meshes.shifter_shape, meshes.layout is None
        return _sum(
            (
                self.bias(meshes, shape, is_attenuator=is_attenuator),
                self.drift(meshes, shape[:-1], shape[-1]),
                self.static_phase_noise(meshes, shape),
                self.attenuator_noise(meshes, shape) if is_attenuator else None,
                self.shot_phase_noise(meshes, shape, shot),
            )
        )

    def _arm_losses(self, meshes: Meshes) -> _Draw:
        layout, shape = meshes.layout, meshes.mzi_shape
        edges = None if layout is None else edge_losses(layout, self.hardware.edge_loss_db)
        return _sum((self.arm_losses(meshes, shape), _broadcast(edges, shape[:-1])))

    def gamma_factors(self, mesh: _Mesh, shape: tuple[int, ...]) -> _Draw:
        """``shape`` factors on the driven phases; see ``impairments.gamma``."""
        return self._drawn(gamma_factors, (self.hardware.gamma_spread,), shape, mesh, "gamma")

    def ageing(self, mesh: _Mesh, shape: tuple[int, ...]) -> _Draw:
        """``shape`` factors on the driven phases of aged heaters; see ``drift``."""
        if not self._ages:
            return None
        if isinstance(mesh, Meshes):
            return _by_name(mesh, self.ageing, shape)
        key = self.hardware, self.seed, self.index, mesh
        return ageing_factors(*key, shape[:-1], shape[-1], self.time_s)

    def failures(self, mesh: _Mesh, shape: tuple[int, ...]) -> _Draw:
        """``shape`` [rad] driven phases of failed shifters; see ``impairments.failures``."""
        hardware = self.hardware
        if not hardware.failure_probability:
            return None
        if isinstance(mesh, Meshes):
            return _by_name(mesh, self.failures, shape)
        return failed_phases(
            hardware.stuck_probability,
            hardware.dead_probability,
            hardware.full_scale_probability,
            full_scale_phase(hardware),
            shape,
            self.generator(mesh, "failure"),
        )

    def bias(self, mesh: _Mesh, shape: tuple[int, ...], *, is_attenuator: bool = False) -> _Draw:
        """``shape`` [rad] bias before or after calibration; see ``impairments.bias``."""
        hardware = self.hardware
        if is_attenuator and not hardware.is_attenuator_biased:
            return None
        if hardware.is_bias_calibrated:
            return self._drawn(bias_residual, (hardware.bias_residual_rad,), shape, mesh, "bias")
        return self._drawn(uncalibrated_bias, (hardware.bias_range_rad,), shape, mesh, "bias")

    def drift(self, mesh: _Mesh, batch_shape: tuple[int, ...], num_shifters: int) -> _Draw:
        """(``batch_shape``, ``num_shifters``) [rad] drift since the calibration; see ``drift``."""
        if not self._ages:
            return None
        if isinstance(mesh, Meshes):
            shape = *batch_shape, num_shifters
            return _by_name(mesh, lambda name, part: self.drift(name, part[:-1], part[-1]), shape)
        key = self.hardware, self.seed, self.index, mesh
        return phase_drift(*key, batch_shape, num_shifters, self.time_s)

    def static_phase_noise(self, mesh: _Mesh, shape: tuple[int, ...]) -> _Draw:
        """``shape`` [rad] phase errors of this chip; see ``impairments.phase_noise``."""
        return self._drawn(phase_noise, (self.hardware.phase_noise_rad,), shape, mesh, "phase")

    def attenuator_noise(self, mesh: _Mesh, shape: tuple[int, ...]) -> _Draw:
        """``shape`` [rad] further phase errors of attenuators; see ``impairments.attenuator``."""
        figures = (self.hardware.attenuator_noise_rad,)
        return self._drawn(attenuator_noise, figures, shape, mesh, "attenuator")

    def shot_phase_noise(self, mesh: _Mesh, shape: tuple[int, ...], shot: int) -> _Draw:
        """``shape`` [rad] phase errors of one shot; see ``impairments.phase_noise``."""
        figures = (self.hardware.shot_phase_noise_rad,)
        return self._drawn(phase_noise, figures, shape, mesh, "shot", shot)

    def coupler_errors(self, mesh: _Mesh, shape: tuple[int, ...]) -> _Draw:
        """(``shape``, 2) [rad] coupler angle errors (a, b); see ``impairments.coupler``."""
        hardware = self.hardware
        offset = hardware.coupler_offset_rad + dispersion_offset(
            hardware.coupler_slope_rad_per_nm, hardware.wavelength_offset_nm
        )
        figures = hardware.coupler_sigma_rad, offset
        return self._drawn(coupler_errors, figures, shape, mesh, "coupler")

    def insertion_losses(self, mesh: _Mesh, shape: tuple[int, ...]) -> _Draw:
        """``shape`` [dB] losses of the MZIs; see ``impairments.loss``."""
        figures = self.hardware.insertion_loss_db, self.hardware.insertion_loss_std_db
        return self._drawn(insertion_losses, figures, shape, mesh, "loss")

    def arm_losses(self, mesh: _Mesh, shape: tuple[int, ...]) -> _Draw:
        """(``shape``, 3, 2) [dB] losses of the arm sections; see ``impairments.loss``."""
        figures = self.hardware.arm_loss_db, self.hardware.arm_loss_std_db
        return self._drawn(arm_losses, figures, shape, mesh, "arm_loss")

    def _drawn(
        self,
        draw: Callable[..., _Draw],
        figures: tuple[float, ...],
        shape: tuple[int, ...],
        mesh: _Mesh,
        effect: str,
        *key: int,
    ) -> _Draw:
        """Errors of one effect; without figures nothing, not even a generator, which costs more."""
        if not any(figures):
            return None
        return draw(*figures, shape, self._streams(mesh, effect, *key))

    def _streams(self, mesh: _Mesh, effect: str, *key: int) -> Draws:
        """Source of one effect that draws once; its bits are those of ``generator``."""
        if isinstance(mesh, str):
            return self.generator(mesh, effect, *key)
        keys = [stream_key(self.seed, self.index, name, effect, *key) for name in mesh.names]
        return KeyedStreams(keys, mesh.counts)


def _by_name(
    meshes: Meshes, draw: Callable[[str, tuple[int, ...]], _Draw], shape: tuple[int, ...]
) -> _Draw:
    """Draws of (T, ...) meshes, a name at a time."""
    pairs = zip(meshes.names, meshes.counts, strict=True)
    draws = [draw(name, (count, *shape[1:])) for name, count in pairs]
    return None if any(part is None for part in draws) else np.concatenate(draws)


def _sum(draws: Iterable[_Draw]) -> _Draw:
    present = [draw for draw in draws if draw is not None]
    return sum(present[1:], start=present[0]) if present else None


def _product(draws: Iterable[_Draw]) -> _Draw:
    present = [draw for draw in draws if draw is not None]
    return np.prod(present, axis=0) if present else None


def _broadcast(array: _Draw, batch_shape: tuple[int, ...]) -> _Draw:
    return None if array is None else np.broadcast_to(array, (*batch_shape, *array.shape)).copy()
