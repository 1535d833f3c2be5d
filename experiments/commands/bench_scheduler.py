"""``lightframe bench scheduler``: how many tasks the head of a study can take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def bench_scheduler(
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Directory to create; default: runs/bench-scheduler, -2, ..."),
    ] = None,
    tasks: Annotated[int, typer.Option(min=1, help="Empty tasks.")] = 10_000,
    workers: Annotated[int, typer.Option(min=1, help="Pretended workers, in one process.")] = 100,
    threads: Annotated[int, typer.Option(min=1, help="Threads that each of them claims.")] = 1,
    block: Annotated[int, typer.Option(min=1, help="Chips of a task.")] = 1,
    crystals: Annotated[int, typer.Option(min=1, help="Crystals of each chip.")] = 1,
    keep: Annotated[
        bool, typer.Option("--store", help="Write results into the store of a study, then drop it.")
    ] = False,
    chunks: Annotated[
        int, typer.Option(min=0, help="Fill, open and resume a store of so many tasks as well.")
    ] = 0,
    log_length: Annotated[
        int, typer.Option(min=1, help="Messages that dask remembers of each connection.")
    ] = 1000,
) -> None:
    """Run the engine of studies on empty tasks, through a scheduler with many pretended workers.

    Figures are printed after 100, 200, 500, 1,000, ... tasks and at the end.
    """
    import tempfile

    from experiments.bench.scheduler import (
        measure_scheduler,
        pretended_store,
        print_head_loads,
        print_store_cost,
        write_scheduler,
    )
    from experiments.bench.study_store import measure_store
    from experiments.console import console
    from experiments.jobs import command_line
    from experiments.output import free_directory
    from experiments.record import RunRecord
    from photonic.files import new_folder

    config = {
        **{"tasks": tasks, "workers": workers, "threads": threads, "block": block},
        **{"crystals": crystals, "store": keep, "chunks": chunks, "log_length": log_length},
    }
    record = RunRecord.capture(command_line(), config, 0, {})
    out = free_directory("bench-scheduler") if out is None else out
    with new_folder(out) as folder, tempfile.TemporaryDirectory(dir=folder) as scratch:
        kept, filled = Path(scratch, "kept"), Path(scratch, "filled")
        kept.mkdir()
        loads = measure_scheduler(
            *(tasks, workers, threads, block, crystals),
            kept if keep else None,
            on_mark=lambda load: console.print(
                f"{load.tasks:,} tasks in {load.seconds:,.0f} s; scheduler {load.scheduler_s:,.1f} "
                f"s, {load.scheduler_peak / 1e6:,.0f} MB; driver {load.driver_s:,.1f} s, "
                f"{load.driver_peak / 1e6:,.0f} MB"
            ),
            log_length=log_length,
        )
        cost = None
        if chunks:
            filled.mkdir()
            store = pretended_store(filled, chunks, block, crystals)
            cost = measure_store(store, crystals, chunks)
        print_head_loads(loads)
        if cost is not None:
            print_store_cost(cost)
        write_scheduler(loads, cost, record, folder)
    console.print(f"figures: {out}")
