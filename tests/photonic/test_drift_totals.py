"""Drift of a mesh as a whole: a pure function of time, zero at the calibration; ageing heaters."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from photonic import HardwareConfig
from photonic.drift import HORIZON_S, ageing_factors, phase_drift
from photonic.hardware import load_hardware
from photonic.hardware.effects import DRIFT_EFFECTS
from tests.photonic.drifting import EVERYTHING, HOUR, drifting
from tests.tolerances import CLOSED_FORM_F64, STANDARD_ERRORS

ALL = drifting(**EVERYTHING)
COUNT = 20_000
times = st.floats(0, HORIZON_S) | st.integers(0, HORIZON_S)
BOTH = pytest.mark.parametrize("function", [phase_drift, ageing_factors])


def mesh(hardware: HardwareConfig, time_s: float) -> np.ndarray | None:
    return phase_drift(hardware, 5, 2, "layer/U", (2, 3), 7, time_s)


def ageing(hardware: HardwareConfig, time_s: float, count: int = 3) -> np.ndarray | None:
    return ageing_factors(hardware, 5, 2, "layer/U", (), count, time_s)


@given(time_s=times, others=st.lists(times, max_size=3))
@example(time_s=5 * HOUR, others=[0.0, HORIZON_S])
def test_drift_does_not_depend_on_other_times(time_s: float, others: list[float]) -> None:
    phase, factors = mesh(ALL, time_s), ageing(ALL, time_s)
    for other in others:
        mesh(ALL, other)
        ageing(ALL, other)
    assert np.array_equal(mesh(ALL, time_s), phase)
    assert np.array_equal(ageing(ALL, time_s), factors)


@pytest.mark.parametrize("effect", DRIFT_EFFECTS)
def test_each_effect_starts_at_zero_and_moves(effect: str) -> None:
    hardware = ALL.only(effect)
    kept = {
        "phase": (mesh(hardware, 0.0), mesh(hardware, HOUR)),
        "drive": (ageing(hardware, 0.0), ageing(hardware, HOUR)),
    }
    calibrated, later = kept.pop("drive" if effect == "ageing" else "phase")
    assert (calibrated == (1.0 if effect == "ageing" else 0.0)).all()
    assert (later != calibrated).all()
    assert kept.popitem()[1] == (None, None)


def test_effects_add() -> None:
    parts = [mesh(ALL.only(effect), HOUR) for effect in DRIFT_EFFECTS if effect != "ageing"]
    np.testing.assert_allclose(mesh(ALL, HOUR), sum(parts), rtol=0, atol=CLOSED_FORM_F64)


def test_a_chip_without_drift_has_none() -> None:
    ideal = load_hardware("ideal")
    assert mesh(ideal, HOUR) is None
    assert ageing(ideal, HOUR) is None


@BOTH
@pytest.mark.parametrize("time_s", [-1e-9, HORIZON_S + 1, math.nan, math.inf])
def test_times_out_of_range_raise(function, time_s: float) -> None:
    with pytest.raises(ValueError, match=r"`time_s` must lie in \[0, 16777216\]"):
        function(ALL, 0, 0, "U", (), 3, time_s)


def test_heaters_without_spread_age_alike() -> None:
    hardware = drifting(heater_ageing_per_hour=0.01)
    np.testing.assert_allclose(ageing(hardware, 25 * HOUR), 0.75, rtol=CLOSED_FORM_F64)
    assert (ageing(hardware, 200 * HOUR) == 0).all()


def test_ageing_rates_have_their_mean_and_spread_and_are_not_negative() -> None:
    spread = 0.5
    hardware = drifting(heater_ageing_per_hour=1e-3, heater_ageing_spread=spread)
    rate = 1 - ageing(hardware, HOUR, COUNT)
    assert (rate >= 0).all()
    relative = rate / 1e-3
    assert abs(relative.mean() - 1) < STANDARD_ERRORS * spread / math.sqrt(COUNT)
    w = 1 + spread**2  # kurtosis of the log-normal law
    kurtosis = w**4 + 2 * w**3 + 3 * w**2 - 3
    error = math.sqrt((kurtosis - 1) / COUNT)
    assert abs(relative.var() / spread**2 - 1) < STANDARD_ERRORS * error


def test_heaters_age_monotonically_each_at_its_rate() -> None:
    hardware = drifting(heater_ageing_per_hour=1e-3, heater_ageing_spread=1.0)
    once, thrice = (1 - ageing(hardware, hours * HOUR, 50) for hours in (1, 3))
    np.testing.assert_allclose(thrice, 3 * once, rtol=CLOSED_FORM_F64 / once.min())
    assert len(set(once)) == 50
