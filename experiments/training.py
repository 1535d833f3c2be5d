"""Training of a crystal network: masked multi-label L1, one-cycle AdamW, averaged weights.

Chosen on the validation fold, resumable after every epoch, reproducible from the seed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

from experiments.training_data import LabelSpec, TrainingData
from experiments.training_state import TrainingState
from models.batch import GraphBatch, collate
from models.datasets import FOLD_RULE_VERSION, NUM_FOLDS
from models.elements import element_table
from models.graph import GraphSettings
from models.model import CrystalModel
from models.network import NetworkConfig, SPFrameNetwork
from photonic.randomness import keyed_generator

Outputs = Callable[[CrystalModel, Sequence[GraphBatch]], Tensor]
"""(B, L) standardised outputs of a model for B crystals."""


class TrainConfig(BaseModel):
    """Everything that decides a training run; stored in the checkpoint."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: LabelSpec
    """The label that the checkpoint is chosen for."""
    auxiliary: tuple[LabelSpec, ...] = ()
    """Further labels, trained as extra heads."""
    target_weight: float = Field(default=1.0, gt=0)
    """Weight of the target's errors in the loss; auxiliary labels have weight 1."""
    test_fold: int = Field(default=0, ge=0, le=4)
    """Held-out fold."""
    validation: Literal["next_fold", "none"] = "next_fold"
    """The fold after the held-out one chooses the checkpoint; or it is trained on as well (80 % of
    all crystals), and the weights of the last epoch are kept."""
    seed: int = Field(default=0, ge=0)
    """Seed of initial weights, order of batches and choice of bases."""
    epochs: int = Field(default=60, ge=1)
    """Passes over the training crystals."""
    batch_size: int = Field(default=64, ge=2)
    """Crystals per step; the last incomplete batch of an epoch is dropped."""
    max_lr: float = Field(default=2e-3, gt=0)
    """Peak of the one-cycle learning rate."""
    weight_decay: float = Field(default=1e-5, ge=0)
    """AdamW decay of matrices; biases and batch norm have none."""
    gradient_clip: float = Field(default=1.0, gt=0)
    """Largest norm of the gradient."""
    average_decay: float = Field(default=0.999, ge=0, lt=1)
    """Decay per step of the exponential average of weights, which is what gets stored."""
    graph: GraphSettings = GraphSettings()
    network: NetworkConfig = NetworkConfig()

    @model_validator(mode="after")
    def _labels_differ(self) -> Self:
        names = [spec.label for spec in self.label_specs]
        if len(set(names)) < len(names):
            raise ValueError(f"labels must have different names, got {', '.join(names)}")
        return self

    @property
    def label_specs(self) -> tuple[LabelSpec, ...]:
        """Target first, then the auxiliary labels."""
        return (self.target, *self.auxiliary)


@dataclass
class TrainingRun:
    """A training in progress.

    Attributes:
        config: the complete configuration.
        data: graphs and standardised labels.
        state: weights, averages, optimiser moments and history; what a resumed run starts from.
    """

    config: TrainConfig
    data: TrainingData
    state: TrainingState = field(init=False)

    def __post_init__(self) -> None:
        network = self._initial_network()
        self.state = TrainingState(network, self._optimiser(network))

    def _initial_network(self) -> SPFrameNetwork:
        table = element_table()
        features = torch.tensor(table.values, dtype=torch.float32)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.config.seed)
            return SPFrameNetwork(self.config.network, features, len(self.data.labels))

    def _optimiser(self, network: SPFrameNetwork) -> torch.optim.AdamW:
        matrices = [p for p in network.parameters() if p.ndim > 1]
        others = [p for p in network.parameters() if p.ndim <= 1]
        groups = [
            {"params": matrices, "weight_decay": self.config.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=self.config.max_lr, fused=True)

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps in one epoch."""
        return max(1, len(self.data.train) // self.config.batch_size)

    def restore(self, directory: Path) -> int:
        """Continue from the state in ``directory``, if any; the number of finished epochs."""
        self.state.restore(directory)
        return self.state.epoch

    def fit(self, directory: Path, on_epoch: Callable[[dict[str, float]], None]) -> CrystalModel:
        """The model with the best validation error after all epochs.

        Args:
            directory: where the state is kept after every epoch.
            on_epoch: called with the newest row of the history.

        Raises:
            FloatingPointError: if the loss is not finite.
        """
        while self.state.epoch < self.config.epochs:
            start = time.perf_counter()
            loss = self._epoch(self.state.epoch)
            row = {
                "epoch": self.state.epoch,
                "train_loss": loss,
                **self.validation_errors(),
                "seconds": time.perf_counter() - start,
            }
            self.state.finish_epoch(row)
            self.state.store(directory)
            on_epoch(row)
        return self.model(self.state.best)

    def _epoch(self, epoch: int) -> float:
        self.state.network.train()
        total = 0.0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(
                int(keyed_generator(self.config.seed, "dropout", epoch).integers(2**62))
            )
            for step, (batch, targets) in enumerate(self._batches(epoch)):
                total += self.step(epoch * self.steps_per_epoch + step, batch, targets)
        return total / self.steps_per_epoch

    def step(self, number: int, batch: GraphBatch, targets: Tensor) -> float:
        """The loss on a batch, after which the weights have moved.

        Args:
            number: of the step, counted from the start of the run.
            batch: B crystals.
            targets: (B, L) standardised labels; NaN where a crystal does not carry one.

        Raises:
            FloatingPointError: if the loss is not finite.
        """
        self._set_learning_rate(number)
        loss = self.batch_loss(number, batch, targets)
        if not torch.isfinite(loss):
            epoch = number // self.steps_per_epoch
            raise FloatingPointError(f"the loss is not finite in epoch {epoch}; lower max_lr")
        self.state.optimiser.zero_grad()
        loss.backward()
        parameters = self.state.network.parameters()
        torch.nn.utils.clip_grad_norm_(parameters, self.config.gradient_clip)
        self.state.optimiser.step()
        self.state.update_average(self.config.average_decay)
        return loss.item()

    def batch_loss(self, number: int, batch: GraphBatch, targets: Tensor) -> Tensor:
        """Loss of the present weights, differentiable; arguments as for ``step``."""
        return self._loss(self.state.network(batch), targets)

    def _batches(self, epoch: int) -> Iterator[tuple[GraphBatch, Tensor]]:
        """Shuffled training batches; one canonical basis per crystal, drawn anew each epoch."""
        generator = keyed_generator(self.config.seed, "order", epoch)
        order = generator.permutation(self.data.train)
        for step in range(self.steps_per_epoch):
            chosen = order[step * self.config.batch_size : (step + 1) * self.config.batch_size]
            graphs = [self.data.graphs[i] for i in chosen]
            frames = [int(generator.integers(len(graph.frames))) for graph in graphs]
            targets = torch.tensor(self.data.targets[chosen], dtype=torch.float32)
            yield collate(graphs, torch.float32, frames), targets

    def _set_learning_rate(self, step: int) -> None:
        rate = one_cycle(step, self.config.epochs * self.steps_per_epoch) * self.config.max_lr
        for group in self.state.optimiser.param_groups:
            group["lr"] = rate

    def _loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Weighted mean absolute error over the labels that are present (others are NaN)."""
        present = ~torch.isnan(targets)
        weights = torch.ones(targets.shape[1])
        weights[0] = self.config.target_weight
        weights = weights.expand_as(targets)[present]
        errors = (outputs[present] - targets[present]).abs()
        return (errors * weights).sum() / weights.sum()

    def validation_errors(self) -> dict[str, float]:
        """Errors of the averaged weights; ``validation_mae`` decides on the best epoch, if any."""
        if len(self.data.validation) == 0:
            return {}
        error = self.mean_absolute_error(self.state.averaged, self.data.validation)
        return {"validation_mae": error}

    def mean_absolute_error(
        self,
        weights: dict[str, Tensor],
        indices: NDArray[np.int64],
        label: int = 0,
        outputs: Outputs = CrystalModel.standardised,
    ) -> float:
        """Mean absolute error of one label on the crystals that carry it.

        Args:
            weights: state of the network.
            indices: crystals.
            label: number of the label.
            outputs: how the model is evaluated.

        Returns:
            In the unit of the label.
        """
        labelled = indices[~np.isnan(self.data.targets[indices, label])]
        model = self.model(weights)
        batches = list(model.batches([self.data.graphs[i] for i in labelled]))
        name = self.data.labels[label].name
        predicted = model.to_physical(outputs(model, batches))[name]
        truth = self.data.labels[label].to_physical(self.data.targets[labelled, label])
        return float(np.abs(predicted - truth).mean())

    def info(self, record: dict[str, Any]) -> dict[str, Any]:
        """Provenance of the finished run: fold, record, history and errors by label and part."""
        parts = {"validation": self.data.validation, "test": self.data.test}
        parts = {name: indices for name, indices in parts.items() if len(indices)}
        metrics = {
            label.name: {
                f"{part}_mae": self.mean_absolute_error(self.state.best, indices, column)
                for part, indices in parts.items()
            }
            for column, label in enumerate(self.data.labels)
        }
        has_validation = len(self.data.validation) > 0
        return {
            "test_fold": self.config.test_fold,
            "validation_fold": (self.config.test_fold + 1) % NUM_FOLDS if has_validation else None,
            "fold_rule": FOLD_RULE_VERSION,
            "best_epoch": self.state.best_epoch,
            "metrics": metrics,
            "history": self.state.history,
            "record": record,
        }

    def model(self, weights: dict[str, Tensor]) -> CrystalModel:
        """The model with the given weights, in evaluation mode."""
        features = self.state.network.element_features
        network = SPFrameNetwork(self.config.network, features, len(self.data.labels))
        network.load_state_dict(weights)
        network.eval().requires_grad_(False)
        return CrystalModel(network, self.config.graph, self.data.labels, {})


def one_cycle(step: int, num_steps: int, warm_share: float = 0.3) -> float:
    """Share of the largest learning rate at a step: cosine from 1/25 up to 1, then down to 4e-6."""
    position = step / max(num_steps - 1, 1)
    if position < warm_share:
        low, high, phase = 1 / 25, 1.0, position / warm_share
    else:
        low, high, phase = 1.0, 4e-6, (position - warm_share) / (1 - warm_share)
    return high + (low - high) * (1 + np.cos(np.pi * phase)) / 2
