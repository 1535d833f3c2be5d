"""Options of all commands that train from scratch, and the configuration that they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.commands.options import DEFAULT_AUXILIARY, Mesh

if TYPE_CHECKING:
    from experiments.training_config import TrainConfig


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


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """Options of every command that trains from scratch; fields as in ``TrainConfig``."""

    dataset: Annotated[str, typer.Option("--dataset", help="Data set of the target.")] = (
        "dielectric"
    )
    target: Annotated[str, typer.Option("--target", help="Label to train for.")] = "n"
    auxiliary: Annotated[
        str,
        typer.Option(
            "--auxiliary", help="Further labels as dataset:label, by commas; empty for none."
        ),
    ] = DEFAULT_AUXILIARY
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="Passes over the crystals.")] = 60
    has_validation: Annotated[
        bool,
        typer.Option(
            "--validation/--no-validation",
            help="The next fold chooses the checkpoint, or is trained on as well.",
        ),
    ] = True
    target_weight: Annotated[
        float, typer.Option("--target-weight", help="Weight of the target in the loss.")
    ] = 1.0
    schedule: Annotated[
        ScheduleName, typer.Option("--schedule", help="Course of the learning rate.")
    ] = ScheduleName.one_cycle
    max_lr: Annotated[float, typer.Option("--max-lr", help="Peak of the learning rate.")] = 2e-3
    weight_decay: Annotated[
        float, typer.Option("--weight-decay", help="AdamW decay of digital matrices.")
    ] = 1e-5
    gradient_clip: Annotated[
        float, typer.Option("--gradient-clip", help="Largest norm of the gradient.")
    ] = 1.0
    average_decay: Annotated[
        float, typer.Option("--average-decay", help="Decay per step of the average of weights.")
    ] = 0.999
    dropout: Annotated[
        float, typer.Option("--dropout", help="Share of pooled features dropped.")
    ] = 0.0
    batch_size: Annotated[
        int, typer.Option("--batch-size", min=2, help="Crystals per step, all processes together.")
    ] = 64
    network: Annotated[
        list[str] | None,
        typer.Option(
            "--network", help="Field of the network as name=value, e.g. width=96; repeat."
        ),
    ] = None
    graph: Annotated[
        list[str] | None,
        typer.Option("--graph", help="Field of the graphs, e.g. num_neighbours=16; repeat."),
    ] = None
    device: Annotated[
        Device, typer.Option("--device", help="auto takes CUDA if there is a GPU.")
    ] = Device.auto
    precision: Annotated[
        Precision,
        typer.Option(
            "--precision",
            help="Of matrix products; bfloat16 is slower on most CPUs. The rest is float32.",
        ),
    ] = Precision.float32
    optical: Annotated[
        bool, typer.Option("--optical", help="Train the settings of optical tiles from scratch.")
    ] = False
    mesh: Annotated[Mesh, typer.Option("--mesh", help="Wiring with --optical.")] = Mesh.clements
    mode: Annotated[OpticalMode, typer.Option("--mode", help="What is trained with --optical.")] = (
        OpticalMode.usv
    )
    tile: Annotated[
        int, typer.Option("--tile", min=1, max=1024, help="Modes per tile with --optical.")
    ] = 16

    def config(
        self, *, processes: int = 1, threads: int | None = None, **others: Any
    ) -> TrainConfig:
        """The configuration of the options.

        Args:
            processes: that share each batch.
            threads: of each process; None takes as many as torch does.
            others: fields of the configuration that the command sets: ``test_fold``, ``seed``.

        Raises:
            ValueError: naming the option that is refused.
        """
        from pydantic import ValidationError

        from experiments.training_config import TrainConfig
        from experiments.training_data import LabelSpec
        from photonic.hardware import first_problem

        target = LabelSpec.parse(f"{self.dataset}:{self.target}")
        auxiliary = [LabelSpec.parse(text) for text in self.auxiliary.split(",") if text]
        optics = {"parameterisation": self.mode.value, "mesh": self.mesh.value, "tile": self.tile}
        try:
            return TrainConfig.model_validate(
                {
                    "target": target,
                    "auxiliary": tuple(spec for spec in auxiliary if spec != target),
                    "epochs": self.epochs,
                    "validation": "next_fold" if self.has_validation else "none",
                    "target_weight": self.target_weight,
                    "schedule": self.schedule.value,
                    "max_lr": self.max_lr,
                    "weight_decay": self.weight_decay,
                    "gradient_clip": self.gradient_clip,
                    "average_decay": self.average_decay,
                    "batch_size": self.batch_size,
                    "network": {"dropout": self.dropout, **assignments("--network", self.network)},
                    "graph": assignments("--graph", self.graph),
                    "machine": {
                        "device": chosen_device(self.device),
                        "precision": self.precision.value,
                        "processes": processes,
                        "threads": threads,
                    },
                    "optical": optics if self.optical else None,
                    **others,
                }
            )
        except ValidationError as error:
            raise ValueError(first_problem(error)) from None


def assignments(option: str, texts: Sequence[str] | None) -> dict[str, str | float | bool]:
    """Name to value of ``name=value`` texts: a number, true or false, or a word.

    Raises:
        ValueError: if a text has another form.
    """
    values = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise ValueError(f"{option} takes name=value, got {text!r}")
        values[name] = _value(value)
    return values


def _value(text: str) -> str | float | bool:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


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
