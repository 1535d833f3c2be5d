"""Tensor cores: the product itself without noise, closed forms of each noise, and its keys."""

import math

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.constants import elementary_charge
from torch import Tensor

from photonic import Chip, HardwareConfig, load_hardware, map_linear, realise
from photonic.driven import electronic_gain
from photonic.tensor_core import LinkNoise, TensorCoreLink
from tests.photonic.layers import seeds, sizes, tiles
from tests.photonic.matrices import random_normal
from tests.tolerances import (
    CLOSED_FORM_F64,
    EIGHT_BITS,
    MESH_EPS,
    SINGLE_PRECISION,
    SIX_BITS,
    STANDARD_ERRORS,
)

COUNT = 10_000
IDEAL = load_hardware("ideal")
DETECTOR = {
    "received_power_uw": 10.0,
    "responsivity_a_per_w": 1.0,
    "tia_noise_pa_per_sqrt_hz": 5.0,
    "bandwidth_ghz": 1.0,
}
LASER = {"laser_rin_db_per_hz": -110.0, "bandwidth_ghz": 1.0}
LASER_STD = 0.1
EVERYTHING = DETECTOR | LASER | {"input_bits": 6, "modulator_extinction_db": 15.0, "adc_bits": 6}


def noise(seed: int = 0, index: int = 0, layer: str = "layer", shot: int = 0) -> LinkNoise:
    return LinkNoise.of(Chip(IDEAL, seed, index), layer, shot)


def link(hardware: HardwareConfig, weight: Tensor, tile: int, gain: float = 1.0) -> TensorCoreLink:
    return TensorCoreLink.of(map_linear(weight.double(), tile=tile), hardware, gain)


def inputs(count: int = COUNT, features: int = 7, dtype: torch.dtype = torch.float64) -> Tensor:
    return random_normal(1, count, features, dtype=dtype)


def weights(rows: int = 5, features: int = 7, dtype: torch.dtype = torch.float64) -> Tensor:
    return random_normal(2, rows, features, dtype=dtype)


def output_error(tile: int = 4, gain: float = 1.0, **figures: object) -> Tensor:
    """(COUNT, 5) errors of the outputs of a link with some figures."""
    x, weight = inputs(), weights()
    of = link(IDEAL.replace(**figures), weight, tile, gain)
    return of.apply(x, weight, noise()) - x @ weight.T


def block_scales(x: Tensor, weight: Tensor, tile: int) -> Tensor:
    """(vectors, C, out_features) scale of each block times that of its tile, entry by entry."""
    scale = map_linear(weight, tile=tile).scale
    columns = range(scale.shape[1])
    parts = [x[:, c * tile : (c + 1) * tile].abs().max(-1).values for c in columns]
    rows = [scale[o // tile] for o in range(len(weight))]
    return torch.stack(parts, -1)[:, :, None] * torch.stack(rows, -1)


def assert_unit_normal(values: Tensor) -> None:
    """Mean 0 and std 1, in standard errors."""
    count = values.numel()
    mean = abs(values.mean()) * math.sqrt(count)
    spread = abs(values.square().mean() - 1) / math.sqrt(2 / count)
    assert max(mean, spread) < STANDARD_ERRORS, f"{mean:.1f} and {spread:.1f} standard errors"


# Perfect links.


@given(rows=sizes, features=sizes, tile=tiles, seed=seeds, use_double=st.booleans())
@example(rows=9, features=9, tile=4, seed=0, use_double=False)
def test_perfect_links_multiply(rows, features, tile, seed, use_double):
    dtype = torch.float64 if use_double else torch.float32
    x = random_normal(seed, 2, 3, features, dtype=dtype)
    weight = random_normal(seed + 1, rows, features, dtype=dtype)
    y = link(IDEAL, weight, tile).apply(x, weight, noise())
    bound = MESH_EPS * torch.finfo(dtype).eps * (x.abs() @ weight.abs().T)
    assert y.dtype == dtype
    error = (y - x @ weight.T).abs()
    assert (error <= bound).all(), f"{(error / bound).max():.2f} of the bound"


def test_single_vectors_are_multiplied():
    x, weight = inputs(1), weights()
    of = link(IDEAL.replace(**EVERYTHING), weight, 4)
    assert torch.equal(of.apply(x[0], weight, noise()), of.apply(x, weight, noise())[0])


def test_perfect_links_have_the_gradients_of_the_product():
    x, weight = inputs(3).requires_grad_(), weights().requires_grad_()
    of = link(IDEAL, weight.detach(), 4)
    assert torch.autograd.gradcheck(lambda x, weight: of.apply(x, weight, noise()), (x, weight))


def test_perfect_links_draw_nothing():
    source = noise()
    link(IDEAL, weights(), 4).apply(inputs(), weights(), source)
    for used, fresh in ((source.laser, noise().laser), (source.detector, noise().detector)):
        assert torch.equal(used.get_state(), fresh.get_state())


def test_figures_without_a_limit_approach_the_product():
    fine = {"input_bits": 24, "modulator_extinction_db": 100.0, "adc_bits": 24, "adc_range": 4.0}
    bright = {**DETECTOR, "received_power_uw": 1e9, "laser_rin_db_per_hz": -200.0}
    relative = output_error(**fine, **bright).norm() / (inputs() @ weights().T).norm()
    assert relative < SINGLE_PRECISION, f"{relative:.1e}"


# Blocks.


def test_blocks_are_scaled_one_by_one():
    """Large inputs of one tile column do not drown the small ones of another."""
    weight = weights(features=8)
    x = inputs(features=8)
    x[:, 4:] *= 2.0**-20
    of = link(IDEAL.replace(input_bits=6, adc_bits=6), weight, 4)
    small = torch.cat([torch.zeros_like(x[:, :4]), x[:, 4:]], -1)
    separate = of.apply(small, weight, noise())
    scaled = torch.cat([torch.zeros_like(x[:, :4]), 2.0**20 * x[:, 4:]], -1)
    assert torch.equal(2.0**20 * separate, of.apply(scaled, weight, noise()))
    relative = (separate - small @ weight.T).norm() / (small @ weight.T).norm()
    assert 0 < relative < SIX_BITS


@given(exponent=st.integers(-60, 60))
def test_outputs_scale_with_their_inputs(exponent):
    """Noise and rounding are relative to the largest input."""
    weight, x = weights(), inputs(4)
    of = link(IDEAL.replace(**EVERYTHING), weight, 4)
    scaled = of.apply(x * 2.0**exponent, weight, noise())
    assert torch.equal(scaled, of.apply(x, weight, noise()) * 2.0**exponent)


def test_zeros_are_not_sent(dtype):
    weight, x = weights(dtype=dtype), torch.zeros(4, 7, dtype=dtype, requires_grad=True)
    y = link(IDEAL.replace(**EVERYTHING), weight, 4).apply(x, weight, noise())
    y.sum().backward()
    assert not y.any() and not x.grad.any()


def test_tiles_of_zeros_give_zeros():
    weight = weights()
    weight[:4, :4] = 0
    x = torch.cat([inputs()[:, :4], torch.zeros(COUNT, 3)], -1)
    y = link(IDEAL.replace(**DETECTOR), weight, 4).apply(x, weight, noise())
    assert not y[:, :4].any() and y[:, 4].all()


def test_converters_clip_at_their_range():
    x, weight = inputs(), weights()
    figures = IDEAL.replace(adc_bits=8, adc_range=0.25)
    y = link(figures, weight, 16).apply(x, weight, noise())
    limit = 0.25 * block_scales(x, weight, 16)[:, 0]
    assert (y.abs() <= limit).all() and torch.isclose(y.abs(), limit).any()


# Noise.


@pytest.mark.parametrize("tile", [4, 16])
@pytest.mark.parametrize("gain", [1.0, 3.0])
def test_detector_noise_is_unbiased_and_of_the_predicted_size(tile, gain):
    """Variances of the tile columns add; a gain that makes up for losses amplifies them."""
    error = output_error(tile, gain, **DETECTOR)
    scales = block_scales(inputs(), weights(), tile).square().sum(1).sqrt()
    std = link(IDEAL.replace(**DETECTOR), weights(), tile).output_noise_std
    assert_unit_normal(error / (gain * std * scales))


def test_figures_are_taken_in_their_units():
    """uW, A/W, nA, pA/sqrt(Hz) and GHz, in the closed form of a balanced pair."""
    figures = IDEAL.replace(**DETECTOR | {"responsivity_a_per_w": 0.8, "dark_current_na": 30.0})
    variance = (2 * elementary_charge * (0.8e-5 + 2 * 30e-9) + 5e-12**2) * 1e9
    std = link(figures, weights(), 4).output_noise_std
    assert abs(std / (math.sqrt(variance) / 0.8e-5) - 1) < CLOSED_FORM_F64


def test_gains_leave_the_signal_as_it_is():
    assert torch.equal(output_error(gain=1.0), output_error(gain=3.0))


def test_lossy_cores_hear_more_noise():
    """The electronic gain of a compensated chip makes up for its loss, in noise too."""
    weight = weights()
    program = map_linear(weight, tile=4, name="layer")
    lossy = IDEAL.replace(insertion_loss_db=1.0, is_loss_compensated=True, **DETECTOR)
    gain = electronic_gain(program, lossy)
    of = TensorCoreLink.of(program, lossy, gain)
    assert gain > 1
    assert of.output_noise_std == gain * TensorCoreLink.of(program, lossy).output_noise_std
    realised = realise(program, Chip(lossy))
    x = inputs()
    error = of.apply(x, realised, noise()) - x @ realised.T
    assert_unit_normal(
        error / (of.output_noise_std * block_scales(x, weight, 4).square().sum(1).sqrt())
    )


def test_laser_noise_is_one_factor_on_all_outputs():
    factors = output_error(**LASER) / (inputs() @ weights().T)
    spread = factors.amax(-1) - factors.amin(-1)
    assert (spread * (inputs() @ weights().T).abs().amin(-1)).max() < CLOSED_FORM_F64
    assert_unit_normal(factors[:, 0] / LASER_STD)


@pytest.mark.parametrize(
    "settings",
    [
        [{"input_bits": bits} for bits in (16, 10, 8, 6, 4, 2)],
        [{"modulator_extinction_db": ratio} for ratio in (90.0, 60.0, 30.0, 15.0, 6.0)],
        [LASER | {"laser_rin_db_per_hz": rin} for rin in (-160.0, -140.0, -120.0)],
        [DETECTOR | {"received_power_uw": power} for power in (1000.0, 100.0, 10.0, 1.0)],
        [DETECTOR | {"tia_noise_pa_per_sqrt_hz": tia} for tia in (0.0, 1.2, 5.0, 20.0)],
        [DETECTOR | {"dark_current_na": dark} for dark in (0.0, 60.0, 1e6)],
        [DETECTOR | {"responsivity_a_per_w": r} for r in (1.1, 0.85, 0.6)],
        [DETECTOR | {"bandwidth_ghz": bandwidth} for bandwidth in (0.001, 1.0, 10.0)],
        [{"adc_bits": bits} for bits in (16, 10, 8, 6, 4, 2)],
    ],
    ids=lambda settings: list(settings[0])[-1],
)
def test_worse_figures_err_more(settings):
    errors = [output_error(**figures).square().mean().item() for figures in settings]
    assert errors[0] > 0 and errors == sorted(set(errors)), errors


def test_equal_keys_give_equal_bits(dtype):
    x, weight = inputs(6, dtype=dtype), weights(dtype=dtype)
    of = link(IDEAL.replace(**EVERYTHING), weight, 4)
    first = of.apply(x, weight, noise(3, 1, "a", 2))
    assert torch.equal(first, of.apply(x, weight, noise(3, 1, "a", 2)))
    for other in ((4, 1, "a", 2), (3, 2, "a", 2), (3, 1, "b", 2), (3, 1, "a", 3)):
        assert not torch.equal(first, of.apply(x, weight, noise(*other)))


def test_noise_goes_on_from_call_to_call():
    x, weight, source = inputs(6), weights(), noise()
    of = link(IDEAL.replace(**DETECTOR), weight, 4)
    first, second = (of.apply(x, weight, source) for _ in range(2))
    assert not torch.equal(first, second)


def test_noisy_links_have_gradients():
    """Exact ones through extinction and noise, where nothing is rounded."""
    figures = IDEAL.replace(modulator_extinction_db=15.0, **DETECTOR | LASER)
    x, weight = inputs(2).requires_grad_(), weights().requires_grad_()
    of = link(figures, weight.detach(), 4)
    assert torch.autograd.gradcheck(lambda x, weight: of.apply(x, weight, noise()), (x, weight))


def test_gradients_pass_rounding():
    x, weight = inputs(8).requires_grad_(), weights().requires_grad_()
    figures = IDEAL.replace(input_bits=8, adc_bits=8, adc_range=4.0)
    link(figures, weight.detach(), 4).apply(x, weight, noise()).sum().backward()
    expected = weights().sum(0).expand(8, -1)
    assert (x.grad - expected).norm() < EIGHT_BITS * expected.norm()


# Refusals.


@pytest.mark.parametrize(
    ("x_shape", "weight_shape", "message"),
    [
        ((3, 6), (5, 7), r"`x` must have shape \(..., 7\), got \(3, 6\)"),
        ((3, 7), (5, 9), r"`weight` must fill \(2, 2\) tiles of \(4, 4\), got \(5, 9\)"),
        ((3, 7), (7,), r"`weight` must fill \(2, 2\) tiles of \(4, 4\), got \(7,\)"),
    ],
)
def test_wrong_shapes_are_refused(x_shape, weight_shape, message):
    of = link(IDEAL, weights(), 4)
    with pytest.raises(ValueError, match=message):
        of.apply(torch.ones(x_shape), torch.ones(weight_shape), noise())


@pytest.mark.parametrize(
    ("scale", "tile_shape", "gain", "message"),
    [
        (torch.ones(3), (4, 4), 1.0, "`scale` must be a matrix"),
        (-torch.ones(1, 1), (4, 4), 1.0, "`scale` must be a matrix"),
        (torch.ones(1, 1), (4, 0), 1.0, "`tile_shape` must be positive"),
        (torch.ones(1, 1), (4, 4), 0.0, "`gain` must be positive"),
    ],
)
def test_wrong_links_are_refused(scale, tile_shape, gain, message):
    with pytest.raises(ValueError, match=message):
        TensorCoreLink(IDEAL, scale, tile_shape, gain)
