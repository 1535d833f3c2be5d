"""``lightframe bench graphs``: how fast crystals become graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def bench_graphs(
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Directory to create; default: runs/bench-graphs, -2, ..."),
    ] = None,
    crystals: Annotated[
        int, typer.Option(min=1, help="Shipped crystals that are compared with pymatgen.")
    ] = 1000,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Processes; default: one per core.")
    ] = None,
    turns: Annotated[int, typer.Option(min=1, help="Timed turns of each route.")] = 3,
) -> None:
    """Time graph building with one process and one per core, against pymatgen in the same run."""
    from experiments.bench.graphs import (
        load_average,
        measure_graphs,
        print_graph_rates,
        write_graph_rates,
    )
    from experiments.console import console
    from experiments.jobs import command_line
    from experiments.output import free_directory
    from experiments.record import RunRecord
    from models.datasets import dataset_names, load_dataset
    from models.graph import GraphSettings
    from models.graph_builder import available_cores
    from photonic.files import new_folder

    settings = GraphSettings()
    count = available_cores() if processes is None else processes
    config = {
        "graph": settings.model_dump(mode="json"),
        "crystals": crystals,
        "processes": count,
        "turns": turns,
    }
    hashes = {name: load_dataset(name).sha256 for name in dataset_names()}
    record = RunRecord.capture(command_line(), config, 0, hashes)
    out = free_directory("bench-graphs") if out is None else out
    with new_folder(out) as folder:
        load = load_average()
        with console.status("Graphs"):
            rates = list(measure_graphs(settings, crystals, count, turns))
        print_graph_rates(rates, load)
        write_graph_rates(rates, load, record, folder)
    console.print(f"rates: {out}")
