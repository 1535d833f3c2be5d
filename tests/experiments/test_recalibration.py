"""Recalibration intervals: closed forms of chips that drift linearly, bounds, text, storage."""

import math
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom
from typer import Typer
from typer.testing import CliRunner

from experiments import jobs, recalibration
from experiments.commands.drift import drift
from experiments.recalibration import (
    NUM_RESAMPLES,
    Interval,
    RecalibrationCriteria,
    crossing_hours,
    recalibration_interval,
    stored_interval,
    with_recalibration,
)
from experiments.recalibration_text import print_recalibration, recalibration_lines
from experiments.results import RESULT_FILE, write_results
from photonic.randomness import keyed_generator
from tests.tolerances import CLOSED_FORM_F64, STANDARD_ERRORS

HOURS = np.array([0.0, 1.0, 4.0, 12.0, 24.0, 72.0])
DIGITAL = 0.3


def linear(slopes: np.ndarray, start: float = 1.0) -> np.ndarray:
    """(T, C) values start + slope t, in units of the digital error."""
    return start + HOURS[:, None] * np.asarray(slopes)


def dataset(error: np.ndarray, deviation: np.ndarray) -> xr.Dataset:
    """Results of a study; arguments in units of the digital error."""
    dims = "hours", "chip"
    return xr.Dataset(
        {
            "mae": (dims, DIGITAL * error),
            "deviation_rms": (dims, DIGITAL * deviation),
            "digital_mae": ((), DIGITAL),
            "label": (("crystal",), np.ones(2), {"units": "eV"}),
        },
        coords={"hours": ("hours", HOURS, {"units": "h"}), "chip": np.arange(error.shape[1])},
        attrs={"axis": "hours"},
    )


def alike(error_slope: float, deviation_slope: float, num_chips: int = 40) -> xr.Dataset:
    chips = np.ones(num_chips)
    return with_recalibration(
        dataset(linear(error_slope * chips), linear(deviation_slope * chips, 0.0)),
        RecalibrationCriteria(),
    )


@pytest.mark.parametrize("slope", [0.2, 0.05, 0.1 / 12, 0.002])
def test_linear_growth_crosses_where_it_should(slope: float) -> None:
    """Whatever the grid: the quantile over chips is interpolated linearly."""
    interval = recalibration_interval(HOURS, linear(np.full(5, slope)), 1.1, 0.95)
    expected = pytest.approx(0.1 / slope, rel=CLOSED_FORM_F64)
    assert (interval.hours, interval.low, interval.high) == (expected, expected, expected)
    assert not interval.is_open
    assert not interval.is_never


@pytest.mark.parametrize(
    ("num_chips", "quantile", "decides"),
    [(20, 0.95, 19), (19, 0.95, 19), (21, 0.95, 20), (40, 0.95, 38), (20, 0.55, 11), (7, 1.0, 7)],
)
def test_at_least_the_share_of_chips_is_within(
    num_chips: int, quantile: float, decides: int
) -> None:
    """The chip whose slope is ``decides`` th from below is the first that may not leave."""
    slopes = 0.01 * keyed_generator(0, "slopes").permutation(np.arange(1, num_chips + 1))
    interval = recalibration_interval(HOURS, linear(slopes), 1.1, quantile)
    assert interval.hours == pytest.approx(0.1 / (0.01 * decides), rel=CLOSED_FORM_F64)


def test_never_open_and_touching() -> None:
    flat = np.zeros(3)
    assert recalibration_interval(HOURS, linear(flat, 1.2), 1.1, 0.95) == Interval(0, 0, 0, True)
    still = recalibration_interval(HOURS, linear(flat), 1.1, 0.95)
    assert (still.hours, still.is_open, still.is_never) == (math.inf, True, False)
    assert recalibration_interval(HOURS, linear(flat, 1.1), 1.1, 0.95).is_open


def test_first_crossing_counts_although_the_curve_returns() -> None:
    curve = np.array([1.0, 1.0, 1.2, 1.0, 1.0, 1.3])
    assert crossing_hours(HOURS, curve, 1.1) == pytest.approx(2.5, rel=CLOSED_FORM_F64)


def test_an_infinite_chip_counts_as_one_chip_out_of_tolerance() -> None:
    values = linear(np.full(40, 0.005))
    expected = recalibration_interval(HOURS, values, 1.1, 0.95).hours
    values[:, :2] = math.inf
    assert recalibration_interval(HOURS, values, 1.1, 0.95).hours == expected
    values[3:, 2] = math.inf
    assert recalibration_interval(HOURS, values, 1.1, 0.95).hours == HOURS[2]
    values[0, 2] = math.inf
    assert recalibration_interval(HOURS, values, 1.1, 0.95).is_never


def test_bootstrap_bounds_are_those_of_resampled_order_statistics() -> None:
    """P(resampled quantile <= j-th slope) = P(at least k of C draws are among the j lowest)."""
    num_chips, decides = 40, 38
    slopes = 0.01 * np.arange(1, num_chips + 1)
    interval = recalibration_interval(HOURS, linear(slopes), 1.1, 0.95)
    for bound, share in ((interval.low, 0.05), (interval.high, 0.95)):
        rank = round(0.1 / bound / 0.01)

        def longer(j: int) -> float:
            """Probability that the interval is at least that of the j-th slope."""
            return binom.sf(decides - 1, num_chips, j / num_chips)

        slack = STANDARD_ERRORS * math.sqrt(0.05 * 0.95 / NUM_RESAMPLES)
        assert 1 - longer(rank) < share + slack
        assert 1 - longer(rank - 1) > share - slack
    assert interval.low < interval.hours < interval.high


def test_bootstrap_may_reach_beyond_the_times_asked_for() -> None:
    slopes = np.concatenate([np.full(30, 1e-4), np.full(3, 0.1 / 24)])
    interval = recalibration_interval(HOURS, linear(slopes), 1.1, 0.95)
    assert interval.hours == pytest.approx(24, rel=CLOSED_FORM_F64)
    assert interval.low == pytest.approx(24, rel=CLOSED_FORM_F64)
    assert math.isinf(interval.high)


def test_resampling_does_not_depend_on_its_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    slopes = np.abs(keyed_generator(0, "slopes").standard_normal(33)) / 50
    whole = recalibration_interval(HOURS, linear(slopes), 1.1, 0.95)
    monkeypatch.setattr(recalibration, "_MAX_ENTRIES", 7 * 6 * 33)
    assert recalibration_interval(HOURS, linear(slopes), 1.1, 0.95) == whole


@given(seed=st.integers(0, 2**32), limits=st.tuples(st.floats(0.5, 3), st.floats(0.5, 3)))
def test_more_tolerance_never_shortens_and_more_chips_never_lengthen(
    seed: int, limits: tuple[float, float]
) -> None:
    values = keyed_generator(seed, "values").uniform(0.5, 3, (6, 25))
    strict, wide = (
        recalibration_interval(HOURS, values, limit, 0.9).hours for limit in sorted(limits)
    )
    assert strict <= wide
    assert recalibration_interval(HOURS, values, min(limits), 0.96).hours <= strict


@given(seed=st.integers(0, 2**32), factor=st.floats(0.01, 100))
def test_interval_scales_with_hours_and_not_with_the_unit_of_the_label(
    seed: int, factor: float
) -> None:
    values = linear(keyed_generator(seed, "values").uniform(0, 0.1, 10))
    once = recalibration_interval(HOURS, values, 1.1, 0.9)
    scaled = recalibration_interval(factor * HOURS, factor * values, factor * 1.1, 0.9)
    bounds = [(i.hours, i.low, i.high) for i in (once, scaled)]
    np.testing.assert_allclose(bounds[1], factor * np.array(bounds[0]), rtol=CLOSED_FORM_F64)


def test_limit_without_a_digital_error_raises() -> None:
    with pytest.raises(ValueError, match="limit must be finite, got inf"):
        recalibration_interval(HOURS, linear(np.ones(3)), math.inf, 0.95)


def test_both_criteria_are_stored_with_units_and_read_back(tmp_path: Path) -> None:
    results = alike(0.01, 0.125)
    assert stored_interval(results, "error").hours == pytest.approx(10, rel=CLOSED_FORM_F64)
    assert stored_interval(results, "deviation").hours == pytest.approx(2, rel=CLOSED_FORM_F64)
    np.testing.assert_allclose(
        results["recalibration_limit"], [1.1 * DIGITAL, 0.25 * DIGITAL], rtol=CLOSED_FORM_F64
    )
    assert results["recalibration_limit"].attrs["units"] == "eV"
    for name in ("recalibration_hours", "recalibration_low", "recalibration_high"):
        assert results[name].dims == ("criterion",)
        assert results[name].attrs["units"] == "h"
        assert results[name].attrs["long_name"]
    assert results.attrs["recalibration_quantile"] == 0.95
    write_results(results, tmp_path)
    again = xr.load_dataset(tmp_path / RESULT_FILE, engine="scipy")
    xr.testing.assert_equal(again, results)
    assert stored_interval(again, "deviation") == stored_interval(results, "deviation")
    assert recalibration_lines(again) == recalibration_lines(results)


def test_order_of_dimensions_does_not_matter() -> None:
    slopes = 0.01 * np.arange(1, 9)
    plain = dataset(linear(slopes), linear(slopes, 0.0))
    criteria = RecalibrationCriteria(quantile=0.5)
    turned = with_recalibration(plain.transpose("chip", "hours", ...), criteria)
    straight = with_recalibration(plain, criteria)
    for criterion in ("error", "deviation"):
        assert stored_interval(turned, criterion) == stored_interval(straight, criterion)


def test_criteria_change_the_limits() -> None:
    slopes = np.full(30, 0.01)
    results = dataset(linear(slopes), linear(slopes, 0.0))
    stored = with_recalibration(results, RecalibrationCriteria(0.9, 0.2, 0.05))
    assert stored_interval(stored, "error").hours == pytest.approx(20, rel=CLOSED_FORM_F64)
    assert stored_interval(stored, "deviation").hours == pytest.approx(5, rel=CLOSED_FORM_F64)


def test_results_over_another_axis_raise() -> None:
    results = dataset(linear(np.ones(3)), linear(np.ones(3))).assign_attrs(axis="phase_noise")
    with pytest.raises(ValueError, match="needs results over hours, got phase_noise"):
        with_recalibration(results, RecalibrationCriteria())


@pytest.mark.parametrize(
    ("figures", "message"),
    [
        ({"quantile": 0.0}, r"`quantile` must lie in \(0, 1\], got 0.0"),
        ({"quantile": 1.01}, r"`quantile` must lie in \(0, 1\], got 1.01"),
        ({"quantile": math.nan}, r"`quantile` must lie in \(0, 1\], got nan"),
        ({"tolerance": -0.1}, "`tolerance` must be finite and not negative, got -0.1"),
        ({"deviation_tolerance": math.inf}, "`deviation_tolerance` must be finite .*, got inf"),
    ],
)
def test_criteria_out_of_range_raise(figures: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RecalibrationCriteria(**figures)


def test_sentences_for_a_found_an_open_and_an_impossible_interval(
    capsys: pytest.CaptureFixture[str],
) -> None:
    error, deviation = recalibration_lines(alike(0.01, 1e-6))
    assert error == "recalibrate every 10 h to keep 95 % of chips within 10 % of the digital error"
    assert deviation == (
        "no recalibration needed within 72 h to keep the predictions of 95 % of chips within 0.25 "
        "of the digital error (rms) from the digital ones"
    )
    few = dataset(linear(np.ones(4), 2.0), linear(np.array([1e-6, 1e-6, 1e-6, 0.02]), 0.0))
    stored = with_recalibration(few, RecalibrationCriteria())
    error, deviation = recalibration_lines(stored)
    assert error == (
        "no recalibration interval keeps all 4 chips within 10 % of the digital error: fresh chips "
        "are not"
    )
    assert deviation.startswith(
        "recalibrate every 12.5 h (12.5 h to beyond 72 h) to keep the predictions of all 4 chips"
    )
    print_recalibration(stored)
    assert capsys.readouterr().out.splitlines() == [error, deviation]


def test_command_hands_on_its_options(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = {}

    def record(mapped: Path, hours: str, **options: object) -> None:
        asked.update(options, mapped=mapped, hours=hours)
        raise ValueError("enough")

    monkeypatch.setattr(jobs, "drift", record)
    trace = tmp_path / "rack.csv"
    trace.write_text("time_s,temperature_k\n0,300\n3600,301\n")
    app = Typer()
    app.command()(drift)
    arguments = ["mapped", "--out", "new", "--quantile", "0.9", "--tolerance", "0.2"]
    arguments += ["--deviation-tolerance", "0.5", "--trace", str(trace), "--rate", "0.01"]
    result = CliRunner().invoke(app, arguments)
    assert str(result.exception) == "enough"
    assert asked == {
        "mapped": Path("mapped"),
        "hours": "0,1,4,12,24,72",
        "out": Path("new"),
        "num_chips": 32,
        "seed": 0,
        "hardware": None,
        "rate": 0.01,
        "trace": ((0.0, 300.0), (3600.0, 301.0)),
        "limit": None,
        "calibration": None,
        "without": (),
        "only": (),
        "recalibration": RecalibrationCriteria(0.9, 0.2, 0.5),
    }
