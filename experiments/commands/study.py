"""The form ``lightframe sweep STUDY.yaml``: many settings, on any number of workers."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer


@dataclass(frozen=True)
class StudyOptions:
    """How a study file is run."""

    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes on this machine; default: none but this one."),
    ] = None
    scheduler: Annotated[
        str | None, typer.Option(help="Running dask scheduler to use, tcp://host:port.")
    ] = None
    until: Annotated[
        float | None,
        typer.Option(
            help="Stop a point once the half-width of the 95 % interval of its mean error over "
            "chips is at most this share of the mean; default: as the file says."
        ),
    ] = None
    block: Annotated[
        int | None,
        typer.Option(min=1, help="Chips of one task; default: 4, or what --memory allows."),
    ] = None
    memory: Annotated[
        str | None,
        typer.Option(
            help="Memory that each process may take, e.g. 4GB: blocks become as large as it "
            "allows, up to 64 chips."
        ),
    ] = None
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted study in --out.")
    ] = False
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Print evaluations, estimated time and disk; write nothing."
        ),
    ] = False


def run_study(path: Path, out: Path, options: StudyOptions) -> None:
    """Run a study file, or say what it would take."""
    from experiments.console import console
    from experiments.study.description import load_study
    from experiments.study.memory import parse_memory
    from experiments.study.run import Study, Workers
    from experiments.study.tables import print_cost, print_study

    study = Study.load(load_study(path).with_until(options.until))
    if options.dry_run:
        existing = next(p for p in (out, *out.absolute().parents) if p.is_dir())
        print_cost(study.cost(), options.workers or 1, shutil.disk_usage(existing).free)
        return
    memory = None if options.memory is None else parse_memory(options.memory)
    workers = Workers(options.workers, options.scheduler, options.block, memory)
    print_study(study.run(out, workers, is_resumed=options.resume))
    console.print(f"results: {out}")
