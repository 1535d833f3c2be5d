"""Shipped chip descriptions: sources of all numbers, and the figures of the reference tables."""

import math
from importlib import resources
from typing import Any

import pytest
import yaml

from photonic.conventions import TWO_PI
from photonic.hardware import EFFECTS, hardware_names, load_hardware
from photonic.hardware.cost import CostFields
from photonic.hardware.link import LinkFields

SCENARIOS = (
    *("ideal", "soi_lab_good", "soi_typical", "soi_typical_link"),
    *("sin_quix20_like", "flw6_like", "l2ight"),
)
CHIPS = (
    *("ascella_2024", "carolan_2015", "ficonn_2024", "flw6_2024"),
    *("ipronics_smartlight", "quix20_2023", "shen_2017"),
)
PRESETS = tuple(sorted(SCENARIOS + CHIPS))
SPEED_OF_LIGHT_UM_PER_PS = 299.792458


def raw(name: str) -> dict[str, Any]:
    text = resources.files("hardware_configs").joinpath(f"{name}.yaml").read_text("utf-8")
    return yaml.safe_load(text)


def on(name: str) -> set[str]:
    hardware = load_hardware(name)
    return {effect for effect in EFFECTS if hardware.has(effect)}


def test_presets_are_the_documented_ones():
    assert hardware_names() == PRESETS


@pytest.mark.parametrize("name", PRESETS)
def test_every_shipped_number_has_a_source(name):
    fields = raw(name)
    assert fields["name"] == name == load_hardware(name).name
    for field, entry in fields.items():
        if not isinstance(entry, str | bool):
            assert entry["source"].strip(), f"{name}.{field}"
    config = load_hardware(name)
    numbers = {
        field
        for field, value in config.model_dump(exclude_defaults=True, exclude={"sources"}).items()
        if not isinstance(value, str | bool)
    }
    assert numbers <= set(config.sources)
    assert set(config.sources) == {field for field, entry in fields.items() if type(entry) is dict}


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_described(name):
    assert load_hardware(name).description.endswith(".")


def test_values_of_the_silicon_scenarios():
    good, typical = load_hardware("soi_lab_good"), load_hardware("soi_typical")
    assert (good.phase_noise_rad, good.coupler_sigma_rad, good.coupler_offset_rad) == (
        0.005,
        0.005,
        0.010,
    )
    assert (good.dac_bits, good.dac_mode, good.v_max_v) == (16, "voltage", 12.0)
    assert (good.ou_sigma_rad, good.ou_time_constant_s) == (0.00075, 600.0)
    assert good.is_precompensated and good.has_drift
    assert (typical.dac_bits, typical.dac_mode, typical.crosstalk) == (8, "phase", 0.005)
    assert (typical.gamma_spread, typical.insertion_loss_db) == (0.012, 0.5)
    assert (typical.phase_noise_rad, typical.coupler_sigma_rad) == (0.01, 0.015)
    assert not typical.is_precompensated and not typical.has_drift


def test_values_of_the_chip_like_scenarios():
    quix, flw = load_hardware("sin_quix20_like"), load_hardware("flw6_like")
    assert (quix.max_modes, quix.phase_noise_rad, quix.insertion_loss_db) == (20, 0.097, 0.145)
    assert (quix.amplitude_fidelity, quix.p_pi_mw) == (0.974, 385.0)
    assert (flw.max_modes, flw.phase_noise_rad, flw.amplitude_fidelity) == (6, 0.059, 0.9979)
    assert flw.v_pi_v is None


def test_drift_of_the_lab_chip_is_its_temperature_times_its_imbalance():
    """10 mK rms and (2 pi/lambda) (dn/dT) dL: 0.0754 rad/K for 100 um of silicon."""
    good = load_hardware("soi_lab_good")
    per_kelvin = (
        TWO_PI * good.thermo_optic_per_k * good.path_imbalance_um * 1e3 / good.wavelength_nm
    )
    assert round(per_kelvin, 4) == 0.0754
    assert round(0.010 * per_kelvin, 5) == good.ou_sigma_rad


def test_values_of_l2ight():
    """Gu et al., L2ight, NeurIPS 2021; the spread is 0.002 rad/V^2 over pi/V_pi^2."""
    light = load_hardware("l2ight")
    assert on("l2ight") == {"quantisation", "gamma", "crosstalk", "bias"}
    assert (light.dac_bits, light.dac_mode, light.crosstalk, light.max_modes) == (
        8,
        "phase",
        0.005,
        9,
    )
    assert (light.v_pi_v, light.v_max_v) == (4.36, 10.8)
    assert round(0.002 / (math.pi / light.v_pi_v**2), 4) == light.gamma_spread
    assert light.bias_range_rad == 1.0
    assert not light.is_bias_calibrated and not light.is_attenuator_biased
    for word in ("Givens", "not reproduced", "six neighbours"):
        assert word in light.description


def test_figures_of_ipronics_follow_from_its_extinctions():
    """33 dB make |a + b| = 0.022, 44 dB make |a - b| = 0.0063."""
    chip = load_hardware("ipronics_smartlight")
    through, across = (10 ** (-db / 20) for db in (chip.extinction_ratio_db, 44.0))
    assert round(through / 2, 3) == chip.coupler_offset_rad
    assert across / 2 < chip.coupler_sigma_rad < across / math.sqrt(2)
    assert round(11.25 * SPEED_OF_LIGHT_UM_PER_PS / chip.mzi_length_um, 2) == chip.group_index
    assert on("ipronics_smartlight") == {"coupler", "loss"}


@pytest.mark.parametrize("name", CHIPS)
def test_a_published_chip_has_size_mesh_and_an_error_figure(name):
    chip = load_hardware(name)
    assert chip.num_tiles == 1 and chip.max_modes is not None
    assert chip.mesh is not None or "mesh is left open" in chip.description
    assert on(name) & {"phase_noise", "coupler"}


def test_loss_of_quix_is_spread_over_its_columns():
    chip = load_hardware("quix20_2023")
    assert chip.insertion_loss_db * chip.max_modes == pytest.approx(2.9)


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "soi_typical_link"])
def test_scenarios_have_no_noise_in_the_link(name):
    assert not load_hardware(name).has_link_noise


def test_the_link_scenario_adds_the_link_alone():
    base, link = load_hardware("soi_typical"), load_hardware("soi_typical_link")
    assert on("soi_typical_link") - on("soi_typical") == {
        "modulator",
        "laser_noise",
        "detector",
        "adc",
    }
    differ = {
        name for name in type(base).model_fields if getattr(base, name) != getattr(link, name)
    }
    assert differ <= LinkFields.model_fields.keys() | {"name", "description", "sources"}
    assert all("assumed" in link.sources[name] for name in differ & LinkFields.model_fields.keys())


def test_component_figures_of_the_reference():
    """Zhu et al., Lightening-Transformer, HPCA (2024); rates are assumed."""
    expected = {
        "mzi_length_um": 180.0,
        "mzi_width_um": 100.0,
        "modulator_area_um2": 260.0 * 20.0,
        "laser_area_um2": 400.0 * 300.0,
        "input_converter_area_um2": 11000.0,
        "output_converter_area_um2": 2850.0,
        "modulator_loss_db": 1.2,
        "detector_sensitivity_dbm": -25.0,
        "laser_wall_plug": 0.2,
        "dac_power_mw": 50.0,
        "adc_power_mw": 14.8,
        "tia_power_mw": 3.0,
        "detector_power_mw": 1.1,
    }
    assert expected.keys() < CostFields.model_fields.keys()
    for name in ("soi_lab_good", "soi_typical"):
        hardware = load_hardware(name)
        assert {field: getattr(hardware, field) for field in expected} == expected
        assert "assumed" in hardware.sources["modulation_rate_ghz"]


def test_only_the_ideal_preset_is_ideal():
    assert [name for name in PRESETS if load_hardware(name).is_ideal] == ["ideal"]
