"""Temperature, hot spot and laser: what path imbalances turn into phases."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonic import HardwareConfig
from photonic.drift import HORIZON_S, phase_drift
from photonic.drift.hot_spot import hot_spot_change
from photonic.drift.laser import detuning_phase, wavelength_change
from photonic.drift.temperature import phase_per_kelvin, temperature_change, trace_at
from tests.photonic.drifting import HOUR, LASER, SILICON, UNBALANCED, drifting
from tests.tolerances import CLOSED_FORM_F64, STANDARD_ERRORS

COUNT = 20_000
TRACE = ((-100.0, 290.0), (0.0, 300.0), (50.0, 300.5), (HORIZON_S, 299.0))
HUNDRED_UM = np.array([100.0])
RAMP = {"temperature_ramp_k_per_hour": 1.0}


def shifters(hardware: HardwareConfig, time_s: float, count: int = 3) -> np.ndarray:
    return phase_drift(hardware, 0, 0, "U", (), count, time_s)


def daily(hour: float) -> HardwareConfig:
    return drifting(**SILICON, temperature_daily_k=1.5, temperature_daily_hour=hour)


@pytest.mark.parametrize(
    ("material", "thermo_optic", "published"),
    [("silicon", 1.86e-4, 0.0754), ("silicon nitride", 2.45e-5, 0.0099)],
)
def test_phase_per_kelvin_of_100_um(material: str, thermo_optic: float, published: float) -> None:
    kappa = phase_per_kelvin(HUNDRED_UM, thermo_optic, 1550.0)
    assert round(float(kappa[0]), 4) == published, material


def test_ten_millikelvin_on_silicon() -> None:
    """The 0.75 mrad that the laboratory preset assumes."""
    hardware = drifting(**UNBALANCED, temperature_ramp_k_per_hour=0.010)
    assert np.round(1e3 * shifters(hardware, HOUR), 2).tolist() == [0.75] * 3


def test_one_picometre_over_100_um() -> None:
    phase = detuning_phase(HUNDRED_UM, 1.0, 4.2, 1550.0)
    assert round(1e3 * float(phase[0]), 1) == -1.1


def test_ramp_is_proportional_to_time_and_slope() -> None:
    one = shifters(drifting(**UNBALANCED, **RAMP), HOUR)
    five = shifters(drifting(**UNBALANCED, temperature_ramp_k_per_hour=2.0), 2.5 * HOUR)
    np.testing.assert_allclose(five, 5 * one, rtol=CLOSED_FORM_F64)


@pytest.mark.parametrize(
    ("hour", "after_h", "change_k"), [(0, 6, 1.5), (0, 18, -1.5), (6, 12, -3.0), (18, 6, 1.5)]
)
def test_daily_swing_starts_at_its_hour(hour: float, after_h: float, change_k: float) -> None:
    change = temperature_change(daily(hour), after_h * HOUR)
    assert change == pytest.approx(change_k, rel=CLOSED_FORM_F64)


@given(hour=st.floats(0, 24), time_s=st.integers(0, 86_400))
def test_daily_swing_repeats_and_stays_within_twice_its_amplitude(hour: float, time_s: int) -> None:
    change = temperature_change(daily(hour), time_s)
    tomorrow = temperature_change(daily(hour), time_s + 86_400)
    assert change == pytest.approx(tomorrow, abs=CLOSED_FORM_F64)
    assert abs(change) <= 3.0


def test_changes_of_temperature_add() -> None:
    parts = {**RAMP}, {"temperature_daily_k": 1.5}, {"temperature_trace": TRACE}
    alone = sum(temperature_change(drifting(**SILICON, **part), HOUR) for part in parts)
    everything = {key: value for part in parts for key, value in part.items()}
    together = temperature_change(drifting(**SILICON, **everything), HOUR)
    assert together == pytest.approx(alone, rel=CLOSED_FORM_F64)


@pytest.mark.parametrize(
    ("time_s", "change_k"), [(0.0, 0.0), (50.0, 0.5), (20.0, 0.2), (HORIZON_S, -1.0)]
)
def test_trace_counts_from_its_value_at_the_calibration(time_s: float, change_k: float) -> None:
    change = temperature_change(drifting(**SILICON, temperature_trace=TRACE), time_s)
    assert change == pytest.approx(change_k, rel=CLOSED_FORM_F64, abs=CLOSED_FORM_F64)


@given(time_s=st.floats(-100, HORIZON_S))
def test_trace_is_interpolated_linearly(time_s: float) -> None:
    expected = np.interp(time_s, *zip(*TRACE, strict=True))
    assert trace_at(TRACE, time_s) == pytest.approx(expected, rel=CLOSED_FORM_F64)


@pytest.mark.parametrize(
    ("trace", "message"),
    [
        (((0.0, 300.0), (60.0, 301.0)), "covers 0 to 60 s, asked for 61 s"),
        (((1.0, 300.0), (90.0, 301.0)), "covers 1 to 90 s, asked for 0 s"),
        ((), "covers no time, asked for 61 s"),
    ],
)
def test_times_that_the_trace_does_not_cover_raise(
    trace: tuple[tuple[float, float], ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        shifters(drifting(**UNBALANCED, temperature_trace=trace), 61.0)


def test_a_balanced_mesh_feels_neither_temperature_nor_wavelength() -> None:
    assert shifters(drifting(**SILICON, **RAMP, **LASER, hot_spot_k=3.0), HOUR) is None


def test_imbalances_have_their_mean_and_spread_and_belong_to_the_chip() -> None:
    figures = {"path_imbalance_um": 5.0, "path_imbalance_std_um": 20.0}
    hardware = drifting(**SILICON, **RAMP, **figures)
    one_hour = shifters(hardware, HOUR, COUNT)
    imbalance = one_hour / phase_per_kelvin(np.ones(1), 1.86e-4, 1550.0)
    assert abs(imbalance.mean() - 5) < STANDARD_ERRORS * 20 / math.sqrt(COUNT)
    assert abs(imbalance.std() / 20 - 1) < STANDARD_ERRORS / math.sqrt(2 * COUNT)
    np.testing.assert_allclose(
        shifters(hardware, 3 * HOUR, COUNT), 3 * one_hour, rtol=CLOSED_FORM_F64
    )
    for other in ((0, 1, "U"), (1, 0, "U"), (0, 0, "V")):
        assert not np.isin(phase_drift(hardware, *other, (), 4, HOUR), one_hour).any()


def test_temperature_and_laser_act_through_the_same_imbalances() -> None:
    spread = {**SILICON, "path_imbalance_std_um": 20.0}
    thermal = shifters(drifting(**spread, **RAMP), HOUR)
    optical = shifters(drifting(**spread, laser_ramp_pm_per_hour=1.0), HOUR)
    ratio = -1.86e-4 * 1550.0 / (4.2 * 1e-3)  # dn/dT against -n_g 1 pm/lambda
    np.testing.assert_allclose(thermal, ratio * optical, rtol=CLOSED_FORM_F64)


def test_hot_spot_falls_off_over_the_tile_grid() -> None:
    hardware = drifting(**UNBALANCED, hot_spot_k=2.0, hot_spot_length_tiles=1.5)
    phase = phase_drift(hardware, 0, 0, "U", (2, 3), 4, 1.0)
    kappa = phase_per_kelvin(HUNDRED_UM, 1.86e-4, 1550.0)
    distance = np.sqrt([[0, 1, 4], [1, 2, 5]])
    expected = np.repeat((2 * np.exp(-distance / 1.5) * kappa)[..., None], 4, axis=-1)
    np.testing.assert_allclose(phase, expected, rtol=CLOSED_FORM_F64)
    np.testing.assert_allclose(
        phase_drift(hardware, 0, 0, "U", (), 4, 1.0), phase[0, 0], rtol=CLOSED_FORM_F64
    )


def test_hot_spot_warms_exponentially_or_at_once() -> None:
    after_tau = hot_spot_change(2.0, 1.0, 300.0, (), 300.0)
    assert float(after_tau) == pytest.approx(2 * (1 - math.exp(-1)), rel=CLOSED_FORM_F64)
    assert float(hot_spot_change(2.0, 1.0, None, (), 1e-9)) == 2.0
    assert float(hot_spot_change(2.0, 1.0, None, (), 0.0)) == 0.0


def test_wavelength_is_an_ornstein_uhlenbeck_process_of_the_chip() -> None:
    num_chips, hardware = 2_000, drifting(**{**LASER, "laser_ramp_pm_per_hour": 0.0}, **SILICON)
    start, dt = 2.0**14, 512.0  # of few halvings, and long after the 900 s
    first, second = (
        np.array([wavelength_change(hardware, 0, chip, time) for chip in range(num_chips)])
        for time in (start, start + dt)
    )
    ratio = np.mean(first**2) / 0.25
    assert abs(ratio - 1) < STANDARD_ERRORS * math.sqrt(2 / num_chips)
    expected = math.exp(-dt / 900)
    error = abs(np.corrcoef(first, second)[0, 1] - expected)
    assert error < STANDARD_ERRORS * (1 - expected**2) / math.sqrt(num_chips)


def test_wavelength_ramp_adds_to_the_process() -> None:
    steady, both = {"laser_ramp_pm_per_hour": 0.0}, {"laser_ramp_pm_per_hour": 0.4}
    without, ramped = (
        wavelength_change(drifting(**{**LASER, **part}, **SILICON), 0, 0, 5 * HOUR)
        for part in (steady, both)
    )
    assert ramped - without == pytest.approx(2.0, rel=CLOSED_FORM_F64)


def test_all_meshes_of_a_chip_see_one_wavelength() -> None:
    hardware = drifting(**UNBALANCED, **LASER)
    u, v = (phase_drift(hardware, 0, 2, mesh, (2, 2), 3, HOUR) for mesh in ("U", "V"))
    assert len({*u.flat, *v.flat}) == 1
    assert u.flat[0] != phase_drift(hardware, 0, 3, "U", (), 1, HOUR)[0]
