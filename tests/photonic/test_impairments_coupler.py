"""Coupler errors: statistics, dispersion, and the units of published figures."""

import math

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from photonic.impairments.coupler import (
    coupler_errors,
    directional_coupler_dispersion,
    dispersion_offset,
)
from photonic.impairments.coupler_units import (
    amplitude_error_to_angle,
    angle_to_power_split,
    extinction_to_angle,
    power_imbalance_to_angle,
    power_split_to_angle,
)
from photonic.mzi import coupler, mzi_block
from photonic.randomness import keyed_generator
from tests.tolerances import CLOSED_FORM_F64, LEAK_EPS, STANDARD_ERRORS

COUNT = 40_000
angles = st.floats(-0.7, 0.7)
strictly_positive = st.floats(1e-3, 0.3)
EPS = np.finfo(float).eps


def amplitudes(angle: float) -> tuple[float, float]:
    """Amplitudes in the bar and the cross port of a coupler with an error."""
    matrix = coupler(torch.tensor(math.pi / 4 + angle, dtype=torch.float64)).abs()
    return matrix[0, 0].item(), matrix[1, 0].item()


def dark_ports_db(first: float, second: float) -> tuple[float, float]:
    """Extinction of an MZI in the cross state (bar port) and in the bar state (cross port)."""
    theta = torch.tensor([0.0, math.pi], dtype=torch.float64)
    errors = torch.tensor([first, second], dtype=torch.float64)
    block = mzi_block(theta, torch.zeros_like(theta), errors).abs().numpy()
    return -20 * math.log10(block[0, 0, 0]), -20 * math.log10(block[1, 1, 0])


def test_coupler_errors_are_independent_with_a_common_offset():
    values = coupler_errors(0.015, 0.01, (COUNT,), keyed_generator(0, "coupler"))
    assert values.shape == (COUNT, 2)
    assert abs(values.mean() - 0.01) < STANDARD_ERRORS * 0.015 / math.sqrt(2 * COUNT)
    assert abs(values.std() / 0.015 - 1) < STANDARD_ERRORS / math.sqrt(4 * COUNT)
    assert abs(np.corrcoef(values.T)[0, 1]) < STANDARD_ERRORS / math.sqrt(COUNT)
    source = keyed_generator(0, "coupler")
    assert np.array_equal(coupler_errors(0.0, 0.01, (4,), source), np.full((4, 2), 0.01))


def test_dispersion_vanishes_at_the_design_wavelength():
    assert directional_coupler_dispersion(1.55) == 0
    assert dispersion_offset(1.86e-3, 0.0) == dispersion_offset(0.0, 10.0) == 0


@pytest.mark.parametrize(
    ("offset_nm", "digits", "printed"),
    [(-10, 4, -0.0183), (10, 4, 0.0188), (-30, 3, -0.054), (30, 3, 0.058)],
)
def test_dispersion_has_the_numbers_of_the_reference(offset_nm, digits, printed):
    angle = directional_coupler_dispersion(1.55 + 1e-3 * offset_nm)
    assert round(float(angle), digits) == printed


def test_the_slope_of_the_dispersion_is_that_of_the_reference():
    below, above = directional_coupler_dispersion([1.5499, 1.5501])
    slope = (above - below) / 0.2
    assert round(float(slope), 5) == 1.86e-3
    assert round(dispersion_offset(float(slope), 10.0), 4) == 0.0186


def test_dispersion_is_monotone():
    angle = directional_coupler_dispersion(np.linspace(1.50, 1.60, 101))
    assert (np.diff(angle) > 0).all()


@given(angle=angles)
@example(angle=0.0)
def test_a_power_split_is_that_of_the_coupler(angle):
    split = angle_to_power_split(angle)
    assert abs(0.5 + split - amplitudes(angle)[1] ** 2) <= CLOSED_FORM_F64
    assert abs(power_split_to_angle(split) - angle) <= CLOSED_FORM_F64


def test_one_percent_of_power_is_ten_milliradian():
    assert round(float(power_split_to_angle(0.01)), 3) == 0.010


@given(angle=angles)
def test_a_power_imbalance_is_that_of_the_coupler(angle):
    bar, cross = amplitudes(angle)
    imbalance = bar**2 - cross**2
    assert abs(power_imbalance_to_angle(imbalance) - abs(angle)) <= CLOSED_FORM_F64


@given(angle=st.floats(-0.05, 0.05))
def test_an_amplitude_error_is_that_of_the_coupler_to_first_order(angle):
    error = amplitudes(angle)[0] - 1 / math.sqrt(2)
    second_order = angle**2 / 2 + abs(angle) ** 3 / 6
    assert (
        abs(amplitude_error_to_angle(error) - abs(angle))
        <= second_order + LEAK_EPS * np.finfo(float).eps
    )


@given(first=strictly_positive, ratio=st.floats(-0.9, 0.9))
def test_extinctions_give_sum_and_difference(first, ratio):
    second = ratio * first
    cross_db, bar_db = dark_ports_db(first, second)
    # Between dB and amplitude rounding is relative; asin near 0.6 rad amplifies it little.
    for extinction, angle in ((cross_db, first + second), (bar_db, first - second)):
        assert abs(extinction_to_angle(extinction) - angle) <= LEAK_EPS * EPS + CLOSED_FORM_F64


def test_a_published_chip_has_the_angles_of_the_reference():
    through, cross = extinction_to_angle([33.0, 44.0])  # iPronics, 72 cells
    assert round(float(through), 3) == 0.022
    assert round(float(cross), 4) == 0.0063


def test_figures_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"`split` must be within \+-0\.5, got 0\.6"):
        power_split_to_angle([0.1, -0.6])
    with pytest.raises(ValueError, match=r"`imbalance` must be within \+-1, got 1\.5"):
        power_imbalance_to_angle(1.5)
    with pytest.raises(ValueError, match="`extinction_db` must be at least 0, got -3"):
        extinction_to_angle([20.0, -3.0])
    with pytest.raises(ValueError, match="`split`"):
        power_split_to_angle(math.nan)
