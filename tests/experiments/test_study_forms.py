"""Closed forms of studies: true of sampled chips, the same bits everywhere, and never guessed."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from experiments.study import export, open_study
from experiments.study.closed_forms import missing_forms, phase_noise
from experiments.study.expected_error import expected_square, set_program
from experiments.study.figures import draw_study
from experiments.study.form_check import FormCheck, missing_notes
from experiments.study.points import Point
from experiments.study.run import Study, Workers
from experiments.study.store import EXPECTED, NOTE, WEIGHT_ERROR, StudyStore
from experiments.study.tables import print_study
from experiments.study.weight_error import relative_weight_error
from experiments.threads import on_threads
from photonic import Chip, load_hardware, map_linear
from photonic.calibration.recipe import Recipe
from photonic.hardware.effects import DRIFT_EFFECTS, EFFECTS, LINK_EFFECTS, Effect
from photonic.realisation import realise
from tests import tolerances
from tests.experiments.study_inputs import HERE, study

TIME_S = 57.0
NOISE = {"phase_noise_rad": 0.08, "shot_phase_noise_rad": 0.05}
AXES = {"phase_noise_rad": [0.0, 0.02, 0.2], "dac_bits": [5, None], "coupler_sigma_rad": [0.0, 0.1]}
FIGURES: dict[Effect, dict[str, Any]] = {
    "quantisation": {"dac_bits": 5},
    "gamma": {"gamma_spread": 0.01},
    "failures": {"dead_probability": 0.01},
    "crosstalk": {"crosstalk": 0.01},
    "bias": {"bias_residual_rad": 0.1},
    "random_walk": {"random_walk_rad_per_sqrt_hour": 0.8},
    "ornstein_uhlenbeck": {"ou_sigma_rad": 0.1, "ou_time_constant_s": 100.0},
    "flicker": {"flicker_sigma_rad": 0.1, "flicker_tau_min_s": 1.0, "flicker_tau_max_s": 1e3},
    "temperature": {"temperature_daily_k": 1.0, "thermo_optic_per_k": 1e-4},
    "hot_spot": {"hot_spot_k": 1.0, "thermo_optic_per_k": 1e-4},
    "laser_drift": {"laser_ramp_pm_per_hour": 1.0, "group_index": 4.0},
    "ageing": {"heater_ageing_per_hour": 1e-3},
    "phase_noise": {"phase_noise_rad": 0.1},
    "shot_noise": {"shot_phase_noise_rad": 0.1},
    "attenuator": {"attenuator_noise_rad": 0.2},
    "coupler": {"coupler_sigma_rad": 0.1},
    "loss": {"insertion_loss_db": 0.1},
    "modulator": {"input_bits": 8},
    "laser_noise": {"laser_rin_db_per_hz": -140.0, "bandwidth_ghz": 1.0},
    "detector": {"received_power_uw": 1.0, "responsivity_a_per_w": 1.0, "bandwidth_ghz": 1.0},
    "adc": {"adc_bits": 8},
}
COVERED: set[Effect] = {
    *("quantisation", "crosstalk", "bias", "phase_noise", "shot_noise", "attenuator"),
    *("random_walk", "ornstein_uhlenbeck", "flicker"),
}


def point(time_s: float = TIME_S, recipe: Recipe | None = None, **changes: Any) -> Point:
    hardware = load_hardware("ideal").replace(wavelength_nm=1550.0, **changes)
    return Point({}, hardware, time_s, recipe)


@pytest.mark.parametrize("mesh", ["clements", "reck"])
@pytest.mark.parametrize(
    "figures",
    [
        {},
        *(FIGURES[effect] for effect in sorted(COVERED - {"phase_noise", "shot_noise"})),
        {"bias_residual_rad": 0.3, "is_attenuator_biased": False},
        {"dac_bits": 4, "dac_mode": "voltage", "crosstalk": 0.02},
        {"crosstalk": 0.02, "is_crosstalk_compensated": True, "dac_bits": 6},
    ],
    ids=lambda figures: "-".join(figures) or "noise",
)
def test_chips_scatter_around_the_closed_form(mesh: Any, figures: dict[str, Any]) -> None:
    """The mean square error of 200 chips, within its standard error."""
    at = point(**{**NOISE, **figures})
    assert missing_forms(at) == ""
    weight = torch.from_numpy(np.random.default_rng(5).normal(size=(7, 10)))
    program, noise = map_linear(weight, mesh, 4, "layer"), phase_noise(at)
    stds = {"V": noise.mesh, "sigma": noise.attenuators, "U": noise.mesh}
    expected = expected_square(set_program(program, at.hardware), weight, stds)
    squares = np.array(
        [
            (realise(program, Chip(at.hardware, 1, index, TIME_S)) - weight).square().sum().item()
            for index in range(200)
        ]
    )
    error = squares.std(ddof=1) / math.sqrt(len(squares))
    gap = abs(squares.mean() - expected) / error
    assert gap <= tolerances.STANDARD_ERRORS, f"{gap:.1f} standard errors"
    assert error <= tolerances.CLOSED_FORM * expected  # so that the test can fail


def test_without_noise_the_form_is_what_every_chip_has() -> None:
    at = point(dac_bits=5, crosstalk=0.01)
    weight = torch.from_numpy(np.random.default_rng(5).normal(size=(7, 10)))
    program = map_linear(weight, "clements", 4, "layer")
    silent = dict.fromkeys(("V", "sigma", "U"), 0.0)
    expected = expected_square(set_program(program, at.hardware), weight, silent)
    found = (realise(program, Chip(at.hardware, 1, 0, TIME_S)) - weight).square().sum().item()
    assert abs(found - expected) <= tolerances.CLOSED_FORM_F64 * found
    small = dict.fromkeys(silent, tolerances.VISIBLE)
    near = expected_square(set_program(program, at.hardware), weight, small)
    assert abs(near - expected) <= tolerances.CLOSED_FORM_F64 * found


@pytest.mark.parametrize("effect", EFFECTS)
def test_an_effect_is_covered_or_named(effect: Effect) -> None:
    at = point(**FIGURES[effect])
    assert at.hardware.has(effect)
    is_named = effect not in COVERED and effect not in LINK_EFFECTS
    assert missing_forms(at) == (effect.replace("_", " ") if is_named else "")
    if effect in DRIFT_EFFECTS:
        assert missing_forms(point(time_s=0.0, **FIGURES[effect])) == ""


def test_what_breaks_a_form_is_named() -> None:
    walk = FIGURES["random_walk"]
    assert missing_forms(point(common_drift_fraction=0.5, **walk)) == "random walk"
    assert missing_forms(point(time_s=0.5, **walk)) == "random walk"
    assert missing_forms(point(is_bias_calibrated=False, bias_range_rad=0.1)) == "bias"
    assert missing_forms(point(is_bias_calibrated=False, bias_residual_rad=0.1)) == ""
    recipe = Recipe(methods=("mapping",))
    assert missing_forms(point(recipe=recipe, gamma_spread=0.1)) == "gamma, remedy"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return study(tmp_path_factory.mktemp("small"), axes=AXES, chips=24, hardware="ideal")


@pytest.fixture(scope="module")
def directory(small: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "here"
    small.run(out, Workers(block=5), is_resumed=False)
    return out


@pytest.fixture
def results(directory: Path) -> xr.Dataset:
    return open_study(directory).load()


def test_weight_errors_are_those_of_the_chips(small: Study, results: xr.Dataset) -> None:
    mapped = small.inputs.mapped
    with on_threads(1):
        chip = Chip(small.points[11].hardware, small.description.seed, 7)
        direct = relative_weight_error(mapped, mapped.weights(chip))
    assert float(results[WEIGHT_ERROR][11, 7]) == direct
    assert direct > tolerances.WRONG_CONVENTION
    ideal = float(results[WEIGHT_ERROR][2, 0])
    assert 0 < ideal <= tolerances.SINGLE_PRECISION
    assert results[WEIGHT_ERROR].attrs["units"] == results[EXPECTED].attrs["units"] == "1"
    assert results[WEIGHT_ERROR].dims == ("point", "chip")


def test_studies_agree_with_their_closed_forms(results: xr.Dataset) -> None:
    for number in range(12):
        check = FormCheck.of(results, number)
        if number % 2:
            assert results[NOTE].values[number] == "coupler"
            assert math.isnan(check.expected) and check.ratio_text() == "-"
        elif number in (4, 6, 8, 10):
            assert results[NOTE].values[number] == ""
            gap = abs(check.ratio - 1) / check.ratio_error
            assert gap <= tolerances.STANDARD_ERRORS, f"{gap:.1f} standard errors"
            assert check.sampled.low <= check.sampled.value <= check.sampled.high
    rounded, ideal = FormCheck.of(results, 0), FormCheck.of(results, 2)
    assert abs(rounded.ratio - 1) <= tolerances.SINGLE_PRECISION
    assert ideal.expected <= tolerances.CLOSED_FORM_F64 and ideal.ratio_text() == "-"


@pytest.mark.slow
def test_blocks_and_workers_change_no_bit(
    small: Study, results: xr.Dataset, tmp_path: Path
) -> None:
    few = study(tmp_path, axes=AXES, chips=3, hardware="ideal")
    for number, workers in enumerate((Workers(block=1), Workers(processes=2, block=2))):
        found = few.run(tmp_path / str(number), workers, is_resumed=False).load()
        for name in (EXPECTED, NOTE):
            xr.testing.assert_identical(found[name], results[name])
        assert np.array_equal(found[WEIGHT_ERROR], results[WEIGHT_ERROR][:, :3])


def test_a_study_killed_before_its_closed_forms_goes_on_to_them(
    results: xr.Dataset, tmp_path: Path
) -> None:
    few = study(tmp_path, axes=AXES, chips=2, hardware="ideal")
    few.run(tmp_path / "out", HERE, is_resumed=False)
    expected = results[EXPECTED].values
    StudyStore(tmp_path / "out").keep_expected(np.where(expected > 0.1, np.nan, expected))
    unfinished = open_study(tmp_path / "out").load()
    assert "closed form not evaluated yet at 2 of 12 points" in missing_notes(unfinished, range(12))
    again = few.run(tmp_path / "out", HERE, is_resumed=True)
    assert np.array_equal(again[EXPECTED], expected, equal_nan=True)


def test_closed_forms_can_be_left_out_and_that_is_said(tmp_path: Path) -> None:
    none = study(tmp_path, axes=AXES, chips=2, hardware="ideal", closed_forms=False)
    found = none.run(tmp_path / "out", HERE, is_resumed=False).load()
    assert np.isnan(found[EXPECTED]).all() and found[WEIGHT_ERROR].notnull().all()
    note = "no closed form at 12 of 12 points: not asked for (closed_forms: false)"
    assert missing_notes(found, range(12)) == [note]
    assert note.split(": ")[1] in draw_study(found, tmp_path)[1].read_text()


def test_tables_figures_and_exports_hold_the_check(
    results: xr.Dataset, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    print_study(results)
    text, check = capsys.readouterr().out, FormCheck.of(results, 10)
    for word in (f"{check.expected:.4g}", check.ratio_text(), str(check.sampled)):
        assert word in text
    assert "no closed form at 6 of 12 points: coupler" in text
    drawn = draw_study(results, tmp_path)[1].read_text()
    for word in ("closed form", "sampled over expected", "no closed form at 6 of 12 points"):
        assert word in drawn, word
    export.write_csv(results, tmp_path / "chips.csv")
    table = pd.read_csv(tmp_path / "chips.csv")
    row = table[(table["point"] == 10) & (table["chip"] == 3)].iloc[0]
    stored = (float(results[WEIGHT_ERROR][10, 3]), float(results[EXPECTED][10]))
    assert (row[WEIGHT_ERROR], row[EXPECTED]) == stored
    assert table[table["point"] == 1][EXPECTED].isna().all()
    export.write_netcdf(results, tmp_path / "study.nc")
    xr.testing.assert_identical(xr.load_dataset(tmp_path / "study.nc"), results)


def test_two_points_are_rows(results: xr.Dataset, tmp_path: Path) -> None:
    text = draw_study(results.isel(point=[4, 5]), tmp_path)[1].read_text()
    assert "closed form" in text and "no closed form at 1 of 2 points: coupler" in text


def test_an_older_study_is_read_and_says_what_it_lacks(
    results: xr.Dataset, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    old = results.drop_vars([WEIGHT_ERROR, EXPECTED, NOTE])
    print_study(old)
    text = " ".join(capsys.readouterr().out.split())
    assert "this study was made before weight errors were kept" in text
    assert "ratio of squares" not in text
    drawn = draw_study(old, tmp_path)[1].read_text()
    assert "Mean absolute error" in drawn and "weights" not in drawn
    assert list(export.chip_table(old).columns)[:4] == ["point", "chip", "mae", "deviation_rms"]


def test_the_time_of_closed_forms_is_counted(small: Study, tmp_path: Path) -> None:
    none = study(tmp_path, axes=AXES, chips=24, hardware="ideal", closed_forms=False)
    assert small.cost().num_bytes == none.cost().num_bytes == 8 * 12 * 24 * (2 * 3 + 3)
