"""Drive laws: inverse of each other, half a step, and refusal of what the driver cannot reach."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from photonic.drive import (
    code_to_phase,
    code_to_voltage,
    drive_phase,
    full_scale_phase,
    phase_full_scale,
    phase_to_code,
    phase_to_voltage,
    voltage_to_code,
    voltage_to_phase,
)
from photonic.hardware import HardwareConfig, load_hardware
from tests.tolerances import DRIVE_EPS, FINE_STEP, STEP_SLACK

TURN = 2 * np.pi
IDEAL = load_hardware("ideal")
LAB = load_hardware("soi_lab_good")
bits = st.integers(1, 24)
phases = st.floats(-20, 20)


SCATTER = IDEAL.replace(  # heater of 366 ohm, fitted from 0 to 3 V to the data of its authors
    name="scatter",
    v_pi_v=None,
    heater_quadratic_rad_per_v2=0.8031,
    heater_quartic_rad_per_v4=-0.02418,
    v_max_v=None,
)


def turn_distance(a: float, b: float) -> float:
    return abs((a - b + np.pi) % TURN - np.pi)


def phase_dac(num_bits: int, **changes: object) -> HardwareConfig:
    return IDEAL.replace(dac_bits=num_bits, dac_mode="phase", **changes)


def voltage_dac(num_bits: int) -> HardwareConfig:
    return IDEAL.replace(dac_bits=num_bits, dac_mode="voltage")


@given(phase=phases)
@example(phase=0.0)
@example(phase=TURN)
@example(phase=-1e-17)
def test_voltage_reproduces_the_phase_modulo_a_turn(phase):
    voltage = phase_to_voltage(np.array([phase]), IDEAL)
    assert 0 <= voltage[0] <= IDEAL.v_pi_v * np.sqrt(2)
    error = turn_distance(voltage_to_phase(voltage, IDEAL)[0], phase)
    assert error <= DRIVE_EPS * np.finfo(float).eps * TURN, f"{error:.1e} rad"


def test_half_wave_voltage_gives_pi():
    assert phase_to_voltage(np.array([np.pi]), IDEAL)[0] == IDEAL.v_pi_v
    assert voltage_to_phase(np.array([IDEAL.v_pi_v]), IDEAL)[0] == np.pi


@given(phase=st.floats(0, 23))
def test_precompensated_commands_are_not_reduced(phase):
    voltage = phase_to_voltage(np.array([phase]), LAB)
    error = abs(voltage_to_phase(voltage, LAB)[0] - phase)
    assert error <= DRIVE_EPS * np.finfo(float).eps * 23, f"{error:.1e} rad"


@given(phase=phases, num_bits=bits)
@example(phase=TURN - 1e-12, num_bits=8)
def test_phase_codes_are_within_half_a_step(phase, num_bits):
    hardware = phase_dac(num_bits)
    code = phase_to_code(np.array([phase]), hardware)
    step = TURN / (2**num_bits - 1)
    assert 0 <= code[0] < 2**num_bits
    error = turn_distance(code_to_phase(code, hardware)[0], phase) / step
    assert error <= FINE_STEP + STEP_SLACK


@given(phase=phases, num_bits=bits)
def test_voltage_codes_are_within_half_a_step(phase, num_bits):
    hardware = voltage_dac(num_bits)
    voltage = phase_to_voltage(np.array([phase]), hardware)
    code = voltage_to_code(voltage, hardware)
    step = hardware.v_max_v / (2**num_bits - 1)
    error = abs(code_to_voltage(code, hardware)[0] - voltage[0]) / step
    assert error <= FINE_STEP + STEP_SLACK
    assert phase_to_code(np.array([phase]), hardware) == code
    assert code_to_phase(code, hardware) == voltage_to_phase(
        code_to_voltage(code, hardware), hardware
    )


@given(num_bits=st.integers(1, 12), data=st.data())
def test_every_code_comes_back(num_bits, data):
    code = np.array([data.draw(st.integers(0, 2**num_bits - 1))])
    hardware = voltage_dac(num_bits)
    assert voltage_to_code(code_to_voltage(code, hardware), hardware) == code
    turn = phase_dac(num_bits, crosstalk=0.01, is_crosstalk_compensated=True)
    assert phase_to_code(code_to_phase(code, turn), turn) == code


def test_full_scale_of_a_precompensated_phase_converter_is_two_turns():
    assert phase_full_scale(phase_dac(8)) == TURN
    assert phase_full_scale(LAB) == 2 * TURN


@st.composite
def quartic_laws(draw: st.DrawFn) -> HardwareConfig:
    """Laws of either curvature whose peak, if any, is beyond a turn."""
    quadratic = draw(st.floats(0.05, 2.0))
    lowest = -(quadratic**2) / (4 * 1.001 * TURN)
    quartic = draw(st.one_of(st.floats(lowest, 0.1), st.floats(lowest * 1e-12, 1e-14)))
    return SCATTER.replace(heater_quadratic_rad_per_v2=quadratic, heater_quartic_rad_per_v4=quartic)


@given(hardware=quartic_laws(), phase=phases)
@example(hardware=SCATTER, phase=0.0)
@example(hardware=SCATTER, phase=TURN - 1e-9)
def test_the_quartic_law_is_inverted_on_its_rising_branch(hardware, phase):
    voltage = phase_to_voltage(np.array([phase]), hardware)
    slope = hardware.heater_quadratic_rad_per_v2 + (
        2 * hardware.heater_quartic_rad_per_v4 * voltage[0] ** 2
    )
    assert voltage[0] >= 0
    assert slope > 0
    error = turn_distance(voltage_to_phase(voltage, hardware)[0], phase)
    # Two terms of up to twice the phase may cancel.
    assert error <= 2 * DRIVE_EPS * np.finfo(float).eps * TURN, f"{error:.1e} rad"


@given(v_pi=st.floats(0.5, 10.0), phase=phases)
def test_without_a_quartic_term_both_laws_agree(v_pi, phase):
    square = IDEAL.replace(v_pi_v=v_pi, v_max_v=None)
    none = SCATTER.replace(
        heater_quadratic_rad_per_v2=np.pi / v_pi**2, heater_quartic_rad_per_v4=None
    )
    tiny = none.replace(heater_quartic_rad_per_v4=-1e-300)
    expected = phase_to_voltage(np.array([phase]), square)[0]
    for hardware in (none, tiny):
        voltage = phase_to_voltage(np.array([phase]), hardware)
        assert abs(voltage[0] - expected) <= DRIVE_EPS * np.finfo(float).eps * v_pi
        error = abs(voltage_to_phase(voltage, hardware) - voltage_to_phase(voltage, square))
        assert error[0] <= DRIVE_EPS * np.finfo(float).eps * TURN


def test_the_scatter_heater_has_its_published_numbers():
    half, turn = phase_to_voltage(np.array([np.pi, np.nextafter(TURN, 0.0)]), SCATTER)
    assert round(half, 2) == 2.13  # V_pi
    assert round(1e3 * half**2 / 366, 1) == 12.4  # P_pi [mW]
    assert round(turn, 2) == 3.55
    voltage = np.linspace(0, 5, 5001)
    law = voltage_to_phase(voltage, SCATTER)
    assert round(law.max(), 2) == 6.67
    assert abs(voltage[law.argmax()] - 4.08) <= 0.005  # the last printed digit


def test_a_phase_beyond_the_peak_of_the_heater_raises():
    lifted = SCATTER.replace(crosstalk=0.01, is_crosstalk_compensated=True)
    assert phase_to_voltage(np.array([6.668]), lifted)[0] < 4.08
    with pytest.raises(ValueError, match=r"6\.7 rad is out of reach: .*'scatter' peak at 6\.668"):
        phase_to_voltage(np.array([1.0, 6.7]), lifted)
    weak = SCATTER.replace(heater_quartic_rad_per_v4=-0.03)
    with pytest.raises(ValueError, match=r"6 rad is out of reach: .* peak at 5\.37"):
        phase_to_voltage(np.array([6.0]), weak)
    with pytest.raises(ValueError, match=r"needs 3\.494 V, but 'scatter' drives at most 3 V"):
        phase_to_voltage(np.array([6.2]), SCATTER.replace(v_max_v=3.0))


@given(phase=st.floats(0, 6.2), num_bits=bits)
def test_voltage_codes_follow_the_quartic_law(phase, num_bits):
    hardware = SCATTER.replace(dac_bits=num_bits, dac_mode="voltage", v_max_v=3.6)
    code = phase_to_code(np.array([phase]), hardware)
    step = 3.6 / (2**num_bits - 1)
    voltage = phase_to_voltage(np.array([phase]), hardware)
    assert abs(code * step - voltage)[0] <= (FINE_STEP + STEP_SLACK) * step
    assert code_to_phase(code, hardware) == voltage_to_phase(
        code_to_voltage(code, hardware), hardware
    )


def test_what_the_driver_cannot_reach_raises():
    weak = IDEAL.replace(v_max_v=5.0)
    with pytest.raises(ValueError, match=r"needs 6.1.* V, but 'ideal' drives at most 5 V"):
        phase_to_voltage(np.array([1.0, 2 * np.pi - 0.1]), weak)
    with pytest.raises(ValueError, match="drives at most 12 V"):
        phase_to_voltage(np.array([24.0]), LAB)
    with pytest.raises(ValueError, match="negative"):
        phase_to_voltage(np.array([-0.1]), LAB)
    with pytest.raises(ValueError, match="outside 0 to 12"):
        voltage_to_code(np.array([12.1]), LAB)
    with pytest.raises(ValueError, match="outside 0 to 12"):
        voltage_to_code(np.array([-0.1]), LAB)
    two_turns = phase_dac(8, crosstalk=0.01, is_crosstalk_compensated=True)
    with pytest.raises(ValueError, match=r"outside 0 to 12\.57"):
        phase_to_code(np.array([13.0]), two_turns)


def test_an_unknown_law_is_refused():
    unknown = load_hardware("flw6_like")
    with pytest.raises(ValueError, match="'flw6_like' has no `v_pi_v` and no"):
        phase_to_voltage(np.array([1.0]), unknown)
    with pytest.raises(ValueError, match="no `dac_bits`"):
        phase_to_code(np.array([1.0]), unknown)
    with pytest.raises(ValueError, match="no `v_max_v`"):
        voltage_to_code(np.array([1.0]), unknown)


def test_read_only_input_is_accepted_and_kept():
    phase = np.array([7.0, -1.0])
    phase.flags.writeable = False
    phase_to_voltage(phase, IDEAL)
    assert phase.tolist() == [7.0, -1.0]


def test_full_scale_of_each_converter():
    volts = load_hardware("soi_lab_good")
    assert full_scale_phase(volts) == np.pi * (12 / 4.36) ** 2
    phases = load_hardware("soi_typical")
    assert full_scale_phase(phases) == 2 * np.pi
    assert full_scale_phase(phases.replace(is_drive_extended=True)) == 4 * np.pi


def test_an_extended_drive_does_not_wrap():
    extended = load_hardware("ideal").replace(is_drive_extended=True)
    assert drive_phase(np.array([7.0]), extended) == 7.0
    with pytest.raises(ValueError, match="negative"):
        drive_phase(np.array([-0.1]), extended)
