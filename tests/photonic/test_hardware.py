"""Hardware descriptions: what a file may hold and what it may not; copies with changes."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from photonic.hardware import HardwareConfig, HardwareError, load_hardware

TWICE = "not valid YAML, line 3: 'dac_bits' occurs twice"


def write(folder: Path, text: str) -> Path:
    path = folder / "chip.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "change",
    [
        {"gamma_spread": 0.1},
        {"crosstalk": 0.1},
        {"bias_residual_rad": 0.1},
        {"phase_noise_rad": 0.1},
        {"shot_phase_noise_rad": 0.1},
        {"coupler_sigma_rad": 0.1},
        {"coupler_offset_rad": -0.1},
        {"insertion_loss_db": 0.1},
        {"insertion_loss_std_db": 0.1},
        {"random_walk_rad_per_sqrt_hour": 0.1},
        {"ou_sigma_rad": 0.1, "ou_time_constant_s": 1.0},
        {"dac_bits": 8},
    ],
)
def test_each_impairment_ends_ideality(change):
    assert not load_hardware("ideal").replace(**change).is_ideal


def test_unknown_preset_names_the_nearest_one():
    message = (
        r"unknown hardware 'soi_typcal'; did you mean 'soi_typical'\? available: ascella_2024,"
    )
    with pytest.raises(ValueError, match=message):
        load_hardware("soi_typcal")


def test_unknown_field_names_the_nearest_one(tmp_path):
    text = "name: x\nphase_nois_rad: {value: 0.1, source: assumed}\n"
    with pytest.raises(HardwareError, match=r"chip.yaml: unknown field .* mean 'phase_noise_rad'"):
        load_hardware(write(tmp_path, text))
    with pytest.raises(ValidationError, match="did you mean 'phase_noise_rad'"):
        HardwareConfig(name="x", phase_nois_rad=0.1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: x\nphase_noise_rad: 0.1\n", r"'phase_noise_rad': write \{value"),
        ("name: x\nphase_noise_rad: {value: 0.1}\n", "exactly 'value' and 'source'"),
        ("name: x\nphase_noise_rad: {value: 0.1, source: ' '}\n", "source is empty"),
        ("name: x\nphase_noise_rad: {value: -1, source: a}\n", "'phase_noise_rad': .* equal to 0"),
        ("name: x\nphase_noise_rad: {value: .nan, source: a}\n", "'phase_noise_rad'.* finite"),
        ("name: x\nphase_noise_rad: {value: big, source: a}\n", "'phase_noise_rad'.* number"),
        ("name: x\nphase_noise_rad: {value: 1_0e-3, source: a}\n", "'phase_noise_rad'.* number"),
        ("name: x\ndac_bits: {value: 010, source: a}\n", "'dac_bits'.* integer, got '010'"),
        ("name: x\ndac_bits: {value: 8.5, source: a}\n", "'dac_bits'.* integer"),
        ("name: x\nis_crosstalk_compensated: 7\n", "write {value"),
        ("name: x\nis_crosstalk_compensated: maybe\n", "'is_crosstalk_compensated'.* boolean"),
        ("name: x\ndac_mode: current\n", "'dac_mode'"),
        ("name: x\nsources: {dac_bits: me}\n", "write the source beside each value"),
        ("phase_noise_rad: {value: 0.1, source: a}\n", "'name': Field required"),
        ("name: x\ndac_bits: {value: 8, source: a}\ndac_mode: voltage\n", "needs `v_pi_v`"),
        ("name: x\nou_sigma_rad: {value: 0.1, source: a}\n", "given together"),
        ("name: [x\n", "not valid YAML, line"),
        ("- name\n", "table of fields"),
        ("", "table of fields"),
        ("name: x\ndac_bits: {value: 8, source: a}\ndac_bits: {value: 9, source: a}\n", TWICE),
        ("name: x\ndac_bits: {value: 8, value: 9, source: a}\n", "line 2: 'value' occurs twice"),
        ("name: x\nideal: &a [*a]\n", r"line 2: alias \*a of a list"),
        ("name: x\nideal: &a [gamma]\ndescription: *a\n", r"line 3: alias \*a of a list"),
        ("name: x\n<<: {mesh: reck}\n", "line 2: merge key"),
        ("name: x\nname: y\n", "line 2: 'name' occurs twice"),
        ("name: [1]\n", r"'name': write \{value"),
        ("name: x\nideal: [gamma, 3]\n", r"'ideal': write \{value"),
        ("name: x\ncrosstalk_rows: [[1.0]]\n", r"'crosstalk_rows': write \{value"),
        ("name: x\nphase_noise_rad: big\n", r"'phase_noise_rad': write \{value"),
        ("name: x\nphase_noise_rad:\n", r"'phase_noise_rad': write \{value"),
        ("name: x\ndac_bits: {value: , source: a}\n", "'dac_bits': has no value"),
        ("name: x\ndac_bits: {file: a.csv, source: a}\n", "exactly 'value' and 'source'"),
        ("name: x\ncrosstalk_rows: {source: a}\n", "exactly 'value' or 'file' and 'source'"),
        ("name: x\n---\nname: y\n", "not valid YAML, line 2"),
        ("name: " + "[" * 2000 + "\n", "not valid YAML"),
        ("name: x\nnmae: y\n", "unknown field 'nmae'; did you mean 'name'"),
        ("!!python/object/apply:os.system ['true']\n", "not valid YAML, line 1"),
        ("name: !!python/object:photonic.chip.Chip {}\n", "not valid YAML, line 1"),
    ],
)
def test_bad_files_are_refused_in_one_line(tmp_path, text, message):
    with pytest.raises(HardwareError, match=message) as caught:
        load_hardware(write(tmp_path, text))
    assert str(caught.value).startswith(f"{tmp_path / 'chip.yaml'}: ")
    assert "\n" not in str(caught.value)


def test_unreadable_files_are_refused(tmp_path):
    with pytest.raises(HardwareError, match=r"absent.yaml: No such file"):
        load_hardware(tmp_path / "absent.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(HardwareError, match=r"bytes.yaml: not UTF-8 text"):
        load_hardware(str(tmp_path / "bytes.yaml"))


def test_replace_validates_and_marks_the_source():
    base = load_hardware("soi_typical")
    changed = base.replace(phase_noise_rad=0.02, name="mine")
    assert (changed.phase_noise_rad, base.phase_noise_rad) == (0.02, 0.01)
    assert changed.sources["phase_noise_rad"] == "set by the caller"
    assert changed.sources.keys() == base.sources.keys()
    with pytest.raises(HardwareError, match=r"soi_typical: field 'phase_noise_rad'"):
        base.replace(phase_noise_rad=-0.02)
    with pytest.raises(HardwareError, match=r"did you mean 'dac_bits'"):
        base.replace(dac_bit=8)


def test_numbers_of_numpy_are_numbers():
    trace = np.array([[0.0, 0.0], [60.0, 1.0]])
    changed = load_hardware("ideal").replace(
        dac_bits=np.int64(8), phase_noise_rad=np.float64(0.02), crosstalk_rows=trace
    )
    assert (changed.dac_bits, changed.phase_noise_rad) == (8, 0.02)
    assert type(changed.dac_bits) is int
    assert changed.crosstalk_rows == ((0.0, 0.0), (60.0, 1.0))
    for name, bad in (("dac_bits", True), ("dac_bits", np.True_), ("insertion_loss_db", -0.1)):
        with pytest.raises(HardwareError, match=f"field '{name}'"):
            changed.replace(**{name: bad})
    with pytest.raises(HardwareError, match="unknown effect 'coupled'; did you mean 'coupler'"):
        changed.has("coupled")


def test_a_config_is_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        load_hardware("ideal").phase_noise_rad = 0.1


def test_text_and_switches_may_have_a_source(tmp_path):
    text = "name: x\nmesh: {value: reck, source: Reck}\nis_bias_calibrated: false\nideal: [gamma]\n"
    config = load_hardware(write(tmp_path, text))
    assert (config.mesh, config.is_bias_calibrated, config.ideal) == ("reck", False, ("gamma",))
    assert config.sources == {"mesh": "Reck"}


def test_a_source_may_be_an_alias(tmp_path):
    text = "name: x\nv_pi_v: {value: 4, source: &a me}\nv_max_v: {value: 12, source: *a}\n"
    assert load_hardware(write(tmp_path, text)).sources == {"v_pi_v": "me", "v_max_v": "me"}


def test_large_files_are_refused(tmp_path):
    with pytest.raises(HardwareError, match=r"chip.yaml: larger than 1,000,000 bytes"):
        load_hardware(write(tmp_path, "name: x\n" + "#" * 1_000_000))


@pytest.mark.parametrize(
    ("figures", "message"),
    [
        (
            {"flicker_sigma_rad": 0.1, "flicker_tau_min_s": 2.0, "flicker_tau_max_s": 1.0},
            "`flicker_tau_min_s` must not exceed `flicker_tau_max_s`",
        ),
        ({"temperature_trace": ((0.0, 1.0), (0.0, 2.0))}, "times of `temperature_trace` must"),
        ({"stuck_probability": 0.6, "dead_probability": 0.6}, "must add to at most 1"),
        ({"v_pi_v": 1.0, "heater_quadratic_rad_per_v2": 1.0}, "exclude each other"),
        ({"crosstalk_rows": ((1.0, 0.0), (0.0,))}, "must be a square matrix"),
        ({"received_power_uw": 1.0, "bandwidth_ghz": 1.0}, "needs `responsivity_a_per_w`"),
    ],
)
def test_figures_that_contradict_each_other_are_refused(figures, message):
    thermal = {"thermo_optic_per_k": 1e-4, "wavelength_nm": 1550.0}
    with pytest.raises(HardwareError, match=message):
        HardwareConfig(name="bare").replace(**thermal, **figures)


def test_effects_are_switched_off_and_stay_off():
    full = load_hardware("soi_typical")
    assert full.without("gamma").gamma_spread == 0
    assert not full.without("gamma", "coupler").has("coupler")
    assert full.only("loss").replace(gamma_spread=0.1).gamma_spread == 0
    assert full.only().is_ideal
    with pytest.raises(HardwareError, match="unknown effect 'gama'; did you mean 'gamma'"):
        full.without("gama")
