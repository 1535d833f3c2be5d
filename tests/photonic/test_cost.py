"""Costs of components: published figures, units and limits."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.constants import elementary_charge

from photonic.cost import (
    adc_power_mw,
    dac_power_mw,
    detection_floor_fj,
    flight_time_ps,
    heater_power_mw,
    laser_power_mw,
    modulator_power_mw,
    num_loads,
    path_loss_db,
    shot_floor_fj,
    thermal_floor_fj,
    tile_area_um2,
    working_time_us,
)
from tests.tolerances import CLOSED_FORM_F64

positive = st.floats(1e-3, 1e3)


def test_laser_of_lightening_transformer():
    """12 x 12 core: 25.95 dB, 1.19 W at 4 bit, 19.1 W at 8 bit."""
    loss = path_loss_db(1.2, 0.99, 12 + 12 + 1)
    assert loss == pytest.approx(25.95, rel=CLOSED_FORM_F64)
    assert round(laser_power_mw(-25.0, loss, 12, 4, 0.2) / 1000, 2) == 1.19
    assert round(laser_power_mw(-25.0, loss, 12, 8, 0.2) / 1000, 1) == 19.1


@given(
    loss=st.floats(0, 60), inputs=st.integers(1, 64), bits=st.integers(1, 16), efficiency=positive
)
def test_laser_power_follows_loss_and_bits(loss, inputs, bits, efficiency):
    power = laser_power_mw(-25.0, loss, inputs, bits, efficiency)
    for other, factor in (
        (laser_power_mw(-25.0, loss + 10, inputs, bits, efficiency), 10),
        (laser_power_mw(-15.0, loss, inputs, bits, efficiency), 10),
        (laser_power_mw(-25.0, loss, 2 * inputs, bits, efficiency), 2),
        (laser_power_mw(-25.0, loss, inputs, bits + 1, efficiency), 2),
        (laser_power_mw(-25.0, loss, inputs, bits, 2 * efficiency), 0.5),
    ):
        assert other == pytest.approx(factor * power, rel=CLOSED_FORM_F64)


def test_one_milliwatt_is_zero_dbm():
    assert laser_power_mw(0.0, 0.0, 1, 0, 1.0) == 1.0


def test_laser_without_efficiency_is_refused():
    with pytest.raises(ValueError, match="`laser_wall_plug` must be positive, got 0"):
        laser_power_mw(-25.0, 1.0, 4, 8, 0.0)


def test_converters_at_the_rates_of_their_figures():
    assert dac_power_mw(50.0, 8, 14.0) == 50.0
    assert adc_power_mw(14.8, 8, 10.0) == 14.8
    assert dac_power_mw(50.0, 4, 14.0) == 50.0 * (16 / 4) / (256 / 8)
    assert adc_power_mw(14.8, 4, 5.0) == 14.8 / 4
    assert modulator_power_mw(450.0, 5.0) == pytest.approx(2.25, rel=CLOSED_FORM_F64)


@given(bits=st.integers(1, 15), rate=positive)
def test_converters_grow_with_bits_and_rate(bits, rate):
    for power in (dac_power_mw, adc_power_mw):
        assert power(10.0, bits, 2 * rate) == pytest.approx(
            2 * power(10.0, bits, rate), rel=CLOSED_FORM_F64
        )
        assert power(10.0, bits + 1, rate) >= power(10.0, bits, rate)


def test_detection_floor_of_the_reference():
    """3.1 fJ at 4 bit and 49 fJ at 8 bit for 1 GHz, 5 pA/sqrt(Hz) and 1 A/W."""
    assert round(thermal_floor_fj(4, 1.0, 5.0, 1.0), 1) == 3.1
    assert math.floor(thermal_floor_fj(8, 1.0, 5.0, 1.0)) == 49


def test_shot_floor_counts_electrons():
    """A signal of n electrons has shot noise sqrt(n) at half the bandwidth: SNR = n/2."""
    snr = 10 ** ((6.02 * 8 + 1.76) / 10)
    assert shot_floor_fj(8, 0.5) == pytest.approx(
        4 * elementary_charge * snr * 1e15, rel=CLOSED_FORM_F64
    )


@given(bits=st.floats(0, 16), responsivity=positive, noise=positive, bandwidth=positive)
def test_detection_floor_reaches_the_ratio(bits, responsivity, noise, bandwidth):
    figures = responsivity, noise, bandwidth
    energy = detection_floor_fj(bits, *figures)
    shot, thermal = shot_floor_fj(bits, responsivity), thermal_floor_fj(bits, *figures)
    assert max(shot, thermal) <= energy <= shot + thermal
    charge = responsivity * energy * 1e-15
    variance = 2 * elementary_charge * charge + (noise * 1e-12) ** 2 / (bandwidth * 1e9)
    snr_db = 10 * math.log10(charge**2 / variance)
    assert (snr_db - 1.76) / 6.02 == pytest.approx(bits, rel=CLOSED_FORM_F64, abs=CLOSED_FORM_F64)


def test_quiet_amplifier_leaves_shot_noise():
    assert detection_floor_fj(6, 1.1, 0.0, 1.0) == pytest.approx(
        shot_floor_fj(6, 1.1), rel=CLOSED_FORM_F64
    )


def test_flight_through_a_cell_of_ipronics():
    """811 um take 11.25 ps; the group index 4.16 is the one that fits."""
    assert round(flight_time_ps(1, 811.0, 4.16), 2) == 11.25
    assert flight_time_ps(8, 811.0, 4.16) == 8 * flight_time_ps(1, 811.0, 4.16)


def test_time_of_vectors():
    assert working_time_us(1000, 1.0, 0.0) == 1.0
    assert working_time_us(1, 1.0, 999.0) == pytest.approx(1.0, rel=CLOSED_FORM_F64)


@given(tiles=st.integers(1, 500), capacity=st.integers(1, 500))
def test_loads_hold_all_tiles_and_no_load_is_spare(tiles, capacity):
    loads = num_loads(tiles, capacity)
    assert (loads - 1) * capacity < tiles <= loads * capacity


def test_area_of_a_small_core():
    """2 x 2 on the figures of Lightening-Transformer: two meshes of one MZI, two attenuators."""
    area = tile_area_um2(
        1 + 1 + 2,
        2,
        2,
        mzi_um2=180 * 100,
        laser_um2=400 * 300,
        input_um2=260 * 20 + 11000,
        output_um2=2850,
    )
    assert area == 4 * 18000 + 120000 + 2 * 16200 + 2 * 2850


def test_heater_power_is_the_sum_of_phases():
    phases = {
        "V": torch.tensor([[math.pi, 0.0], [3 * math.pi, math.pi]], dtype=torch.float64),
        "sigma": torch.tensor([[math.pi / 2], [0.0]], dtype=torch.float64),
    }
    power = heater_power_mw(phases, 24.77)
    assert power.tolist() == pytest.approx([1.5 * 24.77, 4 * 24.77], rel=CLOSED_FORM_F64)
