"""Values of an axis on the same chips: which points are pairs, and what pairing gains."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import typer
import xarray as xr
from typer.testing import CliRunner

from experiments.commands.compare import compare
from experiments.study import open_study
from experiments.study.compare import Paired
from experiments.study.description import StudyError
from experiments.study.pairs import PairOfPoints, pairs_along, value_text, write_pairs
from experiments.study.summary import bootstrap_mean
from experiments.study.tables import print_pairs
from photonic import HardwareConfig
from tests import tolerances
from tests.experiments.study_inputs import HERE, study
from tests.experiments.test_study_axes import with_chip

AXES = {"remedy": ["crosstalk", "none"], "dac_bits": [10, None], "phase_noise_rad": [0.1]}
CHIP = HardwareConfig(name="some", crosstalk=1e-3)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    with pytest.MonkeyPatch.context() as patch:
        with_chip(patch, CHIP)
        small = study(folder, hardware="some", axes=AXES, chips=12)
    small.run(folder / "out", HERE, is_resumed=False)
    return folder / "out"


@pytest.fixture
def results(directory: Path) -> xr.Dataset:
    return open_study(directory).load()


def test_pairs_differ_in_one_axis_alone(results: xr.Dataset) -> None:
    assert pairs_along(results, "remedy") == ("none", [PairOfPoints(2, 0), PairOfPoints(3, 1)])
    assert pairs_along(results, "remedy", "crosstalk")[1] == [
        PairOfPoints(0, 2),
        PairOfPoints(1, 3),
    ]
    assert pairs_along(results, "dac_bits") == ("10", [PairOfPoints(0, 1), PairOfPoints(2, 3)])
    assert pairs_along(results, "dac_bits", "absent")[1] == [
        PairOfPoints(1, 0),
        PairOfPoints(3, 2),
    ]
    assert pairs_along(results, "dac_bits", "10.0") == pairs_along(results, "dac_bits")


def test_a_difference_is_the_mean_over_chips(results: xr.Dataset) -> None:
    mae = results["mae"].values
    found = PairOfPoints(2, 0).paired(results, "mae")
    assert found.difference == bootstrap_mean(mae[0] - mae[2])
    assert (found.before, found.after) == (mae[2].mean(), mae[0].mean())
    assert found.improved == (mae[0] < mae[2]).mean()


def test_chips_that_were_evaluated_once_do_not_count() -> None:
    first, second = (
        xr.DataArray(values) for values in ([3.0, 2, np.nan, 1, np.inf], [1.0, np.nan, 4, 2, 1])
    )
    found = Paired.of(first, second)
    assert (found.num_chips, found.improved) == (3, 2 / 3)
    assert found.after == 4 / 3
    nothing = Paired.of(first[:1], second[1:2])
    assert nothing.num_chips == 0
    assert np.isnan([nothing.before, nothing.difference.value, nothing.improved]).all()


def test_pairs_have_far_smaller_intervals_than_differences_of_means(results: xr.Dataset) -> None:
    """Chips scatter by their phase errors, which both points share."""
    for pair in pairs_along(results, "remedy")[1]:
        means = [bootstrap_mean(results["mae"].values[p]) for p in (pair.reference, pair.point)]
        unpaired = np.hypot(*(mean.high - mean.low for mean in means))
        paired = pair.paired(results, "mae").difference
        share = (paired.high - paired.low) / unpaired
        assert 0 < share <= tolerances.PAIRED_SHARE, f"{share:.3f} of the unpaired interval"


def test_the_table_of_pairs_is_what_is_printed(
    results: xr.Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reference, pairs = pairs_along(results, "remedy")
    write_pairs(results, pairs, tmp_path / "pairs.csv")
    table = pd.read_csv(tmp_path / "pairs.csv")
    assert list(table["point"]) == [0, 1]
    assert list(table["remedy"]) == ["crosstalk", "crosstalk"]
    found = pairs[1].paired(results, "deviation_rms")
    row = table.iloc[1]
    assert row["deviation_rms_difference_low"] == found.difference.low
    assert row["deviation_rms_improved"] == found.improved
    assert row["num_chips"] == 12
    with pytest.raises(FileExistsError, match="nothing was overwritten"):
        write_pairs(results, pairs, tmp_path / "pairs.csv")
    print_pairs(results.assign_attrs(is_complete=0), "remedy", reference, pairs)
    text = capsys.readouterr().out
    assert "remedy against none" in text
    assert "not finished" in text


@pytest.mark.parametrize(
    ("axis", "to", "message"),
    [
        ("tile", None, "no axis 'tile'; it has remedy, dac_bits, phase_noise_rad"),
        ("remedy", "loss", "axis 'remedy' has no value 'loss'; it has crosstalk, none"),
        ("dac_bits", "7", "axis 'dac_bits' has no value '7'; it has 10, absent"),
        ("phase_noise_rad", None, "no two points differ in 'phase_noise_rad' alone"),
    ],
)
def test_what_cannot_be_compared_is_named(
    results: xr.Dataset, axis: str, to: str | None, message: str
) -> None:
    with pytest.raises(StudyError, match=message):
        pairs_along(results, axis, to)


def test_values_are_told_apart_by_all_their_digits() -> None:
    assert [value_text(value) for value in (0.1, 0.1 + 1e-16, 8.0, np.nan, "full")] == [
        "0.1",
        "0.1000000000000001",
        "8",
        "absent",
        "full",
    ]


def run_compare(*arguments: Any) -> Any:
    app = typer.Typer()
    app.command()(compare)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_command_compares_along_an_axis_or_two_studies(directory: Path, tmp_path: Path) -> None:
    done = run_compare(directory, "--along", "remedy", "--to", "none", "--csv", tmp_path / "p.csv")
    assert done.exit_code == 0, done.exception
    assert len(pd.read_csv(tmp_path / "p.csv")) == 2
    assert run_compare(directory, directory).exit_code == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "either a second study or --along AXIS"),
        (["DIR", "--along", "remedy"], "either a second study or --along AXIS"),
        (["DIR", "--to", "none"], "--to and --csv go with --along"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    directory: Path, options: list[str], message: str
) -> None:
    done = run_compare(directory, *(directory if o == "DIR" else o for o in options))
    assert isinstance(done.exception, ValueError)
    assert message in str(done.exception)
