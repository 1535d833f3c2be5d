"""Errors of phases and their rounding: exact absence, statistics, keys, and half a step."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonic.drive import phase_full_scale
from photonic.hardware import HardwareConfig, load_hardware
from photonic.impairments.attenuator import attenuator_noise
from photonic.impairments.bias import bias_residual, uncalibrated_bias
from photonic.impairments.coupler import coupler_errors
from photonic.impairments.gamma import TRUNCATION, gamma_factors
from photonic.impairments.loss import arm_losses, insertion_losses
from photonic.impairments.phase_noise import phase_noise
from photonic.impairments.quantisation import quantise_phase
from photonic.randomness import keyed_generator
from tests.tolerances import FINE_STEP, KS_STATISTIC, STANDARD_ERRORS, STEP_SLACK

TURN = 2 * np.pi
COUNT = 40_000
IDEAL = load_hardware("ideal")
seeds = st.integers(0, 2**32)

Draw = Callable[[float, tuple[int, ...], np.random.Generator], np.ndarray | None]
DRAWS: dict[str, Draw] = {
    "gamma": gamma_factors,
    "bias residue": bias_residual,
    "bias": uncalibrated_bias,
    "phase noise": phase_noise,
    "attenuator": attenuator_noise,
    "coupler": lambda std, shape, source: coupler_errors(std, 0.0, shape, source),
    "loss": lambda std, shape, source: insertion_losses(0.0, std, shape, source),
    "arm loss": lambda std, shape, source: arm_losses(0.0, std, shape, source),
}
"""Each effect as a function of its strength alone."""
each_draw = pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS.keys())


def generator(seed: int = 0) -> np.random.Generator:
    return keyed_generator(seed, "impairments")


def assert_mean(values: np.ndarray, mean: float, std: float) -> None:
    error = abs(values.mean() - mean) / (std / math.sqrt(values.size))
    assert error < STANDARD_ERRORS, f"{error:.1f} standard errors"


def assert_std(values: np.ndarray, std: float) -> None:
    spread = np.sqrt(np.mean((values - values.mean()) ** 2))
    kurtosis = np.mean((values - values.mean()) ** 4) / spread**4
    error = abs(spread / std - 1) / math.sqrt((kurtosis - 1) / (4 * values.size))
    assert error < STANDARD_ERRORS, f"{error:.1f} standard errors"


@each_draw
def test_an_absent_effect_draws_nothing(draw):
    source = generator()
    assert draw(0.0, (3,), source) is None
    assert source.bytes(16) == generator().bytes(16)


@each_draw
@given(seed=seeds)
def test_the_same_key_gives_the_same_errors(draw, seed):
    first, again, other = (draw(0.1, (2, 5), generator(s)) for s in (seed, seed, seed + 1))
    assert first.shape[:2] == (2, 5)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@each_draw
@given(weak=st.floats(1e-3, 0.2), ratio=st.floats(1.01, 2.0), seed=seeds)
def test_a_stronger_effect_has_larger_errors(draw, weak, ratio, seed):
    small, large = (draw(std, (50,), generator(seed)) for std in (weak, ratio * weak))
    without = 1.0 if draw is gamma_factors else 0.0
    small, large = np.abs(small - without), np.abs(large - without)
    assert (large >= small).all()
    assert large.sum() > small.sum()


@pytest.mark.parametrize("draw", [bias_residual, phase_noise, attenuator_noise])
def test_normal_errors_have_their_std(draw):
    values = draw(0.02, (COUNT,), generator())
    assert_mean(values, 0, 0.02)
    assert_std(values, 0.02)


def test_an_uncalibrated_bias_is_uniform():
    values = np.sort(uncalibrated_bias(1.0, (COUNT,), generator()))
    assert np.abs(values).max() <= 1
    gap = np.abs((values + 1) / 2 - (np.arange(COUNT) + 0.5) / COUNT).max()
    assert math.sqrt(COUNT) * gap < KS_STATISTIC


def test_gamma_is_truncated_and_loses_spread():
    spread = 0.012
    values = gamma_factors(spread, (COUNT,), generator())
    assert np.abs(values - 1).max() <= TRUNCATION * spread
    density = math.exp(-(TRUNCATION**2) / 2) / math.sqrt(TURN)
    inside = math.erf(TRUNCATION / math.sqrt(2))
    std = spread * math.sqrt(1 - 2 * TRUNCATION * density / inside)
    assert_mean(values, 1, std)
    assert_std(values, std)
    assert round(std / spread, 3) == 0.880  # normal, truncated at 2 sigma


def dac(mode: str, num_bits: int) -> HardwareConfig:
    return IDEAL.replace(dac_bits=num_bits, dac_mode=mode)


def test_a_continuous_drive_returns_the_same_array():
    phase = generator().uniform(0, TURN, 16)
    assert quantise_phase(phase, IDEAL) is phase


@given(num_bits=st.integers(1, 24), seed=seeds)
def test_quantised_phase_is_within_half_a_step(num_bits, seed):
    phase = generator(seed).uniform(0, TURN, 16)
    hardware = dac("phase", num_bits)
    step = phase_full_scale(hardware) / (2**num_bits - 1)
    error = np.abs(quantise_phase(phase, hardware) - phase).max() / step
    assert error <= FINE_STEP + STEP_SLACK


@given(num_bits=st.integers(4, 24), seed=seeds)
def test_quantised_voltage_is_within_half_a_step(num_bits, seed):
    phase = generator(seed).uniform(0, TURN, 16)
    hardware = dac("voltage", num_bits)
    voltage = hardware.v_pi_v * np.sqrt(phase / np.pi)
    rounded = hardware.v_pi_v * np.sqrt(quantise_phase(phase, hardware) / np.pi)
    step = hardware.v_max_v / (2**num_bits - 1)
    assert (np.abs(rounded - voltage) / step).max() <= FINE_STEP + STEP_SLACK


@pytest.mark.parametrize("mode", ["phase", "voltage"])
@given(num_bits=st.integers(2, 16), seed=seeds)
def test_quantisation_is_idempotent(mode, num_bits, seed):
    hardware = dac(mode, num_bits).replace(crosstalk=0.01, is_crosstalk_compensated=True)
    once = quantise_phase(generator(seed).uniform(0, TURN, 16), hardware)
    assert np.array_equal(quantise_phase(once, hardware), once)


def test_a_phase_out_of_range_of_the_converter_raises():
    hardware = dac("phase", 8).replace(crosstalk=0.01, is_crosstalk_compensated=True)
    with pytest.raises(ValueError, match=r"outside 0 to 12\.57"):
        quantise_phase(np.array([1.0, 12.7]), hardware)
