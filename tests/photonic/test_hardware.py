"""Hardware descriptions: shipped presets, sources, and what a file may not contain."""

from importlib import resources
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from photonic.hardware import HardwareConfig, HardwareError, hardware_names, load_hardware

PRESETS = ("flw6_like", "ideal", "sin_quix20_like", "soi_lab_good", "soi_typical")


def write(folder: Path, text: str) -> Path:
    path = folder / "chip.yaml"
    path.write_text(text)
    return path


def test_presets_are_the_documented_ones():
    assert hardware_names() == PRESETS


@pytest.mark.parametrize("name", PRESETS)
def test_every_shipped_number_has_a_source(name):
    text = resources.files("hardware_configs").joinpath(f"{name}.yaml").read_text("utf-8")
    raw = yaml.safe_load(text)
    assert raw["name"] == name == load_hardware(name).name
    for field, entry in raw.items():
        if not isinstance(entry, str | bool):
            assert entry["source"].strip(), f"{name}.{field}"
    config = load_hardware(name)
    numbers = {
        field
        for field, value in config.model_dump(exclude_defaults=True, exclude={"sources"}).items()
        if not isinstance(value, str | bool)
    }
    assert numbers == set(config.sources)


def test_preset_values_of_the_reference_table():
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
    assert not typical.is_precompensated and not typical.has_drift
    assert load_hardware("sin_quix20_like").max_modes == 20
    assert load_hardware("flw6_like").v_pi_v is None


def test_only_the_ideal_preset_is_ideal():
    assert [name for name in PRESETS if load_hardware(name).is_ideal] == ["ideal"]


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
    message = r"unknown hardware 'soi_typcal'; did you mean 'soi_typical'\? available: flw6_like, "
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
        ("name: x\nphase_noise_rad: {value: 1e-3, source: a}\n", "write 1.0e-3"),
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


def test_a_config_is_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        load_hardware("ideal").phase_noise_rad = 0.1
