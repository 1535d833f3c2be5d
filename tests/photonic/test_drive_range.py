"""Commands within reach of a drive: on its codes, of the same phase, half a turn away."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from photonic.calibration.drive_range import DriveRange
from photonic.drive import drive_reach
from photonic.hardware import load_hardware
from photonic.impairments.quantisation import quantise_phase
from photonic.phase_chain import driven_phase
from tests.tolerances import FINE_STEP, STEP_SLACK

TURN = 2 * math.pi
IDEAL = load_hardware("ideal")
DRIVES = {
    "continuous": IDEAL,
    "one turn": IDEAL.replace(dac_bits=8),
    "two turns": IDEAL.replace(dac_bits=8, crosstalk=0.005, is_crosstalk_compensated=True),
    "voltage": IDEAL.replace(dac_bits=12, dac_mode="voltage", v_pi_v=4.36, v_max_v=12.0),
    "weak": IDEAL.replace(v_max_v=5.0),
    "weak, phase codes": IDEAL.replace(dac_bits=8, v_max_v=5.0),
    "short": IDEAL.replace(dac_bits=12, dac_mode="voltage", v_pi_v=4.36, v_max_v=5.5),
}
drives = pytest.mark.parametrize("hardware", DRIVES.values(), ids=DRIVES.keys())
anywhere = st.floats(-20.0, 20.0)


def of(value: float) -> torch.Tensor:
    return torch.tensor([value], dtype=torch.float64)


def step_near(hardware, command: float) -> float:
    """Distance of the codes around a command, generously; 0 for a continuous drive."""
    if hardware.dac_bits is None:
        return 0.0
    if hardware.dac_mode == "phase":
        return DriveRange(hardware).mean_step
    voltage_step = hardware.v_max_v / (2**hardware.dac_bits - 1)
    voltage = hardware.v_pi_v * math.sqrt(command / math.pi) + voltage_step
    return 2 * math.pi * voltage / hardware.v_pi_v**2 * voltage_step


@drives
@given(value=anywhere)
def test_commands_are_within_reach_and_stay_where_they_are(hardware, value):
    drive = DriveRange(hardware)
    for command in (drive.nearest(of(value)), drive.folded(of(value))):
        assert 0 <= command.item() <= drive.largest
        assert torch.equal(drive.nearest(command), command)


@drives
def test_the_largest_command_does_not_wrap(hardware):
    drive = DriveRange(hardware)
    realised = quantise_phase(of(drive.largest).numpy(), hardware).item()
    assert abs(realised - drive.largest) <= step_near(hardware, drive.largest)


@drives
@given(value=anywhere)
def test_nearest_is_within_half_a_step(hardware, value):
    drive = DriveRange(hardware)
    inside = min(max(value, 0.0), drive.largest)
    distance = abs(drive.nearest(of(value)).item() - inside)
    assert distance <= (FINE_STEP + STEP_SLACK) * step_near(hardware, inside)


@pytest.mark.parametrize("name", ["continuous", "one turn", "two turns", "voltage"])
@given(value=anywhere)
def test_folding_keeps_the_phase(name, value):
    drive = DriveRange(DRIVES[name])
    folded = drive.folded(of(value)).item()
    distance = abs(math.remainder(folded - value, TURN))
    assert distance <= (1 + STEP_SLACK) * step_near(DRIVES[name], folded) + STEP_SLACK


@pytest.mark.parametrize("name", ["continuous", "one turn", "two turns", "voltage"])
@given(value=st.floats(0.0, 6.28))
def test_half_a_turn_away(name, value):
    drive = DriveRange(DRIVES[name])
    away = drive.half_turn_from(of(value)).item()
    assert abs(abs(away - value) - math.pi) <= step_near(DRIVES[name], away) + STEP_SLACK


@pytest.mark.parametrize("name", ["weak", "weak, phase codes"])
def test_a_weak_driver_ends_where_its_law_does(name):
    hardware = DRIVES[name]
    drive = DriveRange(hardware)
    assert 0 < drive_reach(hardware) - drive.largest <= drive.mean_step + STEP_SLACK
    command = drive.nearest(of(6.0))
    assert abs(driven_phase(command, hardware) - command).item() <= STEP_SLACK


def test_a_short_drive_moves_to_its_farther_end():
    drive = DriveRange(DRIVES["short"])
    assert drive.largest < TURN
    assert drive.half_turn_from(of(2.0)).item() == drive.largest
    assert drive.half_turn_from(of(3.0)).item() == 0.0


def test_mean_step():
    assert DriveRange(DRIVES["one turn"]).mean_step == TURN / 255
    assert DriveRange(DRIVES["two turns"]).mean_step == 2 * TURN / 255
    assert DriveRange(IDEAL).mean_step == 0
