"""Study files: what is refused and how it is said; the points that axes and sampling give."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from experiments.study.description import StudyDescription, StudyError, load_study, parse_study
from experiments.study.fields import swept_fields
from experiments.study.points import study_points
from experiments.study.sampling import sample_points
from experiments.study.schema import schema_json, shipped_schema
from photonic import HardwareConfig, load_hardware

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "studies.md"
SOBOL = {"method": "sobol", "points": 8}


def parse(**changes: Any) -> StudyDescription:
    fields = {"mapped": "m", "axes": {"phase_noise_rad": [0.0, 0.1]}, "chips": 2, **changes}
    return parse_study(fields, "study.yaml")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"chip": 2}, "unknown field 'chip'; did you mean 'chips'?"),
        ({"axes": {"phase_noise": [0.1]}}, "unknown axis 'phase_noise'; did you mean 'phase_noise"),
        ({"axes": {"sources": ["a"]}}, "unknown axis 'sources'"),
        ({"axes": {"mesh": {"from": 0, "to": 1, "num": 2}}}, "'mesh' takes a list of values"),
        ({"axes": {"crosstalk": {"from": 0, "to": 1, "nun": 2}}}, "did you mean 'num'"),
        ({"axes": {"crosstalk": {"from": 0, "to": 1}}}, "with grid a range needs `num`"),
        ({"axes": {"crosstalk": [0.1, 0.1]}}, "'crosstalk' holds a value twice"),
        (
            {"axes": {"crosstalk": {"from": 0, "to": 1, "num": 2, "scale": "log"}}},
            "a log scale needs a positive `from`",
        ),
        ({"axes": {"crosstalk": {"from": 1, "to": 0, "num": 2}}}, "`to` must exceed `from`"),
        ({"axes": {}}, "field 'axes'"),
        ({"chips": 0}, "field 'chips'"),
        ({"until": 2}, "field 'until'"),
        ({"quantities": ["eror"]}, "field 'quantities"),
        ({"quantities": ["error", "error"]}, "a quantity occurs twice"),
        ({"sampling": {"method": "sobol", "points": 100}}, "balanced for powers of two"),
        (
            {"sampling": SOBOL, "axes": {"crosstalk": {"from": 0, "to": 1, "num": 3}}},
            "takes no `num`",
        ),
    ],
)
def test_a_mistake_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(StudyError) as caught:
        parse(**changes)
    assert message in str(caught.value)
    assert str(caught.value).startswith("study.yaml: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chips: [", "not valid YAML"),
        ("- a", "must be a table"),
        ("chips: 1\nchips: 2", "'chips' occurs twice"),
        ("x: !!python/object/apply:os.getcwd []", "not valid YAML"),
    ],
)
def test_unsafe_or_broken_files_are_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(StudyError, match=message):
        load_study(path)
    with pytest.raises(StudyError, match="No such file"):
        load_study(tmp_path / "none.yaml")


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    fields = {"mapped": "../m", "hardware": "chip.yaml", "axes": {"crosstalk": [0]}, "chips": 1}
    path.write_text(yaml.safe_dump(fields))
    study = load_study(path)
    assert Path(study.mapped).resolve() == tmp_path.parent / "m"
    assert study.hardware == str(tmp_path / "chip.yaml")


def test_every_number_and_choice_of_a_chip_can_be_an_axis() -> None:
    tables = {"crosstalk_rows", "temperature_trace"}
    plain = {"name", "description", "ideal", "sources"}
    assert swept_fields().keys() == (
        HardwareConfig.model_fields.keys() - tables - plain | {"time_s", "tile", "order", "remedy"}
    )
    units = {name: swept_fields()[name].unit for name in ("insertion_loss_db", "dac_bits", "mesh")}
    assert units == {"insertion_loss_db": "dB", "dac_bits": "1", "mesh": "1"}
    assert swept_fields()["random_walk_rad_per_sqrt_hour"].unit == "rad/sqrt(h)"


def test_shipped_schema_is_the_generated_one() -> None:
    """After a change: write ``experiments.study.schema.schema_json()`` to its file."""
    assert shipped_schema() == schema_json()
    Draft202012Validator.check_schema(json.loads(shipped_schema()))


def test_the_documented_study_is_valid_and_fits_the_schema(tmp_path: Path) -> None:
    text = DOCUMENT.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    Draft202012Validator(json.loads(shipped_schema())).validate(yaml.safe_load(text))
    (tmp_path / "study.yaml").write_text(text)
    assert sample_points(load_study(tmp_path / "study.yaml"))


@pytest.mark.parametrize("wrong", [{"chip": 1}, {"axes": {"phase_noise": [0]}}, {"chips": 0}])
def test_the_schema_refuses_what_the_reader_refuses(wrong: dict[str, Any]) -> None:
    fields = {"mapped": "m", "axes": {"crosstalk": [0]}, "chips": 1, **wrong}
    assert not Draft202012Validator(json.loads(shipped_schema())).is_valid(fields)


RANGES = st.tuples(
    st.floats(1e-3, 1), st.floats(1.001, 10), st.integers(1, 6), st.sampled_from(["lin", "log"])
)


@given(range_=RANGES, values=st.lists(st.integers(1, 30), min_size=1, max_size=4, unique=True))
def test_a_grid_holds_every_combination_once(range_: tuple, values: list[int]) -> None:
    start, factor, num, scale = range_
    axis = {"from": start, "to": start * factor, "num": num, "scale": scale}
    points = sample_points(parse(axes={"phase_noise_rad": axis, "dac_bits": values}))
    assert len({tuple(point.values()) for point in points}) == len(points) == num * len(values)
    assert [point["dac_bits"] for point in points[: len(values)]] == values
    numbers = [point["phase_noise_rad"] for point in points[:: len(values)]]
    assert numbers[0] == start
    steps = np.diff(np.log(numbers) if scale == "log" else numbers)
    assert np.allclose(steps, steps[:1])


def test_whole_numbers_stay_whole() -> None:
    points = sample_points(parse(axes={"dac_bits": {"from": 4, "to": 12, "num": 5}}))
    assert [point["dac_bits"] for point in points] == [4, 6, 8, 10, 12]
    assert all(type(point["dac_bits"]) is int for point in points)
    with pytest.raises(ValueError, match=r"takes whole numbers, its range gives 6\.66667"):
        sample_points(parse(axes={"dac_bits": {"from": 4, "to": 12, "num": 4}}))


@given(
    seed=st.integers(0, 2**32), num_points=st.integers(1, 40), scale=st.sampled_from(["lin", "log"])
)
def test_a_latin_hypercube_has_one_point_in_every_stratum(
    seed: int, num_points: int, scale: str
) -> None:
    study = parse(
        seed=seed,
        sampling={"method": "latin_hypercube", "points": num_points},
        axes={
            "phase_noise_rad": {"from": 0.01, "to": 1, "scale": scale},
            "dac_bits": {"from": 3, "to": 9},
            "mesh": ["clements", "reck"],
        },
    )
    points = sample_points(study)
    assert points == sample_points(study)
    noise = np.array([point["phase_noise_rad"] for point in points])
    shares = np.log(noise / 0.01) / math.log(100) if scale == "log" else (noise - 0.01) / 0.99
    strata = np.sort((shares * num_points).clip(0))
    assert np.abs(strata - np.arange(num_points) - 0.5).max() <= 0.5 + 1e-9
    assert {point["dac_bits"] for point in points} <= set(range(3, 10))
    meshes = [point["mesh"] for point in points]
    assert abs(meshes.count("clements") - meshes.count("reck")) <= 1


@given(seed=st.integers(0, 2**32), power=st.integers(0, 5))
def test_twice_as_many_sobol_points_contain_the_first(seed: int, power: int) -> None:
    axes = {"phase_noise_rad": {"from": 0.0, "to": 1.0}, "time_s": {"from": 1, "to": 9}}

    def points(number: int) -> list[dict[str, Any]]:
        sampling = {"method": "sobol", "points": number}
        return sample_points(parse(seed=seed, sampling=sampling, axes=axes))

    few, many = points(2**power), points(2 ** (power + 1))
    assert many[: len(few)] == few
    assert all(0 <= p["phase_noise_rad"] <= 1 and 1 <= p["time_s"] <= 9 for p in many)
    halves = sum(p["phase_noise_rad"] < 0.5 for p in many)
    assert halves == len(many) / 2


@pytest.mark.parametrize(
    ("axes", "base", "message"),
    [
        ({"phase_noise_rad": [0, -1.0]}, "ideal", r"point 1 \(phase_noise_rad = -1.0\): .*-1.0"),
        ({"time_s": [-1]}, "ideal", r"point 0 \(time_s = -1\): `time_s` must lie in"),
        ({"time_s": ["a"]}, "ideal", "`time_s` must be a number, got 'a'"),
        ({"dac_bits": [7.5]}, "ideal", "dac_bits"),
    ],
)
def test_impossible_points_are_named(axes: dict[str, Any], base: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        study_points(parse(axes=axes), load_hardware(base), None)


def test_a_switched_off_effect_is_no_axis() -> None:
    """Else all points would silently be the same chip."""
    base = load_hardware("soi_typical").without("phase_noise")
    with pytest.raises(ValueError, match="`phase_noise_rad` is switched off by `ideal`"):
        study_points(parse(), base, None)


def test_absent_is_a_value() -> None:
    bits = study_points(parse(axes={"dac_bits": [8, None]}), load_hardware("ideal"), None)
    assert [point.hardware.dac_bits for point in bits] == [8, None]
