"""Tables, comparisons and exports of studies."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from experiments.commands.sweep import sweep
from experiments.study import export, open_study, tables
from experiments.study.compare import check_paired, paired_difference
from experiments.study.description import StudyError
from experiments.study.summary import bootstrap_mean
from experiments.study.tables import print_comparison, print_study
from tests import tolerances
from tests.experiments.study_inputs import HERE, study, study_file


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    small = study(folder, axes={"phase_noise_rad": [0.0, 0.1]}, chips=3)
    small.run(folder / "out", HERE, is_resumed=False)
    return folder / "out"


@pytest.fixture
def results(directory: Path) -> xr.Dataset:
    return open_study(directory).load()


def with_record(results: xr.Dataset, before: str, after: str) -> xr.Dataset:
    return results.assign_attrs(record=results.attrs["record"].replace(before, after))


@given(seed=st.integers(0, 2**32 - 1))
def test_the_interval_of_many_chips_is_the_normal_one(seed: int) -> None:
    values = np.random.default_rng(seed).normal(3, 0.5, 400)
    mean = bootstrap_mean(values)
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert mean.value == values.mean()
    for bound, expected in ((mean.low, mean.value - half), (mean.high, mean.value + half)):
        assert abs(bound - expected) <= 0.2 * half


def test_one_chip_has_no_interval_and_a_broken_one_an_infinite_mean() -> None:
    assert np.isnan(bootstrap_mean(np.ones(1)).low)
    assert np.isnan(bootstrap_mean(np.ones(0)).value)
    assert bootstrap_mean(np.array([1.0, np.inf])).value == np.inf


def test_tables_state_every_point(results: xr.Dataset, capsys: pytest.CaptureFixture) -> None:
    print_study(results)
    print_comparison(results, results)
    text = capsys.readouterr().out
    assert f"{float(results['mae'][1].mean()):.4g}" in text
    assert "0 (0 to 0)" in text
    assert "not finished" not in text
    print_study(results.assign_attrs(is_complete=0))
    assert "not finished" in capsys.readouterr().out


def test_a_paired_difference_is_over_common_chips(results: xr.Dataset) -> None:
    other = results.copy(deep=True)
    other["mae"] += np.array([0.1, 0.2, 0.3])
    other["mae"][0, 2] = np.nan
    check_paired(results, other)
    assert np.isclose(paired_difference(results, other, "mae", 0).value, 0.15)
    difference = paired_difference(results, other, "mae", 1)
    assert np.isclose(difference.value, 0.2, rtol=tolerances.CLOSED_FORM_F64)
    assert 0.1 - 1e-9 <= difference.low <= difference.high <= 0.3 + 1e-9


def test_studies_that_are_not_paired_are_refused(results: xr.Dataset) -> None:
    others = {
        r"seeds differ \(3 and 4\)": with_record(results, '"seed":3', '"seed":4'),
        r"numbers of chips differ \(3 and 2\)": results.isel(chip=slice(2)),
        "other crystals": results.assign_coords(crystal=["x", "y", "z"]),
        "`label` differs": results.assign(label=results["label"] + 1),
        "values of axis 'phase_noise_rad' differ": results.assign_coords(
            phase_noise_rad=results["phase_noise_rad"] + 1
        ),
    }
    for message, other in others.items():
        with pytest.raises(StudyError, match=message):
            check_paired(results, other)


def test_exports_hold_the_same_numbers(results: xr.Dataset, tmp_path: Path) -> None:
    partial = results.copy(deep=True)
    partial["mae"][1, 2] = np.nan
    export.write_csv(partial, tmp_path / "new" / "chips.csv")
    table = pd.read_csv(tmp_path / "new" / "chips.csv")
    assert len(table) == 5
    row = table[(table["point"] == 1) & (table["chip"] == 1)].iloc[0]
    assert (row["mae"], row["phase_noise_rad"]) == (float(results["mae"][1, 1]), 0.1)
    export.write_netcdf(results, tmp_path / "study.nc")
    xr.testing.assert_identical(xr.load_dataset(tmp_path / "study.nc"), results)
    for write in (export.write_csv, export.write_netcdf, export.write_parquet):
        with pytest.raises(FileExistsError, match="nothing was overwritten"):
            write(results, tmp_path / "study.nc")


def test_parquet_is_the_same_table(results: xr.Dataset, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    export.write_parquet(results, tmp_path / "chips.parquet")
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "chips.parquet"),
        export.chip_table(results).reset_index(drop=True),
    )


@pytest.mark.parametrize(
    ("name", "option", "message"),
    [
        ("study.yaml", "--chips=4", "--chips has no effect on a study"),
        ("mapped", "--workers=2", "--workers is for studies"),
        ("mapped", "--dry-run", "--dry-run is for studies"),
    ],
)
def test_options_of_the_other_form_are_refused(name: str, option: str, message: str) -> None:
    app = typer.Typer()
    app.command()(sweep)
    done = CliRunner().invoke(app, [name, "--out", "x", option])
    assert isinstance(done.exception, ValueError)
    assert message in str(done.exception)


def test_a_dry_run_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = study_file(tmp_path, axes={"phase_noise_rad": [0.0, 0.1]}, chips=3)
    app = typer.Typer()
    app.command()(sweep)
    done = CliRunner().invoke(app, [str(path), "--out", str(tmp_path / "out"), "--dry-run"])
    assert done.exit_code == 0, done.exception
    assert not (tmp_path / "out").exists()


def test_a_long_study_is_shown_in_part(
    results: xr.Dataset, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "MOST_ROWS", 1)
    for show in (print_study, lambda found: print_comparison(found, found)):
        show(results)
        text = capsys.readouterr().out
        assert "1 more points are not shown: results DIR --csv FILE writes all" in text


def test_more_than_netcdf_holds_is_refused(
    results: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "MOST_BYTES", results.nbytes - 1)
    with pytest.raises(ValueError, match=r"read results\.zarr with xarray, or write --csv"):
        export.write_netcdf(results, tmp_path / "x.nc")
    assert not (tmp_path / "x.nc").exists()
