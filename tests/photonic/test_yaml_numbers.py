"""Numbers of YAML files: every reader takes the same texts for the same numbers."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from experiments.study.description import load_study
from photonic.channel_map import load_channel_map
from photonic.drive_laws import load_laws
from photonic.hardware import load_hardware
from photonic.hardware.strict_yaml import read_table


@given(value=st.floats(allow_nan=False, allow_infinity=False), digits=st.integers(0, 17))
@example(value=1e-3, digits=0)
@example(value=1e6, digits=1)
def test_plain_decimals_are_numbers(value, digits):
    for text in (repr(value), f"{value:.{digits}e}", f"{value:+.{digits}E}"):
        found = read_table(f"x: {text}")["x"]
        assert type(found) is float
        assert found == float(text)


@given(st.integers(-(10**20), 10**20))
def test_plain_integers_are_integers(value):
    found = read_table(f"x: {value}")["x"]
    assert type(found) is int
    assert found == value


@pytest.mark.parametrize(
    "text", ["010", "0o10", "0x10", "0b10", "1_000", "1:30", "1:30.5", "1e", "e3", "1,5", "."]
)
def test_what_may_mean_another_number_is_text(text):
    assert read_table(f"x: {text}") == {"x": text}


@pytest.mark.parametrize("text", ["1e-3", "1E-3", "1.0e-3", "1.e-3", ".1e-2", "+0.001", "0.001"])
def test_every_reader_takes_the_same_numbers(tmp_path: Path, text):
    def write(content):
        path = tmp_path / "file.yaml"
        path.write_text(content)
        return path

    chip = load_hardware(write(f"name: x\nphase_noise_rad: {{value: {text}, source: a}}\n"))
    assert chip.phase_noise_rad == 1e-3
    (law,) = load_laws(write(f"laws: [{{law: voltage, p1: {text}, ids: [0]}}]\n"))
    assert law.p1 == 1e-3
    study = load_study(
        write(
            "mapped: m\nchips: 2\nseed: 0\n"
            f"axes:\n  phase_noise_rad: [{text}]\n"
            f"  coupler_sigma_rad: {{from: {text}, to: 1, num: 2}}\n"
        )
    )
    assert study.axes["phase_noise_rad"] == (1e-3,)
    assert study.axes["coupler_sigma_rad"].start == 1e-3


def test_a_number_that_is_no_integer_is_no_channel(tmp_path):
    path = tmp_path / "map.yaml"
    path.write_text("channels_per_module: 1e1\nblocks: [{first_id: 0, count: 1, module: 0}]\n")
    with pytest.raises(ValueError, match=r"channels_per_module.*integer"):
        load_channel_map(path, 1)
