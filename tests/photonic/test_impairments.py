"""Single effects: exact absence, statistics, rounding, and crosstalk with its compensation."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from photonic.drive import phase_full_scale
from photonic.hardware import HardwareConfig, load_hardware
from photonic.impairments.bias import bias_residual
from photonic.impairments.coupler import coupler_errors
from photonic.impairments.crosstalk import (
    apply_crosstalk,
    crosstalk_matrix,
    precompensate_crosstalk,
)
from photonic.impairments.gamma import TRUNCATION, gamma_factors
from photonic.impairments.loss import insertion_losses, loss_gain
from photonic.impairments.phase_noise import phase_noise
from photonic.impairments.quantisation import quantise_phase
from photonic.layout import MeshLayout
from photonic.randomness import keyed_generator
from tests.tolerances import COMPENSATION, DRIVE_EPS, FINE_STEP, STANDARD_ERRORS, STEP_SLACK

TURN = 2 * np.pi
COUNT = 40_000
IDEAL = load_hardware("ideal")
layouts = st.builds(MeshLayout, st.sampled_from(["clements", "reck"]), st.integers(1, 8))
coefficients = st.floats(0.0, 0.05)
seeds = st.integers(0, 2**32)


def generator(seed: int = 0) -> np.random.Generator:
    return keyed_generator(seed, "impairments")


def draw_phases(layout: MeshLayout, seed: int, batch: int = 3) -> np.ndarray:
    shifters = 2 * layout.num_mzis + layout.num_modes
    return generator(seed).uniform(0, TURN, (batch, shifters))


def lattice_matrix(layout: MeshLayout, coefficient: float) -> np.ndarray:
    """Crosstalk from the rule itself, pair by pair."""
    mzis = list(zip(layout.mode.tolist(), layout.column.tolist(), strict=True))
    sites = [(y, 2 * x + 1) for y, x in mzis] + [(y, 2 * x) for y, x in mzis]
    sites += [(y, 2 * layout.num_columns) for y in range(layout.num_modes)]
    matrix = np.eye(len(sites))
    for i, (y, x) in enumerate(sites):
        for j, (other_y, other_x) in enumerate(sites):
            if (abs(y - other_y), abs(x - other_x)) in {(0, 1), (2, 0)}:
                matrix[i, j] = coefficient
    return matrix


def assert_mean(values: np.ndarray, mean: float, std: float) -> None:
    error = abs(values.mean() - mean) / (std / math.sqrt(values.size))
    assert error < STANDARD_ERRORS, f"{error:.1f} standard errors"


def assert_std(values: np.ndarray, std: float) -> None:
    spread = np.sqrt(np.mean((values - values.mean()) ** 2))
    kurtosis = np.mean((values - values.mean()) ** 4) / spread**4
    error = abs(spread / std - 1) / math.sqrt((kurtosis - 1) / (4 * values.size))
    assert error < STANDARD_ERRORS, f"{error:.1f} standard errors"


def test_absent_effects_draw_nothing():
    source = generator()
    assert gamma_factors(0.0, (3,), source) is None
    assert bias_residual(0.0, (3,), source) is None
    assert phase_noise(0.0, (3,), source) is None
    assert coupler_errors(0.0, 0.0, (3,), source) is None
    assert insertion_losses(0.0, 0.0, (3,), source) is None
    assert source.bytes(16) == generator().bytes(16)


@given(layout=layouts, seed=seeds)
def test_absent_effects_return_the_same_array(layout, seed):
    phase = draw_phases(layout, seed)
    assert quantise_phase(phase, IDEAL) is phase
    assert apply_crosstalk(phase, layout, 0.0) is phase
    assert precompensate_crosstalk(phase, layout, 0.0) is phase


@pytest.mark.parametrize("draw", [bias_residual, phase_noise])
def test_normal_errors_have_their_std(draw):
    values = draw(0.02, (COUNT,), generator())
    assert_mean(values, 0, 0.02)
    assert_std(values, 0.02)


def test_gamma_is_truncated_and_loses_spread():
    spread = 0.012
    values = gamma_factors(spread, (COUNT,), generator())
    assert np.abs(values - 1).max() <= TRUNCATION * spread
    density = math.exp(-(TRUNCATION**2) / 2) / math.sqrt(TURN)
    inside = math.erf(TRUNCATION / math.sqrt(2))
    std = spread * math.sqrt(1 - 2 * TRUNCATION * density / inside)
    assert_mean(values, 1, std)
    assert_std(values, std)
    assert round(std / spread, 3) == 0.880  # printed in reference 2.2


def test_coupler_errors_are_independent_with_a_common_offset():
    values = coupler_errors(0.015, 0.01, (COUNT,), generator())
    assert values.shape == (COUNT, 2)
    assert_mean(values, 0.01, 0.015)
    assert_std(values, 0.015)
    assert abs(np.corrcoef(values.T)[0, 1]) < STANDARD_ERRORS / math.sqrt(COUNT)
    assert np.array_equal(coupler_errors(0.0, 0.01, (4,), generator()), np.full((4, 2), 0.01))


def test_losses_are_never_negative():
    values = insertion_losses(0.21, 0.02, (COUNT,), generator())
    assert_mean(values, 0.21, 0.02)
    assert_std(values, 0.02)
    wide = insertion_losses(0.1, 1.0, (COUNT,), generator())
    assert wide.min() == 0
    assert np.array_equal(insertion_losses(0.3, 0.0, (4,), generator()), np.full(4, 0.3))


@given(first=st.floats(0, 10), second=st.floats(0, 10), count=st.floats(0, 40))
def test_gains_of_losses_in_series_multiply(first, second, count):
    product = loss_gain(first, count) * loss_gain(second, count)
    total = loss_gain(first + second, count)
    amplification = 1 + (first + second) * count  # of rounding in the exponent
    assert abs(product / total - 1) <= DRIVE_EPS * np.finfo(float).eps * amplification


def dac(mode: str, num_bits: int) -> HardwareConfig:
    return IDEAL.replace(dac_bits=num_bits, dac_mode=mode)


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


@given(layout=layouts, coefficient=coefficients)
@example(layout=MeshLayout("clements", 1), coefficient=0.05)
@example(layout=MeshLayout("clements", 2), coefficient=0.05)
def test_crosstalk_joins_the_neighbours_of_the_lattice(layout, coefficient):
    matrix = crosstalk_matrix(layout, coefficient).toarray()
    assert np.array_equal(matrix, lattice_matrix(layout, coefficient))


def test_crosstalk_of_two_modes_by_hand():
    phase = np.array([1.0, 2.0, 4.0, 8.0])  # theta, phi, screen of modes 0 and 1
    heated = apply_crosstalk(phase, MeshLayout("clements", 2), 0.5)
    assert heated.tolist() == [1 + 0.5 * (2 + 4), 2 + 0.5 * 1, 4 + 0.5 * 1, 8]


@given(layout=layouts, coefficient=coefficients, seed=seeds)
def test_crosstalk_is_linear_and_the_batch_does_not_matter(layout, coefficient, seed):
    phase = draw_phases(layout, seed, 4).reshape(2, 2, -1)
    heated = apply_crosstalk(phase, layout, coefficient)
    single = apply_crosstalk(phase[1, 0], layout, coefficient)
    assert np.array_equal(heated[1, 0], single)
    assert np.array_equal(apply_crosstalk(2 * phase, layout, coefficient), 2 * heated)


@given(layout=layouts, coefficient=coefficients, seed=seeds)
def test_precompensation_undoes_crosstalk(layout, coefficient, seed):
    phase = draw_phases(layout, seed)
    phase[0] = 0.0  # no heat at all: nothing to lift
    command = precompensate_crosstalk(phase, layout, coefficient)
    assert command.min() >= 0
    heated = lattice_matrix(layout, coefficient) @ command[..., None]
    turns = (heated[..., 0] - phase) / TURN
    error = np.abs(turns - np.rint(turns)).max() * TURN
    assert error <= COMPENSATION, f"{error:.1e} rad"
    assert np.array_equal(precompensate_crosstalk(phase[1:2], layout, coefficient), command[1:2]), (
        "depends on the batch"
    )


def test_lifts_are_whole_turns_and_only_where_needed():
    layout = MeshLayout("clements", 8)
    phase = draw_phases(layout, 1)
    phase[:, ::5] = 1e-3  # cold shifters between hot ones must be lifted
    command = precompensate_crosstalk(phase, layout, 0.02)
    lifts = np.rint((apply_crosstalk(command, layout, 0.02) - phase) / TURN)
    assert set(np.unique(lifts)) == {0.0, 1.0}
    lowest = command[lifts == 1].min()
    assert lowest < TURN, "a lift that was not needed"


def test_crosstalk_that_cannot_be_compensated_raises():
    layout = MeshLayout("clements", 8)
    with pytest.raises(ValueError, match=r"crosstalk 0\.4 leaves no positive commands"):
        precompensate_crosstalk(draw_phases(layout, 0), layout, 0.4)
