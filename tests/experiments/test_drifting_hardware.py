"""Descriptions of drift studies: what replaces what, and which times can be asked for."""

import pytest

from experiments.drift import SCENARIO_RATE, drift_settings, drifting_hardware
from photonic import HardwareConfig, load_hardware
from photonic.hardware.effects import DRIFT_EFFECTS

TRACE = ((0.0, 300.0), (7200.0, 301.0))
UNBALANCED = {"thermo_optic_per_k": 1.86e-4, "wavelength_nm": 1550.0, "path_imbalance_um": 50.0}


def effects(hardware: HardwareConfig) -> set[str]:
    return {effect for effect in DRIFT_EFFECTS if hardware.has(effect)}


def warm(**figures: object) -> HardwareConfig:
    return HardwareConfig(name="warm", **UNBALANCED, **figures)


def test_rate_replaces_every_drift_of_the_chip() -> None:
    hardware = warm(temperature_daily_k=1.0, hot_spot_k=1.0, heater_ageing_per_hour=1e-4)
    walk = drifting_hardware(hardware, 0.01)
    assert effects(walk) == {"random_walk"}
    assert walk.random_walk_rad_per_sqrt_hour == 0.01
    assert walk.path_imbalance_um == 50.0
    assert effects(drifting_hardware(hardware, 0.0)) == set()


def test_rate_and_trace_count_where_the_description_switched_drift_off() -> None:
    hardware = warm(ideal=("random_walk", "temperature", "gamma"))
    both = drifting_hardware(hardware, 0.01, TRACE)
    assert effects(both) == {"random_walk", "temperature"}
    assert both.ideal == ("gamma",)


def test_trace_replaces_the_temperature_of_the_chip_alone() -> None:
    hardware = warm(temperature_daily_k=1.0, temperature_ramp_k_per_hour=0.1, hot_spot_k=1.0)
    traced = drifting_hardware(hardware, None, TRACE)
    assert effects(traced) == {"temperature", "hot_spot"}
    assert (traced.temperature_daily_k, traced.temperature_ramp_k_per_hour) == (0.0, 0.0)
    assert traced.temperature_trace == TRACE


def test_scenario_is_assumed_without_any_drift_only() -> None:
    assumed = drifting_hardware(warm(), None)
    assert assumed.random_walk_rad_per_sqrt_hour == SCENARIO_RATE
    assert assumed.sources["random_walk_rad_per_sqrt_hour"] == "assumed scenario"
    assert effects(drifting_hardware(warm(), None, TRACE)) == {"temperature"}
    lab = load_hardware("soi_lab_good")
    assert drifting_hardware(lab, None) == lab


def test_trace_for_a_balanced_or_unknown_chip_raises() -> None:
    with pytest.raises(ValueError, match="ideal states no path imbalance"):
        drifting_hardware(load_hardware("ideal"), None, TRACE)
    with pytest.raises(ValueError, match="`temperature_trace` needs `thermo_optic_per_k`"):
        drifting_hardware(HardwareConfig(name="x", path_imbalance_um=1.0), None, TRACE)


@pytest.mark.parametrize(
    ("trace", "message"),
    [
        (TRACE, "covers 0 to 2 h, the study needs 0 to 3 h"),
        (((3600.0, 300.0), (1e5, 301.0)), "covers 1 to 27.7778 h, the study needs 0 to 3 h"),
    ],
)
def test_times_beyond_the_trace_raise_before_work_starts(trace: tuple, message: str) -> None:
    hardware = drifting_hardware(warm(), None, trace)
    with pytest.raises(ValueError, match=message):
        drift_settings(hardware, [0.0, 3.0])


def test_times_within_the_trace_are_settings() -> None:
    settings = drift_settings(drifting_hardware(warm(), None, TRACE), [0.0, 2.0])
    assert [setting.time_s for setting in settings] == [0.0, 7200.0]
