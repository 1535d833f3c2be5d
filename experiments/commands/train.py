"""``lightframe train``: a crystal network from scratch, digital or optical."""

from __future__ import annotations

from typing import Annotated

import typer

from experiments.commands import training_options as options
from experiments.commands.options import DEFAULT_AUXILIARY, Mesh, Out, Seed


def train(
    out: Out,
    dataset: options.DatasetName = "dielectric",
    target: options.Target = "n",
    auxiliary: options.Auxiliary = DEFAULT_AUXILIARY,
    epochs: options.Epochs = 60,
    test_fold: Annotated[int, typer.Option(min=0, max=4, help="Held-out fold.")] = 0,
    has_validation: options.HasValidation = True,
    target_weight: options.TargetWeight = 1.0,
    schedule: options.ScheduleOption = options.ScheduleName.one_cycle,
    max_lr: options.MaxLr = 2e-3,
    weight_decay: options.WeightDecay = 1e-5,
    gradient_clip: options.GradientClip = 1.0,
    average_decay: options.AverageDecay = 0.999,
    dropout: options.Dropout = 0.0,
    batch_size: options.BatchSize = 64,
    network: options.Network = None,
    graph: options.Graph = None,
    device: options.DeviceOption = options.Device.auto,
    precision: options.PrecisionOption = options.Precision.float32,
    optical: options.Optical = False,
    mesh: Annotated[Mesh, typer.Option(help="Wiring with --optical.")] = Mesh.clements,
    mode: options.Mode = options.OpticalMode.usv,
    tile: options.Tile = 16,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write TensorBoard event files as well.")
    ] = False,
    seed: Seed = 0,
) -> None:
    """Train a crystal network and write a checkpoint directory (resumes a killed run).

    Several processes share each batch under ``torchrun --nproc-per-node 2 --no-python lightframe
    train ...``; the result is that of one process within rounding.
    """
    from experiments.console import console
    from experiments.distributed import is_first_process, launched_processes
    from experiments.training_job import train as run_training

    config = options.train_config(
        target=(dataset, target),
        auxiliary=auxiliary,
        epochs=epochs,
        test_fold=test_fold,
        validation="next_fold" if has_validation else "none",
        target_weight=target_weight,
        schedule=schedule.value,
        max_lr=max_lr,
        weight_decay=weight_decay,
        gradient_clip=gradient_clip,
        average_decay=average_decay,
        dropout=dropout,
        batch_size=batch_size,
        network=network,
        graph=graph,
        device=device,
        precision=precision,
        optical={"parameterisation": mode.value, "mesh": mesh.value, "tile": tile}
        if optical
        else None,
        processes=launched_processes(),
        seed=seed,
    )
    run_training(config, out, has_tensorboard=tensorboard)
    if is_first_process():
        console.print(f"checkpoint: {out}")
