"""Tables of studies in the terminal: one row per point."""

from __future__ import annotations

import numpy as np
import xarray as xr

from experiments.console import console, print_table
from experiments.study.compare import paired_difference
from experiments.study.estimate import StudyCost
from experiments.study.form_check import FormCheck, has_weight_errors, missing_notes
from experiments.study.pairs import PairOfPoints
from experiments.study.store import DEVIATION, MAE
from experiments.study.summary import axis_names, bootstrap_mean, evaluated

MOST_ROWS = 2000
"""Points in a table; a study may have a million."""


def print_study(results: xr.Dataset) -> None:
    """Chips, error and deviation of every point, with bootstrap intervals over chips."""
    names = axis_names(results)
    rows = []
    for point in _shown(results):
        errors, deviations = (evaluated(results[name], point) for name in (MAE, DEVIATION))
        means = (str(bootstrap_mean(values)) for values in (errors, deviations))
        rows.append((*point_cells(results, names, point), str(len(errors)), *means))
    header = (*axis_headers(names), "chips", "MAE (95 %)", "deviation rms (95 %)")
    unit = results["label"].attrs["units"]
    title = (
        f"{results.attrs['label_name']}: error against the labels and deviation from the digital "
        "predictions,\nmeans over chips with bootstrap intervals over chips"
        + ("" if unit == "1" else f", in {unit}")
    )
    print_table(title, header, rows)
    digital_mae = float(np.abs(results["digital"] - results["label"]).mean())
    split = results.attrs.get("split", "test")
    which = "" if split == "test" else f", which are {split} crystals of the checkpoint"
    console.print(
        f"digital MAE on these {results.sizes['crystal']} crystals{which}: {digital_mae:.4g}"
    )
    print_form_check(results)
    _print_state(results)


def print_form_check(results: xr.Dataset) -> None:
    """Weight error of every point beside its closed form, and where and why there is none."""
    points = _shown(results)
    if has_weight_errors(results):
        names, rows = axis_names(results), []
        for point in points:
            check = FormCheck.of(results, point)
            expected = "-" if np.isnan(check.expected) else f"{check.expected:.4g}"
            cells = point_cells(results, names, point)
            rows.append((*cells, str(check.sampled), expected, check.ratio_text()))
        header = (*axis_headers(names), "weights, rms (95 %)", "expected", "ratio of squares")
        title = (
            "relative error of all weights, root mean square over chips, beside its closed form;\n"
            "mean square over the expected one, with its standard error over chips"
        )
        print_table(title, header, rows)
    for note in missing_notes(results, range(results.sizes["point"])):
        console.print(note)


def print_comparison(first: xr.Dataset, second: xr.Dataset) -> None:
    """Error and deviation of two studies, and their paired differences, at every point."""
    names = axis_names(first)
    rows = []
    for point in _shown(first):
        cells = point_cells(first, names, point)
        for name in (MAE, DEVIATION):
            means = [evaluated(results[name], point).mean() for results in (first, second)]
            difference = paired_difference(first, second, name, point)
            cells += [*(f"{mean:.4g}" for mean in means), str(difference)]
        rows.append(cells)
    header = [*axis_headers(names), "MAE 1", "MAE 2", "2 - 1 (95 %)"]
    header += ["dev. rms 1", "dev. rms 2", "2 - 1 (95 %)"]
    unit = first["label"].attrs["units"]
    title = (
        f"{first.attrs['label_name']}: means over chips, and paired differences on the same chips "
        "with bootstrap intervals" + ("" if unit == "1" else f", in {unit}")
    )
    print_table(title, header, rows)
    for results in (first, second):
        _print_state(results)


def print_pairs(results: xr.Dataset, axis: str, reference: str, pairs: list[PairOfPoints]) -> None:
    """Every value of an axis against its reference value, on the same chips."""
    names = [name for name in axis_names(results) if name != axis] + [axis]
    rows = []
    for pair in pairs:
        cells = point_cells(results, names, pair.point)
        for name in (MAE, DEVIATION):
            found = pair.paired(results, name)
            counts = [str(found.num_chips)] if name == MAE else []
            means = [f"{mean:.4g}" for mean in (found.before, found.after)]
            cells += [*counts, *means, str(found.difference), f"{100 * found.improved:.3g} %"]
        rows.append(cells)
    of_quantity = [f"at {reference}", "here", "difference (95 %)", "better"]
    header = [*axis_headers(names), "chips", *(f"MAE {word}" for word in of_quantity)]
    header += [f"dev. {word}" for word in of_quantity]
    unit = results["label"].attrs["units"]
    title = (
        f"{results.attrs['label_name']}: {axis} against {reference}, paired differences on the "
        "same chips with\nbootstrap intervals over chips, and the share of chips that are better"
        + ("" if unit == "1" else f", in {unit}")
    )
    print_table(title, header, rows)
    _print_state(results)


def _shown(results: xr.Dataset) -> range:
    """The points that get a row."""
    return range(min(MOST_ROWS, results.sizes["point"]))


def _print_state(results: xr.Dataset) -> None:
    """What a reader must know of a study that is long, not finished or has no checksums."""
    more = results.sizes["point"] - MOST_ROWS
    if more > 0:
        console.print(f"{more:,} more points are not shown: results DIR --csv FILE writes all")
    if not results.attrs["is_complete"]:
        console.print("this study is not finished: go on with --resume")
    if not results.attrs["has_checksums"]:
        console.print(
            "this study was written by an earlier version, without checksums: damage of its files "
            "that leaves their lengths alone is not noticed"
        )


def axis_headers(names: list[str]) -> list[str]:
    """Names of the axes, which end with their units, in words that can be wrapped."""
    return [name.replace("_", " ") for name in names]


def point_cells(results: xr.Dataset, names: list[str], point: int) -> list[str]:
    """Value of every axis at a point."""
    values = (results[name].values[point] for name in names)
    return [value if isinstance(value, str) else _number(value) for value in values]


def _number(value: float) -> str:
    return "absent" if np.isnan(value) else f"{value:.4g}"


def print_cost(cost: StudyCost, num_workers: int, free_bytes: int) -> None:
    """What a study will take, on some workers of this kind."""
    console.print(
        f"{cost.num_points:,} points, {cost.num_evaluations:,} evaluations of "
        f"{cost.num_crystals:,} crystals; at most {_duration(cost.seconds / num_workers)} on "
        f"{num_workers} {'worker' if num_workers == 1 else 'workers'}, "
        f"{cost.num_bytes / 1e6:,.3g} MB before compression ({free_bytes / 1e9:,.0f} GB are free)"
    )


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"
