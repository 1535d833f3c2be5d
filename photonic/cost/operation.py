"""Costs of one way to operate a chip: weights resident, or written again for every inference."""

from collections.abc import Sequence
from dataclasses import dataclass

from photonic.cost.timing import num_loads

_Known = float | None
"""A figure, or None if a field that it needs is not stated."""


@dataclass(frozen=True)
class LayerLoad:
    """What one layer puts on a chip."""

    heater_mw: tuple[float, ...] | None
    """Power of the heaters of each tile [mW]."""
    num_tiles: int
    """Tiles of the layer."""
    laser_mw: _Known
    """Laser of one tile [mW]."""
    converter_mw: _Known
    """Modulators, converters and receivers of one tile [mW]."""
    area_mm2: _Known
    """Footprint of one tile [mm2]."""
    working_us: _Known
    """Time of all vectors through a tile [us]."""


@dataclass(frozen=True)
class OperationCost:
    """Costs of a layer or of a network; None = a field that the figure needs is not stated."""

    num_tiles: int
    """Tiles on the chip."""
    num_loads: int
    """Times per inference that phases are written; 0 for resident weights."""
    heater_mw: _Known
    """Heaters of the tiles on the chip, at most [mW]."""
    laser_mw: _Known
    """Lasers of the tiles at work, at most [mW]."""
    converter_mw: _Known
    """Modulators, converters and receivers of the tiles at work, at most [mW]."""
    area_mm2: _Known
    """Footprint of the tiles on the chip [mm2]."""
    latency_us: _Known
    """Time of one inference [us]."""
    energy_uj: _Known
    """Energy of one inference [uJ]."""
    num_macs: float
    """Products of a weight and an input in one inference."""

    @property
    def power_mw(self) -> _Known:
        """Largest power, of heaters, lasers and converters [mW]."""
        return _sum((self.heater_mw, self.laser_mw, self.converter_mw))

    @property
    def mean_power_mw(self) -> _Known:
        """Energy over time of an inference [mW]."""
        if self.energy_uj is None:
            return None
        return self.energy_uj / self.latency_us * 1e3

    @property
    def energy_per_mac_pj(self) -> _Known:
        """Energy per product of a weight and an input, padding not counted [pJ]."""
        return None if self.energy_uj is None else self.energy_uj / self.num_macs * 1e6


def resident_cost(loads: Sequence[LayerLoad], num_macs: float) -> OperationCost:
    """Costs with all tiles on the chip; nothing is written.

    Args:
        loads: layers that work one after the other.
        num_macs: products in one inference.
    """
    heater_mw = _sum([None if x.heater_mw is None else sum(x.heater_mw) for x in loads])
    latency_us = _sum([x.working_us for x in loads])
    return OperationCost(
        num_tiles=sum(x.num_tiles for x in loads),
        num_loads=0,
        heater_mw=heater_mw,
        laser_mw=_largest([_times(x.laser_mw, x.num_tiles) for x in loads]),
        converter_mw=_largest([_times(x.converter_mw, x.num_tiles) for x in loads]),
        area_mm2=_sum([_times(x.area_mm2, x.num_tiles) for x in loads]),
        latency_us=latency_us,
        energy_uj=_sum((_energy_uj(heater_mw, latency_us), _light_energy_uj(loads))),
        num_macs=num_macs,
    )


def reprogrammed_cost(
    loads: Sequence[LayerLoad], num_macs: float, capacity: int, program_time_us: _Known
) -> OperationCost:
    """Costs with the tiles of each layer written in groups; heaters are on while they settle.

    Args:
        loads: layers that work one after the other.
        num_macs: products in one inference.
        capacity: tiles that the chip holds at a time.
        program_time_us: [us] time to write and settle one group.
    """
    writes = [num_loads(x.num_tiles, capacity) for x in loads]
    at_work = [min(capacity, x.num_tiles) for x in loads]
    group_us = [_sum((x.working_us, program_time_us)) for x in loads]
    # Every tile is held for the time of its own group.
    held = [
        None if x.heater_mw is None else _energy_uj(sum(x.heater_mw), time)
        for x, time in zip(loads, group_us, strict=True)
    ]
    return OperationCost(
        num_tiles=capacity,
        num_loads=sum(writes),
        heater_mw=_largest([_heaviest_group(x.heater_mw, capacity) for x in loads]),
        laser_mw=_largest([_times(x.laser_mw, n) for x, n in zip(loads, at_work, strict=True)]),
        converter_mw=_largest(
            [_times(x.converter_mw, n) for x, n in zip(loads, at_work, strict=True)]
        ),
        area_mm2=_times(_largest([x.area_mm2 for x in loads]), capacity),
        latency_us=_sum([_times(time, n) for time, n in zip(group_us, writes, strict=True)]),
        energy_uj=_sum((*held, _light_energy_uj(loads))),
        num_macs=num_macs,
    )


def _light_energy_uj(loads: Sequence[LayerLoad]) -> _Known:
    """Lasers, modulators, converters and receivers, each on while its layer works."""
    return _sum(
        [
            _energy_uj(_times(_sum((x.laser_mw, x.converter_mw)), x.num_tiles), x.working_us)
            for x in loads
        ]
    )


def _heaviest_group(heater_mw: tuple[float, ...] | None, capacity: int) -> _Known:
    if heater_mw is None:
        return None
    starts = range(0, len(heater_mw), capacity)
    return max(sum(heater_mw[start : start + capacity]) for start in starts)


def _energy_uj(power_mw: _Known, time_us: _Known) -> _Known:
    return None if power_mw is None or time_us is None else power_mw * time_us * 1e-3


def _times(figure: _Known, factor: int) -> _Known:
    return None if figure is None else figure * factor


def _sum(figures: Sequence[_Known]) -> _Known:
    return None if None in figures else sum(figures)


def _largest(figures: Sequence[_Known]) -> _Known:
    return None if None in figures else max(figures)
