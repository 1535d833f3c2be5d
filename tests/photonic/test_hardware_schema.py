"""The JSON Schema of chip descriptions: shipped, complete, and of one mind with the reader."""

import json
from importlib import resources
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from photonic.hardware import HardwareConfig, HardwareError, hardware_names, load_hardware
from photonic.hardware.schema import bare_fields, hardware_schema

VALIDATOR = Draft202012Validator(hardware_schema())
FOLDER = resources.files("hardware_configs")


def number(value: Any) -> dict[str, Any]:
    return {"value": value, "source": "assumed"}


def test_shipped_schema_is_the_generated_one():
    """After a change of the fields: lightframe chips schema > hardware_configs/schema.json."""
    shipped = FOLDER.joinpath("schema.json").read_text("utf-8")
    assert json.loads(shipped) == hardware_schema()
    assert shipped == json.dumps(hardware_schema(), indent=2) + "\n"


def test_schema_is_valid():
    Draft202012Validator.check_schema(hardware_schema())


def test_every_field_is_described():
    properties = hardware_schema()["properties"]
    assert properties.keys() == HardwareConfig.model_fields.keys() - {"sources"}
    missing = [name for name, field in properties.items() if not field["description"].strip()]
    assert not missing


@pytest.mark.parametrize("name", hardware_names())
def test_presets_fit_the_schema(name):
    VALIDATOR.validate(yaml.safe_load(FOLDER.joinpath(f"{name}.yaml").read_text("utf-8")))


def test_text_and_switches_need_no_source():
    switches = {name for name in HardwareConfig.model_fields if name.startswith("is_")}
    text = {"name", "description", "ideal", "mesh", "dac_mode", "crosstalk_law"}
    assert bare_fields() == switches | text


GOOD = [
    {"phase_noise_rad": number(0.1)},
    {"v_pi_v": number(4)},
    {"mesh": "reck"},
    {"mesh": number("reck")},
    {"ideal": ["gamma", "coupler"]},
    {"is_bias_calibrated": False},
    {"crosstalk_rows": number([[1.0, 0.1], [0.1, 1.0]])},
    {"temperature_trace": number([[0.0, 293.0]])}
    | {"thermo_optic_per_k": number(1e-4)}
    # fields that need each other are the reader's business
    | {"wavelength_nm": number(1550.0)},
]
BAD = [
    {"name": 5},
    {"name": ""},
    {"phase_nois_rad": number(0.1)},
    {"sources": {}},
    {"phase_noise_rad": 0.1},
    {"phase_noise_rad": None},
    {"phase_noise_rad": {"value": 0.1}},
    {"phase_noise_rad": {"value": 0.1, "source": " "}},
    {"phase_noise_rad": {"value": 0.1, "source": "a", "unit": "rad"}},
    {"phase_noise_rad": number(-0.1)},
    {"phase_noise_rad": number(7.0)},
    {"phase_noise_rad": number("0.1")},
    {"phase_noise_rad": number(None)},
    {"phase_noise_rad": number(True)},
    {"phase_noise_rad": {"file": "a.csv", "source": "a"}},
    {"v_pi_v": number(0.0)},
    {"dac_bits": number(8.5)},
    {"dac_bits": number(33)},
    {"mesh": "hexagonal"},
    {"mesh": 3},
    {"ideal": ["weather"]},
    {"ideal": [1]},
    {"is_bias_calibrated": number(1)},
    {"crosstalk_rows": [[1.0]]},
    {"crosstalk_rows": number([["1"]])},
    {"temperature_trace": number([[0.0, 293.0, 1.0]])},
]


@pytest.mark.parametrize("fields", GOOD, ids=str)
def test_schema_and_reader_accept(tmp_path, fields):
    content = {"name": "x"} | fields
    assert VALIDATOR.is_valid(content)
    (tmp_path / "chip.yaml").write_text(yaml.safe_dump(content))
    assert load_hardware(tmp_path / "chip.yaml").name == "x"


@pytest.mark.parametrize("fields", BAD, ids=str)
def test_schema_and_reader_refuse(tmp_path, fields):
    content = {"name": "x"} | fields
    assert not VALIDATOR.is_valid(content)
    (tmp_path / "chip.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(HardwareError, match=r"field|unknown effect"):
        load_hardware(tmp_path / "chip.yaml")


def test_a_table_may_be_a_file():
    named = {"file": "omega.csv", "source": "measured"}
    assert VALIDATOR.is_valid({"name": "x", "crosstalk_rows": named})
    assert not VALIDATOR.is_valid({"name": "x", "dac_bits": named})


def test_a_name_is_required():
    assert not VALIDATOR.is_valid({})
