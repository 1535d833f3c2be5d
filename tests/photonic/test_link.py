"""Modulators, detectors, converters and the laser: closed forms, published figures, limits."""

import math

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import Tensor

from photonic.impairments.adc import convert
from photonic.impairments.detector import (
    balanced_noise_std,
    effective_bits,
    photocurrent_variance,
)
from photonic.impairments.laser_noise import laser_factors, relative_intensity_std
from photonic.impairments.modulator import modulate
from tests.photonic.layers import generator
from tests.tolerances import CLOSED_FORM_F64, FINE_STEP, MZI_EPS, STANDARD_ERRORS, STEP_SLACK

COUNT = 40_000
PICO_AMPERE = 1e-12
bits = st.integers(2, 16)
fields = st.floats(-1, 1)
DIODE = (1.0, 0.0, 5 * PICO_AMPERE)
"""Responsivity, dark current and amplifier noise of the printed figures below."""


def assert_equals_to_digits(value: float, printed: str) -> None:
    """To the last digit printed."""
    digits = len(printed.partition(".")[2])
    assert round(value, digits) == float(printed), f"{value} instead of {printed}"


def assert_relative(value: float, expected: float) -> None:
    assert abs(value / expected - 1) < CLOSED_FORM_F64, f"{value} instead of {expected}"


def uniform(dtype: torch.dtype = torch.float64) -> Tensor:
    return 2 * torch.rand(COUNT, generator=generator(0), dtype=dtype) - 1


# Converters.


def test_without_bits_nothing_is_converted(dtype):
    field = 3 * uniform(dtype)
    assert convert(field, None) is field


@given(bits=bits, full_scale=st.floats(0.1, 10), fraction=st.floats(-1, 1))
@example(bits=2, full_scale=1.0, fraction=0.5)
@example(bits=7, full_scale=1.0, fraction=1.0)
def test_fields_within_full_scale_move_by_half_a_step_at_most(bits, full_scale, fraction):
    field = torch.tensor([full_scale * fraction], dtype=torch.float64)
    step = full_scale / (2 ** (bits - 1) - 1)
    codes = convert(field, bits, full_scale) / step
    assert abs(codes - codes.round()) < STEP_SLACK
    assert abs(codes - field / step) <= FINE_STEP + STEP_SLACK
    assert torch.equal(convert(-field, bits, full_scale), -convert(field, bits, full_scale))


@pytest.mark.parametrize("num_bits", [2, 3, 8])
def test_converters_have_all_symmetric_codes(num_bits, dtype):
    codes = convert(4 * uniform(dtype), num_bits, 2.0).unique()
    assert len(codes) == 2**num_bits - 1
    assert (codes.min(), codes.max()) == (-2, 2)


def test_converters_add_the_noise_of_a_uniform_error():
    """LSB^2/12, within the standard error of a mean square of uniform errors."""
    num_bits = 6
    step = 1 / (2 ** (num_bits - 1) - 1)
    error = (convert(uniform(), num_bits) - uniform()) / step
    standard_error = math.sqrt((1 / 80 - 1 / 144) / COUNT)
    assert abs(error.square().mean() - 1 / 12) < STANDARD_ERRORS * standard_error


def test_gradients_pass_rounding_and_stop_at_clipping(dtype):
    field = torch.tensor([-1.7, -1.5, 0.2, 1.4, 1.6], dtype=dtype, requires_grad=True)
    convert(field, 3, 1.5).sum().backward()
    assert field.grad.tolist() == [0, 1, 1, 1, 0]


@pytest.mark.parametrize("use", [convert, lambda x, b: modulate(x, b, None)])
def test_a_single_bit_is_refused(use):
    with pytest.raises(ValueError, match=r"`bits` must be at least 2, .*, got 1"):
        use(uniform(), 1)


# Modulators.


def test_perfect_modulators_send_what_they_are_given(dtype):
    x = uniform(dtype)
    assert modulate(x, None, None) is x


@given(x=fields, num_bits=st.none() | bits, extinction_db=st.floats(0.1, 60))
@example(x=0.0, num_bits=4, extinction_db=10.0)
@example(x=1.0, num_bits=None, extinction_db=10.0)
def test_power_lies_between_extinction_and_full_scale(x, num_bits, extinction_db):
    field = modulate(torch.tensor(x, dtype=torch.float64), num_bits, extinction_db)
    eps = torch.finfo(torch.float64).eps
    assert 10 ** (-extinction_db / 10) * (1 - MZI_EPS * eps) <= field**2 <= 1 + MZI_EPS * eps


def test_dark_modulators_leak_and_full_scale_stays(dtype):
    x = torch.tensor([-1.0, -0.6, -0.0, 0.0, 0.6, 1.0], dtype=dtype)
    expected = torch.tensor([-1.0, -math.sqrt(0.424), 0.1**0.5, 0.1**0.5, math.sqrt(0.424), 1.0])
    error = (modulate(x, None, 10.0) - expected.to(dtype)).abs().max()
    assert error <= MZI_EPS * torch.finfo(torch.float32).eps, f"{error:.1e}"


def test_rounding_comes_before_extinction():
    x = torch.tensor([0.1, 0.9], dtype=torch.float64)
    assert torch.equal(modulate(x, 2, 6.0), modulate(torch.tensor([0.0, 1.0]).to(x), None, 6.0))


def test_less_extinction_and_fewer_bits_err_more():
    x = uniform()

    def error(num_bits: int | None, extinction_db: float | None) -> float:
        return (modulate(x, num_bits, extinction_db) - x).square().mean().item()

    by_extinction = [error(None, ratio) for ratio in (None, 60.0, 30.0, 15.0, 6.0)]
    by_bits = [error(num_bits, None) for num_bits in (None, 12, 8, 6, 4, 2)]
    for errors in (by_extinction, by_bits):
        assert errors[0] == 0 and errors == sorted(set(errors))


def test_modulators_have_exact_gradients():
    x = torch.tensor([-0.9, -0.2, 0.3, 1.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: modulate(x, None, 10.0), x)


def test_gradients_pass_the_rounding_of_modulators():
    x = torch.tensor([0.4, -0.8], dtype=torch.float64, requires_grad=True)
    modulate(x, 3, None).sum().backward()
    assert x.grad.tolist() == [1, 1]


# Detectors.


@pytest.mark.parametrize(
    ("power_w", "bandwidth_hz", "printed"),
    [(10e-6, 1e9, "5.6"), (100e-6, 1e9, "8.3"), (10e-6, 1e6, "10.6"), (1e-6, 1e9, "2.4")],
)
def test_anchors_of_the_reference(power_w, bandwidth_hz, printed):
    variance = photocurrent_variance(power_w, *DIODE, bandwidth_hz, -150.0)
    assert_equals_to_digits(effective_bits(power_w**2 / variance), printed)


def test_parts_of_the_first_anchor():
    power_w, bandwidth_hz = 10e-6, 1e9
    shot = photocurrent_variance(power_w, 1.0, 0.0, 0.0, bandwidth_hz)
    amplifier = photocurrent_variance(power_w, *DIODE, bandwidth_hz) - shot
    laser = photocurrent_variance(power_w, 1.0, 0.0, 0.0, bandwidth_hz, -150.0) - shot
    for variance, printed in ((shot, "0.57"), (amplifier, "1.58"), (laser, "0.10")):
        assert_equals_to_digits(100 * math.sqrt(variance) / power_w, printed)


def test_a_full_swing_sine_gives_back_the_bits_of_a_converter():
    """Power 1/2 over LSB^2/12 with 2^b steps in -1 to 1: SNR = 1.5 4^b."""
    for num_bits in (4, 8, 12):
        assert_equals_to_digits(effective_bits(1.5 * 4**num_bits), f"{num_bits}.00")


@given(y=st.floats(-1, 1), power_w=st.floats(1e-7, 1e-3), dark_a=st.floats(0, 1e-6))
def test_noise_of_a_pair_is_that_of_both_diodes(y, power_w, dark_a):
    """Variances of two diodes add, whatever the output; they share one amplifier."""
    responsivity, tia, bandwidth_hz = 0.85, 5 * PICO_AMPERE, 2e9
    upper, lower = (
        photocurrent_variance(power_w * (1 + sign * y) / 2, responsivity, dark_a, noise, 2e9)
        for sign, noise in ((1, tia), (-1, 0.0))
    )
    expected = math.sqrt(upper + lower) / (responsivity * power_w)
    std = balanced_noise_std(power_w, responsivity, dark_a, tia, bandwidth_hz)
    assert_relative(std, expected)


def test_noise_of_a_pair_scales_as_its_kind():
    """Shot noise with 1/sqrt(P), amplifier noise with 1/P, both with sqrt(B)."""
    shot, amplifier = (1.0, 0.0, 0.0), (1.0, 0.0, 5 * PICO_AMPERE)
    assert_relative(balanced_noise_std(1e-5, *shot, 1e9), 2 * balanced_noise_std(4e-5, *shot, 1e9))
    weak = 1e-18  # W; shot noise vanishes against the amplifier's
    assert_relative(balanced_noise_std(weak, *amplifier, 1e9), 5e-12 * math.sqrt(1e9) / weak)
    assert_relative(
        balanced_noise_std(1e-5, *DIODE, 4e9), 2 * balanced_noise_std(1e-5, *DIODE, 1e9)
    )


# Laser.


def test_silent_lasers_draw_nothing():
    source = generator(0)
    assert relative_intensity_std(None, 1e9) == 0
    assert laser_factors(None, 1e9, (3,), source, torch.float64) is None
    assert torch.equal(source.get_state(), generator(0).get_state())


def test_laser_noise_is_one_factor_per_vector(dtype):
    std = 0.1  # 10^(-110/10) over 1 GHz
    factors = laser_factors(-110.0, 1e9, (200, 200), generator(0), dtype)
    assert factors.shape == (200, 200, 1) and factors.dtype == dtype
    noise = (factors.to(torch.float64) - 1) / std
    assert abs(noise.mean()) < STANDARD_ERRORS / math.sqrt(COUNT)
    assert abs(noise.square().mean() - 1) < STANDARD_ERRORS * math.sqrt(2 / COUNT)
