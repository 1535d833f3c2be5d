"""``lightframe train``: a crystal network from scratch, digital or optical."""

from __future__ import annotations

from typing import Annotated

import typer

from experiments.commands.option_groups import with_option_groups
from experiments.commands.options import Out, Seed
from experiments.commands.training_options import TrainingOptions


@with_option_groups
def train(
    out: Out,
    training: TrainingOptions,
    test_fold: Annotated[int, typer.Option(min=0, max=4, help="Held-out fold.")] = 0,
    everything: Annotated[
        bool,
        typer.Option("--everything", help="Train on all crystals; none is left to test on."),
    ] = False,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=4096,
            help="Threads of each process; default: as many as torch takes here. Another number "
            "gives other last digits, and a killed run is resumed with the same one.",
        ),
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write TensorBoard event files as well.")
    ] = False,
    seed: Seed = 0,
) -> None:
    """Train a crystal network and write a checkpoint directory (resumes a killed run).

    The same seed and number of threads give the same bits; another number, other last digits.

    Several processes share each batch under ``torchrun --nproc-per-node 2 --no-python lightframe
    train ...``; the result is that of one process within rounding.
    """
    from experiments.console import console
    from experiments.distributed import is_first_process, launched_processes
    from experiments.training_job import train as run_training

    held_out = {"test_fold": None, "validation": "none"} if everything else {"test_fold": test_fold}
    config = training.config(processes=launched_processes(), threads=threads, seed=seed, **held_out)
    run_training(config, out, has_tensorboard=tensorboard)
    if is_first_process():
        console.print(f"checkpoint: {out}")
