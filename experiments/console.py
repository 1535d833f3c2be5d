"""What the command line shows: progress bars and tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from experiments.number_text import cell_text
from models.printable import printable

if TYPE_CHECKING:
    import xarray as xr

    from experiments.accuracy import Accuracy
    from experiments.mapped import MappedModel
    from experiments.sensitivity import LayerSensitivity
    from photonic.calibration.recipe import Effort, Method
    from photonic.drive_laws.branch import Shortfall


class _Console(Console):
    """A console on which names and ids of others cannot move the cursor or change colours."""

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*(_lines(o) if isinstance(o, str) else o for o in objects), **options)


def _lines(text: str) -> str:
    """A text whose lines are printable."""
    return "\n".join(map(printable, text.split("\n")))


console = _Console(markup=False, emoji=False)
"""Prints text as it is: units, names and paths in brackets or colons are no styles."""
SOURCES = ("phase", "voltage", "code")


@contextmanager
def progress(title: str, total: int | None = None) -> Iterator[Callable[..., None]]:
    """A progress bar; the yielded function moves it on by one and may set the total."""
    with _bar(title, total) as (bar, task):

        def advance(new_total: int | None = None) -> None:
            if new_total is not None:
                bar.update(task, total=new_total)
            bar.advance(task)

        yield advance


@contextmanager
def progress_of_steps(title: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar; the yielded function is told the steps that are done and their number."""
    with _bar(title, None) as (bar, task):
        yield lambda done, total: bar.update(task, completed=done, total=total)
        total = bar.tasks[task].total or 1
        bar.update(task, completed=total, total=total)


@contextmanager
def _bar(title: str, total: int | None) -> Iterator[tuple[Progress, TaskID]]:
    columns = (
        TextColumn("{task.description:<28}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=console) as bar:
        yield bar, bar.add_task(title, total=total)


def print_table(
    title: str, header: Sequence[str], rows: Iterable[Sequence[str]], name_width: int | None = None
) -> None:
    """A table with the first column to the left and numbers to the right.

    Args:
        title: above it.
        header: of the columns.
        rows: cells.
        name_width: characters that the first column keeps on a narrow screen, whatever becomes of
            the others; names are folded in it.
    """
    table = Table(box=None, padding=(0, 1, 0, 0))
    for index, name in enumerate(header):
        if index == 0:
            table.add_column(name, overflow="fold", min_width=name_width)
        else:
            table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*(printable(cell_text(cell)) for cell in row))
    console.print(title, style="italic")
    console.print(table)


def print_shortfall(short: Shortfall | None) -> None:
    """Which phases a clipped drive replaces; nothing if it reaches them all."""
    if short is not None:
        text = f"{short}; they take the nearest phases. First: {short.first}"
        console.print(text, soft_wrap=True)


def print_accuracy(table: Sequence[Accuracy]) -> None:
    """Errors of the network beside median and trees."""
    rows = [
        (
            row.label,
            row.unit,
            str(row.num_test),
            f"{row.split_baseline.median_mae:.4g}",
            f"{row.split_baseline.trees_mae:.4g}",
            f"{row.rest_baseline.trees_mae:.4g}",
            f"{row.network_mae:.4g}",
        )
        for row in table
    ]
    header = ("label", "unit", "crystals", "median", "trees", "trees + validation", "network")
    print_table("Mean absolute error on the held-out fold", header, rows)


def print_results(results: xr.Dataset) -> None:
    """Mean over chips and 5-95 % band of each statistic, one row per setting."""
    from experiments.results import PER_CHIP

    axis = results[results.attrs["axis"]]
    rows = []
    for q, value in enumerate(axis.values):
        cells = [value if isinstance(value, str) else f"{value:g}"]
        for name in PER_CHIP:
            mean, low, high = (
                _short(float(results[f"{name}_{part}"][q])) for part in ("mean", "q05", "q95")
            )
            cells += [mean, f"{low}-{high}"]
        rows.append(cells)
    unit = axis.attrs["units"]
    header = (
        str(axis.name).replace("_", " ") + ("" if unit == "1" else f" [{unit}]"),
        *("MAE", "5-95 %", "dev. rms", "5-95 %", "dev. q95", "5-95 %"),
    )
    num_chips = results.sizes["chip"]
    label_unit = results["label"].attrs["units"]
    title = (
        f"{results.attrs['title']}, {num_chips} chips: error against the labels (MAE) and\n"
        "deviation from the digital predictions (rms, 95 % quantile over crystals)"
        + ("" if label_unit == "1" else f", in {label_unit}")
    )
    print_table(title, header, rows)


def _short(value: float) -> str:
    """Three digits after the point, or the power of ten of what is smaller."""
    return f"{value:.3f}" if value == 0 or abs(value) >= 5e-4 else f"{value:.0e}"


def print_verification(errors: dict[str, dict[str, float | None]]) -> None:
    """Relative errors of the weights rebuilt from phases, volts and codes, one row per layer."""
    rows = [
        (layer, *("-" if row[source] is None else f"{row[source]:.1e}" for source in SOURCES))
        for layer, row in errors.items()
    ]
    header = ("layer", "from phases", "from volts", "from DAC codes")
    print_table("Relative error of rebuilt weights", header, rows)


def print_sensitivity(layers: Sequence[LayerSensitivity]) -> None:
    """Growth of the error of each layer's weights with phase noise, the most sensitive first."""
    rows = [
        (
            layer.name,
            f"{layer.slope:.3f}",
            f"{layer.largest_mzi:.4f}",
            f"{layer.relative_error:.3g}",
        )
        for layer in layers
    ]
    header = ("layer", "slope [1/rad]", "largest MZI [1/rad]", "error")
    title = "Relative error of weights: slope against the noise of all phases, and value"
    print_table(title, header, rows)


def print_largest_errors(errors: dict[str, dict[str, float | None]]) -> None:
    """The worst layer of ``print_verification`` for each source, in one line."""
    parts = []
    for source in SOURCES:
        values = [row[source] for row in errors.values() if row[source] is not None]
        parts.append(f"{source} {max(values):.1e}" if values else f"{source} -")
    console.print(
        f"weights of {len(errors)} layers rebuilt from the files, largest relative error: "
        + ", ".join(parts)
    )


def print_effort(efforts: Sequence[Mapping[Method, Effort]]) -> None:
    """Chip calls of each remedy, mean over chips; nothing if no remedy read a chip."""
    methods = dict.fromkeys(method for effort in efforts for method in effort)
    rows = []
    for method in methods:
        settings, reads = (
            sum(getattr(effort[method], name) for effort in efforts) / len(efforts)
            for name in ("num_settings", "num_reads")
        )
        rows.append((method, f"{settings:,.0f}", f"{reads:,.0f}"))
    if rows:
        header = ("remedy", "phases set", "vectors read")
        print_table("Chip calls of one calibration, tiles of a bench in parallel", header, rows)


def print_programs(mapped: MappedModel) -> None:
    """Tiles, padding and shifters of every layer."""
    rows = []
    for name, program in mapped.programs.items():
        tile_out, tile_in = program.tile_shape
        padded_out, padded_in = program.padding
        rows.append(
            (
                name,
                f"{program.out_features} x {program.in_features}",
                f"{program.num_tiles} of {tile_out} x {tile_in}",
                f"+{padded_out} x +{padded_in}" if padded_out or padded_in else "-",
                f"{program.num_phase_shifters:,}",
            )
        )
    header = ("layer", "weights", "tiles", "padding", "phase shifters")
    print_table(f"{mapped.settings.mesh} meshes for {mapped.hardware.name}", header, rows)
    print_program_totals(mapped)


def print_program_totals(mapped: MappedModel) -> None:
    """Number of layers, weights, tiles, shifters and the share of padding, in one line."""
    programs = mapped.programs.values()
    weights = sum(program.out_features * program.in_features for program in programs)
    capacity = sum(program.num_tiles * math.prod(program.tile_shape) for program in programs)
    console.print(
        f"{len(programs)} dense layers, {weights:,} weights on "
        f"{sum(program.num_tiles for program in programs):,} {mapped.settings.mesh} tiles "
        f"({1 - weights / capacity:.1%} padding), "
        f"{sum(program.num_phase_shifters for program in programs):,} phase shifters"
    )
