"""Report of the core benchmark: a table, a JSON file and a figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from experiments.bench.core import FLOPS_PER_MZI, Measurement
from experiments.console import console, print_table
from experiments.figures import save_figure
from experiments.number_text import json_text
from experiments.record import RunRecord
from photonic.files import write_atomic

RESULT_FILE = "core.json"
FIGURE_FILE = "core.png"


def print_measurements(measurements: Sequence[Measurement]) -> None:
    """Table of all figures, and a warning for each that the machine disturbed."""
    rows = [
        (
            m.work + (" (!)" if m.is_stalled else "") + (f"\n  {m.note}" if m.note else ""),
            str(m.threads),
            "-" if m.value is None else f"{m.value:.3g} {m.unit}",
            _required(m),
        )
        for m in measurements
    ]
    header = ("work, and how it was counted", "threads", "figure", "required")
    title = (
        f"Medians; {FLOPS_PER_MZI} operations counted per interferometer and matrix column, "
        "trigonometry included"
    )
    print_table(title, header, rows)
    if any(m.is_stalled for m in measurements):
        console.print(
            "(!) a turn took over three times the median: the machine was busy or threads stalled; "
            "run again"
        )


def _required(m: Measurement) -> str:
    if m.required is None:
        return "-"
    verdict = {True: "", False: " MISSED", None: " not measured"}[m.is_reached]
    return f"{'<=' if m.is_upper else '>='} {m.required:g}{verdict}"


def write_measurements(
    measurements: Sequence[Measurement], record: RunRecord, directory: Path
) -> None:
    """Write ``core.json`` and ``core.png`` into an existing directory."""
    data = {
        "record": record.model_dump(mode="json"),
        "flops_per_mzi_and_column": FLOPS_PER_MZI,
        "measurements": [asdict(m) | {"is_reached": m.is_reached} for m in measurements],
    }
    write_atomic(directory / RESULT_FILE, (json_text(data) + "\n").encode())
    _draw(measurements, directory / FIGURE_FILE)


def _draw(measurements: Sequence[Measurement], path: Path) -> None:
    """Share of sgemm by work, one bar per number of threads, required shares as lines."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rates = [m for m in measurements if m.unit == "of sgemm"]
    works = list(dict.fromkeys(m.work for m in rates))
    threads = sorted({m.threads for m in rates})
    figure = Figure(figsize=(8.0, 0.45 * len(works) + 1.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    height = 0.8 / max(1, len(threads))
    for t, count in enumerate(threads):
        bars = [m for m in rates if m.threads == count]
        y = [works.index(m.work) + (t - (len(threads) - 1) / 2) * height for m in bars]
        label = f"{count} thread" + ("s" if count > 1 else "")
        axes.barh(y, [m.value for m in bars], height, label=label, color=f"C{t}")
        for position, m in zip(y, bars, strict=True):
            if m.required is not None:
                axes.plot([m.required] * 2, [position - height, position + height], color="black")
    axes.set_yticks(range(len(works)), works, fontsize="small")
    axes.invert_yaxis()
    axes.set_xlabel("Rate over sgemm of the same run (black: required)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize="small")
    save_figure(figure, [path])
