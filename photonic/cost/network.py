"""Costs of a layer and of a network, for resident and for reprogrammed weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from photonic.cost.detection import detection_floor_fj
from photonic.cost.heater import heater_power_mw
from photonic.cost.operation import (
    LayerLoad,
    OperationCost,
    reprogrammed_cost,
    resident_cost,
)
from photonic.cost.tile import (
    NEEDED_FIELDS,
    input_bits,
    is_known,
    missing_fields,
    output_bits,
    tile_cost,
)
from photonic.cost.timing import working_time_us
from photonic.hardware import HardwareConfig
from photonic.mesh_state import Commands, check_fits, nominal_commands
from photonic.phase_chain import reached_phase
from photonic.program import Program


@dataclass(frozen=True)
class LayerCost:
    """Costs of one layer for the vectors of one inference."""

    name: str
    """Name of the layer."""
    num_vectors: float
    """Vectors that pass in one inference."""
    resident: OperationCost
    """All tiles on the chip."""
    reprogrammed: OperationCost
    """``num_tiles`` of the description at a time, or one tile where it states none."""


@dataclass(frozen=True)
class NetworkCost:
    """Costs of one inference of a network."""

    layers: tuple[LayerCost, ...]
    """Each layer on its own."""
    resident: OperationCost
    """All tiles of all layers on the chip."""
    reprogrammed: OperationCost
    """``num_tiles`` of the description at a time, or one tile where it states none."""
    is_resident: bool
    """True if the chip holds all tiles at the same time."""
    input_bits: int
    """Resolution of the inputs that the figures are for."""
    output_bits: int
    """Resolution of the outputs that the figures are for."""
    assumed: tuple[str, ...]
    """Resolutions that the description does not state, 8 bit assumed."""
    detection_floor_fj: float | None
    """Least optical energy at a detector per symbol [fJ]."""
    missing: tuple[str, ...]
    """Fields that figures need and the description does not state."""

    @property
    def operation(self) -> OperationCost:
        """Costs of the way that the chip works: resident if it holds all tiles."""
        return self.resident if self.is_resident else self.reprogrammed


def layer_cost(
    program: Program,
    hardware: HardwareConfig,
    num_vectors: float,
    commands: Commands | None = None,
) -> LayerCost:
    """Costs of a layer.

    Args:
        program: ideal settings of the layer.
        hardware: gives the figures of the components.
        num_vectors: vectors that pass in one inference; a mean need not be whole.
        commands: phases that the drive is asked for, as after a calibration; None = the nominal
            ones.

    Raises:
        ValueError: if a mesh is too large for the hardware, crosstalk cannot be compensated, or
            the number of vectors is not positive.
    """
    load = _load(program, hardware, num_vectors, commands)
    return _layer_cost(program, hardware, num_vectors, load)


def network_cost(
    programs: Sequence[Program],
    hardware: HardwareConfig,
    vectors_per_layer: Mapping[str, float],
    commands: Mapping[str, Commands] | None = None,
) -> NetworkCost:
    """Costs of a network whose layers work one after the other.

    Args:
        programs: ideal settings of each layer.
        hardware: gives the figures of the components.
        vectors_per_layer: vectors of one inference by name of the layer.
        commands: as for ``layer_cost``, by name of the layer.

    Raises:
        ValueError: if there is no layer or one has no number of vectors, and as ``layer_cost``.
    """
    if not programs:
        raise ValueError("`programs` must hold at least one layer")
    unknown = [p.name for p in programs if p.name not in vectors_per_layer]
    if unknown:
        raise ValueError(f"`vectors_per_layer` has no entry for layer {unknown[0]!r}")
    vectors = [vectors_per_layer[p.name] for p in programs]
    loads = [
        _load(p, hardware, n, None if commands is None else commands[p.name])
        for p, n in zip(programs, vectors, strict=True)
    ]
    layers = tuple(
        _layer_cost(p, hardware, n, load)
        for p, n, load in zip(programs, vectors, loads, strict=True)
    )
    resident, reprogrammed = _operations(
        loads, hardware, sum(layer.resident.num_macs for layer in layers)
    )
    return NetworkCost(
        layers=layers,
        resident=resident,
        reprogrammed=reprogrammed,
        is_resident=hardware.num_tiles is None or resident.num_tiles <= hardware.num_tiles,
        input_bits=input_bits(hardware),
        output_bits=output_bits(hardware),
        assumed=tuple(n for n in ("input_bits", "adc_bits") if getattr(hardware, n) is None),
        detection_floor_fj=_detection_floor(hardware),
        missing=missing_fields(hardware),
    )


def _load(
    program: Program, hardware: HardwareConfig, num_vectors: float, commands: Commands | None
) -> LayerLoad:
    if not num_vectors > 0:
        raise ValueError(f"`num_vectors` of {program.name!r} must be positive, got {num_vectors}")
    tile, heater_mw = tile_cost(program, hardware), _heaters(program, hardware, commands)
    rate, delay = hardware.modulation_rate_ghz, tile.delay_ns
    return LayerLoad(
        heater_mw=heater_mw,
        num_tiles=program.num_tiles,
        laser_mw=tile.laser_mw,
        converter_mw=tile.converter_mw,
        area_mm2=tile.area_mm2,
        working_us=None if delay is None else working_time_us(num_vectors, rate, delay),
    )


def _heaters(
    program: Program, hardware: HardwareConfig, commands: Commands | None
) -> tuple[float, ...] | None:
    """Power of the heaters of each tile [mW]."""
    check_fits(program, hardware)
    if not is_known("heater_mw", hardware):
        return None
    if commands is None:
        commands = nominal_commands(program, hardware)
    phases = commands.phases
    if hardware.is_drive_clipped:
        phases = {mesh: reached_phase(phase, hardware) for mesh, phase in phases.items()}
    return tuple(heater_power_mw(phases, hardware.p_pi_mw).flatten().tolist())


def _layer_cost(
    program: Program, hardware: HardwareConfig, num_vectors: float, load: LayerLoad
) -> LayerCost:
    num_macs = program.out_features * program.in_features * num_vectors
    return LayerCost(program.name, num_vectors, *_operations([load], hardware, num_macs))


def _operations(
    loads: Sequence[LayerLoad], hardware: HardwareConfig, num_macs: float
) -> tuple[OperationCost, OperationCost]:
    """Resident and reprogrammed."""
    return resident_cost(loads, num_macs), reprogrammed_cost(
        loads, num_macs, hardware.num_tiles or 1, hardware.program_time_us
    )


def _detection_floor(hardware: HardwareConfig) -> float | None:
    if not is_known("detection_floor_fj", hardware):
        return None
    figures = (getattr(hardware, name) for name in NEEDED_FIELDS["detection_floor_fj"])
    return detection_floor_fj(output_bits(hardware), *figures)
