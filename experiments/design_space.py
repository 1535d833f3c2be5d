"""Designs: the choices of a search over layouts, what each does and costs, and the best of them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from experiments.mapped import MappingSettings
from photonic import HardwareConfig
from photonic.cost import is_known
from photonic.singular_order import SingularOrder


class Design(BaseModel):
    """One way to lay out all dense layers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mesh: Literal["clements", "reck"]
    """Wiring of the meshes."""
    tile: Annotated[int, Field(ge=1, le=1024)]
    """Modes per tile."""
    order: SingularOrder
    """Which attenuator holds which singular value."""

    @property
    def name(self) -> str:
        """Mesh, tile and order in one word."""
        return f"{self.mesh}-{self.tile}-{self.order}"

    @property
    def settings(self) -> MappingSettings:
        """Settings that map a model so; tiles take turns where a chip holds too few."""
        return MappingSettings(
            mesh=self.mesh, tile=self.tile, order=self.order, is_time_multiplexed=True
        )


class DesignResult(BaseModel):
    """What a design does and costs; None = not known, or the design does not work on the chip."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    design: Design
    """The design."""
    problem: str | None = None
    """Why the design does not work on the chip."""
    num_tiles: int | None = None
    """Tiles that the model needs."""
    deviation_rms: float | None = None
    """Rms over crystals of the deviation from the digital predictions, mean over chips [label]."""
    deviation_sem: float | None = None
    """Standard error of that mean [label]."""
    mae: float | None = None
    """Mean absolute error against the labels, mean over chips [label]."""
    power_mw: float | None = None
    """Heaters, lasers and converters, at most [mW]."""
    heater_mw: float | None = None
    """Heaters of the tiles on the chip, at most [mW]."""
    area_mm2: float | None = None
    """Footprint [mm2]."""
    latency_us: float | None = None
    """Time of one crystal [us]."""
    energy_uj: float | None = None
    """Energy of one crystal [uJ]."""

    def values(self, objectives: Sequence[str]) -> list[float]:
        """The figures of some names."""
        return [getattr(self, name) for name in objectives]


def objectives(hardware: HardwareConfig) -> tuple[str, ...]:
    """Figures to be made small: the deviation and all costs that a description allows.

    The power is that of heaters, lasers and converters, or of the heaters where the others are not
    known.
    """
    powers = "heater_mw", "laser_mw", "converter_mw"
    names = ["deviation_rms"]
    if all(is_known(name, hardware) for name in powers):
        names.append("power_mw")
    elif is_known("heater_mw", hardware):
        names.append("heater_mw")
    if is_known("area_mm2", hardware):
        names.append("area_mm2")
    is_timed = hardware.num_tiles is None or is_known("program_us", hardware)
    if is_known("latency_us", hardware) and is_timed:
        names.append("latency_us")
    return tuple(names)


def pareto_front(points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which points no other point dominates.

    A point dominates another if it is nowhere larger and somewhere smaller; equal points do not.

    Args:
        points: (P, K) figures to be made small.

    Returns:
        (P,) True for members of the Pareto set.
    """
    no_larger = (points[:, None] <= points[None]).all(axis=-1)
    smaller = (points[:, None] < points[None]).any(axis=-1)
    return ~(no_larger & smaller).any(axis=0)


def pareto_designs(
    results: Sequence[DesignResult], names: Sequence[str]
) -> tuple[DesignResult, ...]:
    """The Pareto set of the designs that work, the smallest first figure first."""
    working = [result for result in results if result.problem is None]
    if not working:
        return ()
    best = pareto_front(np.array([result.values(names) for result in working]))
    chosen = (result for result, is_best in zip(working, best, strict=True) if is_best)
    return tuple(sorted(chosen, key=lambda result: result.values(names)))


@dataclass(frozen=True)
class DesignSpace:
    """Choices that are combined.

    Attributes:
        meshes: wirings.
        tiles: modes per tile.
        orders: orders of the singular values.
    """

    meshes: tuple[str, ...]
    tiles: tuple[int, ...]
    orders: tuple[str, ...]

    def on(self, hardware: HardwareConfig) -> DesignSpace:
        """The choices that a chip can carry.

        Raises:
            ValueError: if there is none.
        """
        largest = hardware.max_modes
        meshes = tuple(m for m in self.meshes if hardware.mesh in (None, m))
        tiles = tuple(t for t in self.tiles if largest is None or t <= largest)
        if not (meshes and tiles and self.orders):
            raise ValueError(
                f"no design fits {hardware.name}: meshes {hardware.mesh or 'of any wiring'}, "
                f"at most {'any number of' if largest is None else largest} modes"
            )
        return DesignSpace(meshes, tiles, self.orders)

    def designs(self) -> list[Design]:
        """All combinations."""
        return [
            Design(mesh=mesh, tile=tile, order=order)
            for mesh, tile, order in itertools.product(self.meshes, self.tiles, self.orders)
        ]
