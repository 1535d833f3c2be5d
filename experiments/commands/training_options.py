"""Options that ``train`` and ``crossval`` share, and the configuration that they make."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer


class Device(StrEnum):
    """Where tensors live."""

    cpu = "cpu"
    cuda = "cuda"
    auto = "auto"


class Precision(StrEnum):
    """Of matrix products."""

    float32 = "float32"
    bfloat16 = "bfloat16"


class ScheduleName(StrEnum):
    """Course of the learning rate."""

    one_cycle = "one_cycle"
    cosine = "cosine"


class OpticalMode(StrEnum):
    """What is trained of an optical layer."""

    usv = "usv"
    phases = "phases"


DatasetName = Annotated[str, typer.Option("--dataset", help="Data set of the target.")]
Target = Annotated[str, typer.Option("--target", help="Label to train for.")]
Auxiliary = Annotated[
    str,
    typer.Option("--auxiliary", help="Further labels as dataset:label, by commas; empty for none."),
]
Epochs = Annotated[int, typer.Option("--epochs", min=1, help="Passes over the crystals.")]
HasValidation = Annotated[
    bool,
    typer.Option(
        "--validation/--no-validation",
        help="The next fold chooses the checkpoint, or is trained on as well.",
    ),
]
TargetWeight = Annotated[
    float, typer.Option("--target-weight", help="Weight of the target in the loss.")
]
ScheduleOption = Annotated[
    ScheduleName, typer.Option("--schedule", help="Course of the learning rate.")
]
MaxLr = Annotated[float, typer.Option("--max-lr", help="Peak of the learning rate.")]
WeightDecay = Annotated[
    float, typer.Option("--weight-decay", help="AdamW decay of digital matrices.")
]
GradientClip = Annotated[
    float, typer.Option("--gradient-clip", help="Largest norm of the gradient.")
]
AverageDecay = Annotated[
    float, typer.Option("--average-decay", help="Decay per step of the average of weights.")
]
Dropout = Annotated[float, typer.Option("--dropout", help="Share of pooled features dropped.")]
BatchSize = Annotated[
    int, typer.Option("--batch-size", min=2, help="Crystals per step, all processes together.")
]
Network = Annotated[
    list[str] | None,
    typer.Option("--network", help="Field of the network as name=value, e.g. width=96; repeat."),
]
Graph = Annotated[
    list[str] | None,
    typer.Option("--graph", help="Field of the graphs, e.g. num_neighbours=16; repeat."),
]
DeviceOption = Annotated[
    Device, typer.Option("--device", help="auto takes CUDA if there is a GPU.")
]
PrecisionOption = Annotated[
    Precision,
    typer.Option(
        "--precision",
        help="Of matrix products; bfloat16 is slower on most CPUs. The rest is float32.",
    ),
]
Optical = Annotated[
    bool, typer.Option("--optical", help="Train the settings of optical tiles from scratch.")
]
Mode = Annotated[OpticalMode, typer.Option("--mode", help="What is trained with --optical.")]
Tile = Annotated[
    int, typer.Option("--tile", min=1, max=1024, help="Modes per tile with --optical.")
]


def train_config(
    *,
    target: tuple[str, str],
    auxiliary: str,
    network: Sequence[str] | None,
    graph: Sequence[str] | None,
    dropout: float,
    device: Device,
    precision: Precision,
    optical: dict[str, Any] | None,
    processes: int,
    **fields: Any,
) -> Any:
    """The ``TrainConfig`` of the options.

    Args:
        target: data set and label.
        auxiliary: further labels, by commas.
        network: ``name=value`` of the network.
        graph: ``name=value`` of the graphs.
        dropout: share of pooled features.
        device: where to compute.
        precision: of products.
        optical: fields of the optical layers; None for digital ones.
        processes: that share each batch.
        fields: further fields of the configuration.

    Raises:
        ValueError: naming the option that is refused.
    """
    from pydantic import ValidationError

    from experiments.training_config import TrainConfig
    from experiments.training_data import LabelSpec
    from photonic.hardware import first_problem

    main_label = LabelSpec.parse(":".join(target))
    extra = tuple(LabelSpec.parse(text) for text in auxiliary.split(",") if text)
    try:
        return TrainConfig(
            target=main_label,
            auxiliary=tuple(spec for spec in extra if spec != main_label),
            network={"dropout": dropout, **assignments("--network", network)},
            graph=assignments("--graph", graph),
            machine={
                "device": chosen_device(device),
                "precision": precision.value,
                "processes": processes,
            },
            optical=optical,
            **fields,
        )
    except ValidationError as error:
        raise ValueError(first_problem(error)) from None


def assignments(option: str, texts: Sequence[str] | None) -> dict[str, str]:
    """Name to value of ``name=value`` texts.

    Raises:
        ValueError: if a text has another form.
    """
    values = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise ValueError(f"{option} takes name=value, got {text!r}")
        values[name] = value
    return values


def chosen_device(device: Device) -> str:
    """The device of an option.

    Raises:
        ValueError: if CUDA is asked for and there is none.
    """
    import torch

    has_cuda = torch.cuda.is_available()
    if device is Device.cuda and not has_cuda:
        raise ValueError("--device cuda: torch sees no GPU; use --device cpu or auto")
    return "cuda" if has_cuda and device is not Device.cpu else "cpu"


def whole_numbers(option: str, text: str) -> tuple[int, ...]:
    """The numbers of ``"0,1,2"``.

    Raises:
        ValueError: if there is anything else.
    """
    parts = text.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise ValueError(f"{option} takes whole numbers by commas, got {text!r}")
    return tuple(map(int, parts))
