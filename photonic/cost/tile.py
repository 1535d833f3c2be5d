"""TileCost: the figures of one tile; a figure whose components are not stated is None."""

from dataclasses import dataclass

from photonic.cost.area import tile_area_um2
from photonic.cost.converters import adc_power_mw, dac_power_mw, modulator_power_mw
from photonic.cost.laser import laser_power_mw, path_loss_db
from photonic.cost.timing import flight_time_ps
from photonic.hardware import HardwareConfig
from photonic.program import Program

ASSUMED_BITS = 8
"""Resolution of inputs or outputs of a chip that states none."""
_ARMS_CROSSED = 3
"""Arm sections on a path through an interferometer."""
_DIODES = 2
"""Photodiodes of a receiver, which is balanced."""

NEEDED_FIELDS: dict[str, tuple[str, ...]] = {
    "heater_mw": ("p_pi_mw",),
    "laser_mw": ("detector_sensitivity_dbm", "modulator_loss_db", "laser_wall_plug"),
    "converter_mw": (
        "modulation_rate_ghz",
        "modulator_energy_fj_per_bit",
        "dac_power_mw",
        "adc_power_mw",
        "tia_power_mw",
        "detector_power_mw",
    ),
    "area_mm2": (
        "mzi_length_um",
        "mzi_width_um",
        "modulator_area_um2",
        "laser_area_um2",
        "input_converter_area_um2",
        "output_converter_area_um2",
        "detector_area_um2",
    ),
    "latency_us": (
        "modulation_rate_ghz",
        "mzi_length_um",
        "group_index",
        "conversion_latency_ns",
    ),
    "program_us": ("program_time_us",),
    "detection_floor_fj": (
        "responsivity_a_per_w",
        "tia_noise_pa_per_sqrt_hz",
        "bandwidth_ghz",
    ),
}
"""Figure to the fields of a description that it needs; energy needs all powers and the latency."""


@dataclass(frozen=True)
class TileCost:
    """Figures of one tile; None = a field that it needs is not stated."""

    laser_mw: float | None
    """Electrical power of the laser [mW]."""
    converter_mw: float | None
    """Modulators, DACs, receivers and ADCs [mW]."""
    area_mm2: float | None
    """Footprint [mm2]."""
    delay_ns: float | None
    """From a digital input to a digital output [ns]; None also if no rate is stated."""


def missing_fields(hardware: HardwareConfig) -> tuple[str, ...]:
    """Fields that a cost figure needs and a description does not state, in a fixed order."""
    fields = dict.fromkeys(name for needed in NEEDED_FIELDS.values() for name in needed)
    return tuple(name for name in fields if getattr(hardware, name) is None)


def is_known(figure: str, hardware: HardwareConfig) -> bool:
    """True if a description states all fields that a figure needs.

    Args:
        figure: key of ``NEEDED_FIELDS``.
        hardware: description.
    """
    return all(getattr(hardware, name) is not None for name in NEEDED_FIELDS[figure])


def input_bits(hardware: HardwareConfig) -> int:
    """Resolution of DACs; ``ASSUMED_BITS`` where it is not stated."""
    return hardware.input_bits or ASSUMED_BITS


def output_bits(hardware: HardwareConfig) -> int:
    """Resolution of ADCs, which the laser has to serve; ``ASSUMED_BITS`` where it is not stated."""
    return hardware.adc_bits or ASSUMED_BITS


def tile_cost(program: Program, hardware: HardwareConfig) -> TileCost:
    """Figures of one tile of a program.

    Args:
        program: gives the shape of a tile and its meshes.
        hardware: gives the figures of the components.
    """
    return TileCost(
        _laser(program, hardware) if is_known("laser_mw", hardware) else None,
        _converters(program, hardware) if is_known("converter_mw", hardware) else None,
        _area(program, hardware) if is_known("area_mm2", hardware) else None,
        _delay(program, hardware) if is_known("latency_us", hardware) else None,
    )


def _num_columns(program: Program) -> int:
    """Interferometers in series on the longest path: mesh V, an attenuator, mesh U."""
    return program.v_layout.num_columns + 1 + program.u_layout.num_columns


def _laser(program: Program, hardware: HardwareConfig) -> float:
    mzi_loss_db = hardware.insertion_loss_db + _ARMS_CROSSED * hardware.arm_loss_db
    loss_db = path_loss_db(hardware.modulator_loss_db, mzi_loss_db, _num_columns(program))
    return laser_power_mw(
        hardware.detector_sensitivity_dbm,
        loss_db,
        program.tile_shape[1],
        output_bits(hardware),
        hardware.laser_wall_plug,
    )


def _converters(program: Program, hardware: HardwareConfig) -> float:
    rate, (outputs, inputs) = hardware.modulation_rate_ghz, program.tile_shape
    dac = dac_power_mw(hardware.dac_power_mw, input_bits(hardware), rate)
    modulator = modulator_power_mw(hardware.modulator_energy_fj_per_bit, rate)
    receiver = hardware.tia_power_mw + _DIODES * hardware.detector_power_mw
    adc = adc_power_mw(hardware.adc_power_mw, output_bits(hardware), rate)
    return inputs * (dac + modulator) + outputs * (receiver + adc)


def _area(program: Program, hardware: HardwareConfig) -> float:
    outputs, inputs = program.tile_shape
    area = tile_area_um2(
        program.u_layout.num_mzis + program.v_layout.num_mzis + program.rank,
        inputs,
        outputs,
        mzi_um2=hardware.mzi_length_um * hardware.mzi_width_um,
        laser_um2=hardware.laser_area_um2,
        input_um2=hardware.modulator_area_um2 + hardware.input_converter_area_um2,
        output_um2=hardware.detector_area_um2 + hardware.output_converter_area_um2,
    )
    return area * 1e-6


def _delay(program: Program, hardware: HardwareConfig) -> float:
    columns = _num_columns(program)
    flight_ps = flight_time_ps(columns, hardware.mzi_length_um, hardware.group_index)
    return flight_ps * 1e-3 + hardware.conversion_latency_ns
