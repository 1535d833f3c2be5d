"""What decides a training run: data, budget, schedule, network, machine."""

from __future__ import annotations

from typing import Literal, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator

from experiments.training_data import LabelSpec
from models.graph import GraphSettings
from models.network import NetworkConfig

Schedule = Literal["one_cycle", "cosine"]
MAX_LEARNING_RATE = 1.0
"""Adam moves every weight by about the learning rate per step; beyond this nothing is learned."""


class MachineConfig(BaseModel):
    """Where and how a run computes; it moves results by rounding only."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: Literal["cpu", "cuda"] = "cpu"
    """Device of the tensors."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the matrix products. Weights, sums over neighbours, batch norm, lengths, directions and
    frames stay in float32 in either case. bfloat16 pays where the processor has units for it; on a
    CPU without them a step takes 3.9 times as long. It is refused for optical layers."""
    processes: int = Field(default=1, ge=1)
    """Processes that share each batch; a run is continued with as many as it began with."""
    threads: int | None = Field(default=None, ge=1, le=4096)
    """Threads of each process. Their number decides in which order sums are rounded, so it moves
    the last digits of every weight, and a run is continued with as many as it began with. None
    stands for as many as torch takes when the run begins; the record holds the number."""

    def resolved(self) -> MachineConfig:
        """The same with the number of threads that torch takes now, if none was chosen."""
        return self.model_copy(update={"threads": self.threads or torch.get_num_threads()})


class OpticalConfig(BaseModel):
    """Dense layers that are trained as the settings of optical tiles."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    parameterisation: Literal["usv", "phases"] = "usv"
    """What is trained: orthogonal factors and singular values, or the phases themselves."""
    mesh: Literal["clements", "reck"] = "clements"
    """Wiring of the meshes."""
    tile: int = Field(default=16, ge=1, le=1024)
    """Modes of a tile."""


class TrainConfig(BaseModel):
    """Everything that decides a training run; stored in the checkpoint."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: LabelSpec
    """The label that the checkpoint is chosen for."""
    auxiliary: tuple[LabelSpec, ...] = ()
    """Further labels, trained as extra heads."""
    target_weight: float = Field(default=1.0, gt=0)
    """Weight of the target's errors in the loss; auxiliary labels have weight 1."""
    test_fold: int | None = Field(default=0, ge=0, le=4)
    """Held-out fold; None trains on everything."""
    validation: Literal["next_fold", "none"] = "next_fold"
    """The fold after the held-out one chooses the checkpoint; or it is trained on as well (80 % of
    all crystals), and the weights of the last epoch are kept."""
    seed: int = Field(default=0, ge=0)
    """Seed of initial weights, order of batches, dropout and choice of bases."""
    epochs: int = Field(default=60, ge=1)
    """Passes over the training crystals."""
    batch_size: int = Field(default=64, ge=2)
    """Crystals per step, of all processes together; the last incomplete batch is dropped."""
    schedule: Schedule = "one_cycle"
    """Course of the learning rate: one cycle with its peak at 30 %, or a cosine after 5 % of
    warm-up."""
    max_lr: float = Field(default=2e-3, gt=0, le=MAX_LEARNING_RATE)
    """Peak of the learning rate."""
    weight_decay: float = Field(default=1e-5, ge=0)
    """AdamW decay of matrices; biases, batch norm and settings of optical tiles have none."""
    gradient_clip: float = Field(default=1.0, gt=0)
    """Largest norm of the gradient."""
    average_decay: float = Field(default=0.999, ge=0, lt=1)
    """Decay per step of the exponential average of weights, which is what gets stored."""
    graph: GraphSettings = GraphSettings()
    network: NetworkConfig = NetworkConfig()
    machine: MachineConfig = MachineConfig()
    optical: OpticalConfig | None = None
    """Dense layers on light from the first step on; None for digital ones."""

    @model_validator(mode="after")
    def _labels_differ(self) -> Self:
        names = [spec.label for spec in self.label_specs]
        if len(set(names)) < len(names):
            raise ValueError(f"labels must have different names, got {', '.join(names)}")
        return self

    @model_validator(mode="after")
    def _everything_is_everything(self) -> Self:
        if self.test_fold is None and self.validation != "none":
            raise ValueError("training on everything leaves no fold to validate on")
        return self

    @model_validator(mode="after")
    def _machine_can(self) -> Self:
        if self.optical is not None and self.machine.precision != "float32":
            raise ValueError("optical layers compute in float32; choose --precision float32")
        if self.machine.processes > self.batch_size:
            raise ValueError(
                f"{self.machine.processes} processes cannot share batches of {self.batch_size}"
            )
        return self

    @property
    def label_specs(self) -> tuple[LabelSpec, ...]:
        """Target first, then the auxiliary labels."""
        return (self.target, *self.auxiliary)
