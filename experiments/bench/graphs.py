"""The benchmark of graph building: crystals per second, against pymatgen in the same run."""

from __future__ import annotations

import os
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from experiments.bench.graph_routes import ROUTES, ProcessRates, shipped_crystals, spread
from experiments.bench.timing import Timing, time_in_turn
from experiments.console import console, print_table
from experiments.number_text import json_text
from experiments.record import RunRecord
from models.crystal import Crystal
from models.crystal.read import read_structure_file
from models.graph import GraphSettings
from models.graph_cache import load_graphs
from photonic.files import write_atomic, write_new

RESULT_FILE = "graphs.json"
EVERYTHING = "whole graph, all shipped crystals"
YARDSTICK = "pymatgen get_all_neighbors"
REQUIRED_PER_CORE = 500.0
"""Whole graphs per second and process, at least, with one process on every core."""
REQUIRED_RATIO = 10.0
"""Rate over that of the yardstick, at least."""
NUM_FILES = 300
"""CIFs that are read."""
REQUIRED_FILES = 300.0
"""CIFs per second and core, at least."""
BUSY = 0.5
"""Load average at the start from which others had a share in the times."""


@dataclass(frozen=True)
class GraphRate:
    """Rate of one way to edges or graphs."""

    work: str
    """Route, or what else was done."""
    processes: int
    """Processes that shared the crystals."""
    num_crystals: int
    """Crystals in each timed turn."""
    timing: Timing
    """Of all crystals."""
    ratio: float | None = None
    """Rate over that of pymatgen's ``get_all_neighbors`` with as many processes."""
    required_rate: float | None = None
    """Crystals per second that must be reached."""
    required_ratio: float | None = None
    """Ratio that must be reached."""

    @property
    def per_second(self) -> float:
        """Crystals per second, from the median turn."""
        return self.num_crystals / self.timing.median

    @property
    def is_reached(self) -> bool | None:
        """True if both requirements are satisfied; None if there is none."""
        pairs = ((self.per_second, self.required_rate), (self.ratio, self.required_ratio))
        asked = [(value, least) for value, least in pairs if least is not None]
        if not asked:
            return None
        return all(value is not None and value >= least for value, least in asked)


def measure_graphs(
    settings: GraphSettings, count: int, processes: int, turns: int, total: int | None = None
) -> Iterator[GraphRate]:
    """Rates of all routes, with one process, then with several; then of all shipped crystals.

    Args:
        settings: of the graphs.
        count: crystals of the comparison.
        processes: processes of the second part.
        turns: timed turns of each.
        total: crystals of the last part; None for all.
    """
    everything = spread(shipped_crystals(), total)
    crystals = spread(shipped_crystals(), count)
    functions = [route(crystals, settings) for route in ROUTES.values()]
    timings = time_in_turn(*functions, turns=turns)
    yield from _compared(dict(zip(ROUTES, timings, strict=True)), 1, len(crystals))

    compared = ROUTES if processes > 1 else {}
    samples: dict[str, tuple[str, int | None]] = {name: (name, count) for name in compared}
    samples[EVERYTHING] = ("whole graph", total)
    with ProcessRates(processes, samples, settings) as pool:
        rounds = [{name: pool.seconds(name) for name in samples} for _ in range(turns)]
    times = {name: Timing(tuple(r[name] for r in rounds)) for name in samples}
    required = REQUIRED_PER_CORE * processes
    last = GraphRate(
        EVERYTHING, processes, len(everything), times.pop(EVERYTHING), required_rate=required
    )
    if times:
        yield from _compared(times, processes, len(crystals))
    yield last
    yield _from_cache(everything, settings, turns)
    yield from _reading(spread(crystals, NUM_FILES), turns)


def _compared(timings: dict[str, Timing], processes: int, count: int) -> Iterator[GraphRate]:
    yardstick = timings[YARDSTICK].median
    for name, timing in timings.items():
        is_ours = not name.startswith("pymatgen")
        yield GraphRate(
            name,
            processes,
            count,
            timing,
            yardstick / timing.median,
            required_ratio=REQUIRED_RATIO if is_ours else None,
        )


def _from_cache(crystals: list[Crystal], settings: GraphSettings, turns: int) -> GraphRate:
    seconds = []
    with tempfile.TemporaryDirectory() as directory:
        load_graphs(crystals, settings, "bench", directory=Path(directory))
        for _ in range(turns):
            start = time.perf_counter()
            load_graphs(crystals, settings, "bench", directory=Path(directory))
            seconds.append(time.perf_counter() - start)
    work = "the same from the cache, hashes checked"
    return GraphRate(work, 1, len(crystals), Timing(tuple(seconds)))


def _reading(crystals: list[Crystal], turns: int) -> Iterator[GraphRate]:
    """Rates of reading CIFs with symmetry, checks included, and of pymatgen's reader."""
    from pymatgen.io.cif import CifParser, CifWriter

    with tempfile.TemporaryDirectory() as directory, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of spglib and pymatgen
        paths = []
        for number, crystal in enumerate(crystals):
            path = Path(directory) / f"{number}.cif"
            text = str(CifWriter(crystal.to_structure(), symprec=0.01))
            write_new(path, text.encode())
            paths.append(path)

        def ours() -> int:
            return sum(1 for path in paths for _ in read_structure_file(path))

        def pymatgens() -> int:
            return sum(len(CifParser(path).parse_structures(primitive=False)) for path in paths)

        timings = time_in_turn(ours, pymatgens, turns=turns)
    for work, timing in zip(("CIFs read and checked", "CIFs by pymatgen"), timings, strict=True):
        is_ours = timing is timings[0]
        yield GraphRate(
            work,
            1,
            len(crystals),
            timing,
            timings[1].median / timing.median,
            required_rate=REQUIRED_FILES if is_ours else None,
        )


def load_average() -> float | None:
    """Mean number of busy processes over the last minute; None where it is not known."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def print_graph_rates(rates: list[GraphRate], load: float | None) -> None:
    """Table of all rates, and a warning if the machine was busy."""
    rows = [
        (
            rate.work + (" (!)" if rate.timing.is_stalled else ""),
            str(rate.processes),
            f"{rate.num_crystals:,}",
            f"{rate.per_second:,.0f}",
            f"{1e3 * rate.processes / rate.per_second:.3f}",
            "-" if rate.ratio is None else f"{rate.ratio:.1f}",
            _required(rate),
        )
        for rate in rates
    ]
    header = (
        *("work", "processes", "crystals", "crystals/s", "core ms each"),
        *("over pymatgen", "required"),
    )
    print_table("Graphs of shipped crystals, no cache, medians", header, rows)
    if any(rate.timing.is_stalled for rate in rates):
        console.print("(!) a turn took over three times the median: the machine was busy")
    if load is not None and load > BUSY:
        console.print(f"load average {load:.1f} at the start: other work was running; run again")


def _required(rate: GraphRate) -> str:
    if rate.is_reached is None:
        return "-"
    least = (
        f"{rate.required_ratio:g} x"
        if rate.required_rate is None
        else f"{rate.required_rate:,.0f}/s"
    )
    return f">= {least}" + ("" if rate.is_reached else " MISSED")


def write_graph_rates(
    rates: list[GraphRate], load: float | None, record: RunRecord, directory: Path
) -> None:
    """Write ``graphs.json`` into an existing directory."""
    data = {
        "record": record.model_dump(mode="json"),
        "load_average": load,
        "rates": [
            asdict(rate) | {"per_second": rate.per_second, "is_reached": rate.is_reached}
            for rate in rates
        ],
    }
    write_atomic(directory / RESULT_FILE, (json_text(data) + "\n").encode())
