"""``lightframe crossval``: train and evaluate on every fold, beside the median and the trees."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from experiments.commands import training_options as options
from experiments.commands.options import DEFAULT_AUXILIARY, Mesh, Out


def crossval(
    out: Out,
    folds: Annotated[str, typer.Option(help="Held-out folds, by commas.")] = "0,1,2,3,4",
    seeds: Annotated[str, typer.Option(help="Seeds of the trainings, by commas.")] = "0",
    workers: Annotated[int, typer.Option(min=1, help="Trainings at a time, one thread each.")] = 1,
    wbm: Annotated[
        Path | None,
        typer.Option(help="File of out-of-distribution crystals, wbm_test_972.json.gz."),
    ] = None,
    dataset: options.DatasetName = "dielectric",
    target: options.Target = "n",
    auxiliary: options.Auxiliary = DEFAULT_AUXILIARY,
    epochs: options.Epochs = 60,
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
) -> None:
    """Train and evaluate on every fold; finished folds of a killed run are not repeated."""
    from experiments.console import console
    from experiments.crossval import crossval as run_crossval
    from experiments.crossval import crossval_config

    training = options.train_config(
        target=(dataset, target),
        auxiliary=auxiliary,
        epochs=epochs,
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
        processes=1,
    )
    config = crossval_config(
        training,
        options.whole_numbers("--folds", folds),
        options.whole_numbers("--seeds", seeds),
        wbm,
    )
    run_crossval(config, out, workers=workers, wbm=wbm)
    console.print(f"results and table: {out}")
