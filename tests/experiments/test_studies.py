"""Sweeps and drift: parsing, statistics, reproducibility, resuming."""

import json
import os
import tempfile
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import netcdf_file

from experiments.chips_run import ChipSetting, ChipStudy
from experiments.console import print_results
from experiments.drift import HOURS, SCENARIO_RATE, drift_settings, drifting_hardware
from experiments.evaluation import HeldOut, chip_predictions
from experiments.figures import draw_results
from experiments.mapped import MappedModel
from experiments.record import RunRecord
from experiments.results import Axis, chip_results, read_results, write_results
from experiments.sweep import NOISE_KINDS, parse_noise, parse_numbers, sweep_settings
from photonic import Chip, HardwareConfig, load_hardware
from tests import tolerances

PHASE = NOISE_KINDS["phase"].axis


@pytest.fixture(scope="module")
def study(mapped: MappedModel, held_out: HeldOut) -> ChipStudy:
    settings = sweep_settings(load_hardware("ideal"), NOISE_KINDS["phase"], [0.0, 0.01, 0.1])
    return ChipStudy(mapped, held_out, PHASE, settings, num_chips=3, seed=5)


@pytest.fixture(scope="module")
def results(
    study: ChipStudy, record: RunRecord, tmp_path_factory: pytest.TempPathFactory
) -> xr.Dataset:
    return study.run(tmp_path_factory.mktemp("study") / "out", record)[1]


def test_no_noise_is_digital(results: xr.Dataset) -> None:
    error = np.abs(results["prediction"][0] / results["digital"] - 1).max()
    assert error <= tolerances.IDEAL_CHIP_F32, f"relative difference {float(error):.1e}"


def test_more_noise_moves_predictions_further(results: xr.Dataset) -> None:
    deviation = results["deviation_rms"].mean("chip")
    assert deviation[0] < deviation[1] < deviation[2]


def test_statistics_follow_from_predictions(results: xr.Dataset) -> None:
    deviation = results["prediction"] - results["digital"]
    expected = {
        "mae": np.abs(results["prediction"] - results["label"]).mean("crystal"),
        "mae_mean": np.abs(results["prediction"] - results["label"]).mean(("crystal", "chip")),
        "mae_q95": results["mae"].quantile(0.95, "chip", keep_attrs=False),
        "mae_sem": results["mae"].std("chip", ddof=1) / np.sqrt(results.sizes["chip"]),
        "digital_mae": np.abs(results["digital"] - results["label"]).mean(),
        "deviation_rms": np.sqrt((deviation**2).mean("crystal")),
        "deviation_q95": np.abs(deviation).quantile(0.95, "crystal", keep_attrs=False),
        "crystal_deviation_rms": np.sqrt((deviation**2).mean("chip")),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(results[name], values, rtol=tolerances.CLOSED_FORM_F64)


def test_written_results_carry_units_and_provenance(
    study: ChipStudy, record: RunRecord, tmp_path: Path
) -> None:
    directory, results = study.run(tmp_path / "out", record)
    again = read_results(directory)
    xr.testing.assert_equal(again, results)
    assert again["phase_noise"].attrs["units"] == "rad"
    assert RunRecord.model_validate_json(again.attrs["record"]) == record
    assert list(again["crystal"].values) == list(study.held_out.ids)
    for name in ("errors.png", "errors.svg", "results.nc"):
        assert (directory / name).stat().st_size > 0
    assert "Static phase error [rad]" in (directory / "errors.svg").read_text()


def test_a_killed_run_is_continued_bit_for_bit(
    study: ChipStudy, record: RunRecord, results: xr.Dataset, tmp_path: Path
) -> None:
    class Killed(Exception):
        pass

    done = 0

    def kill_at_fourth() -> None:
        nonlocal done
        done += 1
        if done == 4:
            raise Killed

    with pytest.raises(Killed):
        study.run(tmp_path / "out", record, kill_at_fourth)
    assert not (tmp_path / "out").exists()
    kept = {p: p.stat().st_mtime_ns for p in (tmp_path / "out.partial").glob("setting-*.npy")}
    assert len(kept) == 4
    _, continued = study.run(tmp_path / "out", record)
    xr.testing.assert_identical(continued, results)
    assert not (tmp_path / "out.partial").exists()


def test_other_settings_do_not_continue_a_run(
    study: ChipStudy, record: RunRecord, tmp_path: Path
) -> None:
    partial = tmp_path / "out.partial"
    partial.mkdir()
    (partial / "setting-000-chip-0000.npy").touch()
    (partial / "lock").write_text(f"process 1 on host\n{json.dumps({'config': 'another'})}")
    with pytest.raises(FileExistsError, match="unfinished run with other settings"):
        study.run(tmp_path / "out", record)


def test_existing_results_are_not_overwritten(
    study: ChipStudy, record: RunRecord, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(FileExistsError, match="nothing was overwritten"):
        study.run(tmp_path / "out", record)


def test_draws_do_not_depend_on_the_number_of_chips_or_settings(
    study: ChipStudy, record: RunRecord, results: xr.Dataset, tmp_path: Path
) -> None:
    one = ChipStudy(
        study.mapped, study.held_out, PHASE, study.settings[2:], num_chips=2, seed=study.seed
    )
    _, alone = one.run(tmp_path / "out", record)
    assert np.array_equal(alone["prediction"][0], results["prediction"][2, :2])


def test_parse_noise() -> None:
    kind, values = parse_noise("phase=0.1,0,0.01,0.1")
    assert kind.field == "phase_noise_rad"
    assert values == [0.0, 0.01, 0.1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("phase", "kind=value"),
        ("phse=0", "did you mean 'phase'"),
        ("phase=a", "'a' in 'a' is not a number"),
        ("phase=nan", "not finite"),
    ],
)
def test_bad_noise_is_explained(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_noise(text)


def test_every_noise_kind_is_a_field_of_the_chip() -> None:
    for kind in NOISE_KINDS.values():
        assert kind.field in HardwareConfig.model_fields


def test_values_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="phase_noise_rad"):
        sweep_settings(load_hardware("ideal"), NOISE_KINDS["phase"], [-1.0])
    with pytest.raises(ValueError, match="whole numbers"):
        sweep_settings(load_hardware("ideal"), NOISE_KINDS["bits"], [7.5])


def test_drift_uses_the_chip_or_the_stated_scenario() -> None:
    lab, typical = load_hardware("soi_lab_good"), load_hardware("soi_typical")
    assert drifting_hardware(lab, None) == lab
    assert drifting_hardware(typical, None).random_walk_rad_per_sqrt_hour == SCENARIO_RATE
    walk = drifting_hardware(lab, 0.01)
    assert (walk.random_walk_rad_per_sqrt_hour, walk.ou_sigma_rad) == (0.01, 0.0)
    for hours in ([-1.0, 2.0], [1e6]):
        with pytest.raises(ValueError, match="must lie in 0 to 4660 h"):
            drift_settings(lab, hours)


def test_drift_starts_at_the_calibrated_chip(
    mapped: MappedModel, held_out: HeldOut, record: RunRecord, tmp_path: Path
) -> None:
    hardware = drifting_hardware(load_hardware("ideal"), 0.01)
    study = ChipStudy(
        mapped, held_out, HOURS, drift_settings(hardware, parse_numbers("0,1,72")), 2, 0
    )
    deviation = study.run(tmp_path / "out", record)[1]["deviation_rms"].mean("chip")
    assert deviation[0] <= tolerances.IDEAL_CHIP_F32 * float(np.max(held_out.truth))
    assert deviation[0] < deviation[1] < deviation[2]


def test_axis_names_are_distinct() -> None:
    names = [kind.axis.name for kind in NOISE_KINDS.values()]
    assert len(set(names)) == len(names)
    assert isinstance(HOURS, Axis)
    assert ChipSetting(1.0, load_hardware("ideal")).time_s == 0.0


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_chip_beyond_range_is_infinitely_wrong_and_the_others_are_not(
    wrong: float, held_out: HeldOut, record: RunRecord, tmp_path: Path
) -> None:
    """As happens to long unbalanced meshes with loss; the run must not be lost by it."""
    predictions = np.ones((2, 3, held_out.num_crystals))
    predictions[1, 2] = wrong
    results = chip_results(
        PHASE, np.array([0.0, 1.0]), predictions, held_out.truth, held_out, record
    )
    assert np.isinf(results["mae"][1, 2])
    assert np.isinf(results["deviation_q95_q95"][1])
    assert np.isfinite(results["mae"][1, :2]).all()
    assert np.isfinite(results["deviation_rms_mean"][0])
    assert all(path.is_file() for path in draw_results(results, tmp_path))
    print_results(results)


def test_one_chip_has_no_standard_error(held_out: HeldOut, record: RunRecord) -> None:
    predictions = np.ones((1, 1, held_out.num_crystals))
    results = chip_results(PHASE, np.zeros(1), predictions, held_out.truth, held_out, record)
    assert np.isnan(results["mae_sem"]).all()


def test_an_hour_has_3600_seconds(
    mapped: MappedModel, held_out: HeldOut, record: RunRecord, tmp_path: Path
) -> None:
    hardware = drifting_hardware(load_hardware("ideal"), 0.01)
    settings = drift_settings(hardware, [0.0, 1.0, 2.5])
    assert [setting.time_s for setting in settings] == [0.0, 3600.0, 9000.0]
    study = ChipStudy(mapped, held_out, HOURS, settings[1:2], num_chips=1, seed=4)
    _, results = study.run(tmp_path / "out", record)
    direct = chip_predictions(mapped, held_out, Chip(hardware, 4, 0, 3600.0))
    assert np.array_equal(results["prediction"][0, 0], direct)


@pytest.fixture(scope="module")
def written(results: xr.Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_results(results, tmp_path_factory.mktemp("written")).parent


@hypothesis.settings(max_examples=100)
@given(
    edits=st.lists(
        st.tuples(st.floats(0, 1), st.sampled_from([b"", b"\0" * 4, b"\xff" * 4, b"\x7f", b"/"])),
        min_size=1,
        max_size=3,
    ),
    is_cut=st.booleans(),
)
def test_damaged_results_are_one_line_or_read(
    written: Path, edits: list[tuple[float, bytes]], is_cut: bool
) -> None:
    """Whatever stands in the header, of which a third of the edits are."""
    data = bytearray((written / "results.nc").read_bytes())
    header = data.index(b"standard error of the mean")
    for place, content in edits:
        at = int(place * (len(data) if place > 0.7 else header))
        data[at : at + len(content)] = content
    if is_cut:
        del data[int(edits[0][0] * len(data)) :]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "results.nc"
        path.write_bytes(data)
        try:
            read_results(Path(folder))
        except ValueError as error:
            assert "not readable as NetCDF 3" in str(error) and "\n" not in str(error)
            assert len(str(error)) < 600


def test_results_that_declare_more_than_they_hold_are_refused(
    written: Path, tmp_path: Path
) -> None:
    """All variables point at the bytes of the first: small on disk, large in memory."""
    path, names = tmp_path / "results.nc", [f"v{number}" for number in range(10, 60)]
    with netcdf_file(path, "w") as many:
        many.createDimension("x", 1000)
        for name in names:
            many.createVariable(name, "f8", ("x",))[:] = 0.0
    data = bytearray(path.read_bytes())
    offset = 4 + 4 + 4 + 8 + 4 + 4  # name, rank, dimension, no attributes, type, bytes
    places = [data.index(name.encode()) + offset for name in names]
    for place in places:
        data[place : place + 4] = data[places[0] : places[0] + 4]
    path.write_bytes(data[: -49 * 8000])
    with pytest.raises(ValueError, match="holds less than it declares"):
        read_results(tmp_path)


def test_other_results_are_refused(written: Path, tmp_path: Path) -> None:
    good = read_results(written)
    changes = {
        "mae_q95": good.drop_vars("mae_q95"),
        "prediction": good.transpose("crystal", ...),
        "title": good.drop_attrs(deep=False),
    }
    for number, (name, changed) in enumerate(changes.items()):
        place = tmp_path / str(number)
        place.mkdir()
        changed.to_netcdf(place / "results.nc", engine="scipy")
        with pytest.raises(ValueError, match=f"not readable as NetCDF 3 of a run .*({name}|None)"):
            read_results(place)


def test_a_pipe_is_no_file_of_results(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "results.nc")
    with pytest.raises(ValueError, match=r"results\.nc: not a regular file"):
        read_results(tmp_path)
