"""Training of a crystal network: masked multi-label L1, AdamW, averaged weights; one loop for all.

Chosen on the validation fold, resumable after every epoch, reproducible from the seed. Optical or
digital layers, one process or several, CPU or GPU make no difference to the loop.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from experiments.distributed import Ranks
from experiments.training_config import TrainConfig
from experiments.training_data import TrainingData
from experiments.training_network import (
    digital_network,
    initial_network,
    parameter_groups,
    prepare_for_training,
)
from experiments.training_schedule import rate_share
from experiments.training_state import TrainingState
from models.batch import GraphBatch, collate
from models.datasets import FOLD_RULE_VERSION, NUM_FOLDS
from models.model import CrystalModel
from models.network import SPFrameNetwork
from photonic.randomness import keyed_generator

Outputs = Callable[[CrystalModel, Sequence[GraphBatch]], Tensor]
"""(B, L) standardised outputs of a model for B crystals."""
DIVERGED = 10.0
"""A run is stopped when the mean loss of an epoch exceeds that of the first one by this factor."""


@dataclass
class TrainingRun:
    """A training in progress.

    Attributes:
        config: the complete configuration.
        data: graphs and standardised labels.
        ranks: this process among those that share each batch.
        state: weights, averages, optimiser moments and history; what a resumed run starts from.
    """

    config: TrainConfig
    data: TrainingData
    ranks: Ranks = field(default=Ranks(), kw_only=True)
    state: TrainingState = field(init=False)
    _validation: tuple[GraphBatch, ...] = field(init=False, repr=False, default=())

    def __post_init__(self) -> None:
        network = self._initial_network()
        prepare_for_training(network, self.config, self.ranks, self.crystals_per_step)
        groups = parameter_groups(network, self.config.weight_decay)
        optimiser = torch.optim.AdamW(groups, lr=self.config.max_lr, fused=True)
        self.state = TrainingState(network, optimiser)

    def _initial_network(self) -> SPFrameNetwork:
        return initial_network(self.config, len(self.data.labels))

    @property
    def crystals_per_step(self) -> int:
        """Crystals in a step, of all processes together."""
        return min(self.config.batch_size, len(self.data.train))

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
            directory: where the first process keeps the state after every epoch.
            on_epoch: called with the newest row of the history.

        Raises:
            FloatingPointError: if the loss or its gradient is not finite, or the loss grows.
        """
        while self.state.epoch < self.config.epochs:
            start = time.perf_counter()
            loss = self._epoch(self.state.epoch)
            row = {
                "epoch": self.state.epoch,
                "train_loss": loss,
                "learning_rate": self.state.optimiser.param_groups[0]["lr"],
                **self.validation_errors(),
                "seconds": time.perf_counter() - start,
            }
            self._refuse_divergence(row)
            self.state.finish_epoch(row)
            if self.ranks.is_first:
                self.state.store(directory)
            on_epoch(row)
        return self.model(self.state.best)

    def _refuse_divergence(self, row: dict[str, float]) -> None:
        first = (self.state.history or [row])[0]["train_loss"]
        if row["train_loss"] > DIVERGED * first:
            raise FloatingPointError(
                f"the loss has grown from {first:.3g} to {row['train_loss']:.3g} in epoch "
                f"{row['epoch']}; lower max_lr = {self.config.max_lr:g}"
            )

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
            batch: B crystals, the share of this process.
            targets: (B, L) standardised labels; NaN where a crystal does not carry one.

        Returns:
            The loss of all processes together.

        Raises:
            FloatingPointError: if the loss or its gradient is not finite.
        """
        self._set_learning_rate(number)
        device = self.config.machine.device
        loss = self.batch_loss(number, batch_to(batch, device), targets.to(device))
        total = self.ranks.sum(loss.detach().clone()).item()
        self._require_finite("loss", total, number)
        self.state.optimiser.zero_grad()
        loss.backward()
        parameters = list(self.state.network.parameters())
        self.ranks.sum_gradients(parameters)
        norm = torch.nn.utils.clip_grad_norm_(parameters, self.config.gradient_clip)
        self._require_finite("gradient", norm.item(), number)
        self.state.optimiser.step()
        self.state.update_average(self.config.average_decay)
        return total

    def _require_finite(self, name: str, value: float, number: int) -> None:
        if not math.isfinite(value):
            raise FloatingPointError(
                f"the {name} is not finite in epoch {number // self.steps_per_epoch}; "
                f"lower max_lr = {self.config.max_lr:g}"
            )

    def batch_loss(self, number: int, batch: GraphBatch, targets: Tensor) -> Tensor:
        """Loss of the present weights, differentiable; arguments as for ``step``."""
        return self._loss(self.state.network(batch), targets)

    def _batches(self, epoch: int) -> Iterator[tuple[GraphBatch, Tensor]]:
        """This process's share of shuffled batches; a canonical basis per crystal, drawn anew.

        The draws are those of whole batches, whatever the number of processes.
        """
        generator = keyed_generator(self.config.seed, "order", epoch)
        order = generator.permutation(self.data.train)
        own = self.ranks.share(self.crystals_per_step)
        for step in range(self.steps_per_epoch):
            chosen = order[step * self.config.batch_size : (step + 1) * self.config.batch_size]
            graphs = [self.data.graphs[i] for i in chosen]
            frames = [int(generator.integers(len(graph.frames))) for graph in graphs]
            targets = torch.tensor(self.data.targets[chosen[own]], dtype=torch.float32)
            yield collate(graphs[own], torch.float32, frames[own]), targets

    def _set_learning_rate(self, step: int) -> None:
        total = self.config.epochs * self.steps_per_epoch
        rate = rate_share(self.config.schedule, step, total) * self.config.max_lr
        for group in self.state.optimiser.param_groups:
            group["lr"] = rate

    def _loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Weighted mean absolute error over the labels that are present (others are NaN).

        With several processes it is this one's part of the mean over the whole batch.
        """
        present = ~torch.isnan(targets)
        weights = torch.ones(targets.shape[1], device=targets.device)
        weights[0] = self.config.target_weight
        weights = weights.expand_as(targets)[present]
        errors = (outputs[present] - targets[present]).abs()
        return (errors * weights).sum() / self.ranks.sum(weights.sum())

    def validation_errors(self) -> dict[str, float]:
        """Errors of the averaged weights, all labels in their units.

        ``validation_mae``, of the target, decides on the best epoch; empty without validation.
        """
        if len(self.data.validation) == 0:
            return {}
        errors = self.label_errors(self.state.averaged, self.data.validation)
        columns = {
            f"validation_mae_{label.name} [{label.unit}]": errors[label.name]
            for label in self.data.labels
        }
        return {"validation_mae": errors[self.data.labels[0].name], **columns}

    def label_errors(
        self, weights: dict[str, Tensor], indices: NDArray[np.int64]
    ) -> dict[str, float]:
        """Mean absolute error of every label, on those of the crystals that carry it.

        Args:
            weights: state of the network.
            indices: crystals.

        Returns:
            By name, in the unit of each label; only labels that some crystal carries.
        """
        model = self.model(weights)
        predicted = model.to_physical(self._shared_outputs(model, self._evaluated(model, indices)))
        errors = {}
        for column, label in enumerate(self.data.labels):
            targets = self.data.targets[indices, column]
            has_label = ~np.isnan(targets)
            if has_label.any():
                truth = label.to_physical(targets[has_label])
                errors[label.name] = float(np.abs(predicted[label.name][has_label] - truth).mean())
        return errors

    def _evaluated(self, model: CrystalModel, indices: NDArray[np.int64]) -> tuple[GraphBatch, ...]:
        """Batches of the crystals in order; those of the validation fold are kept."""
        is_validation = indices is self.data.validation
        if is_validation and self._validation:
            return self._validation
        batches = tuple(model.batches([self.data.graphs[i] for i in indices]))
        if is_validation:
            self._validation = batches
        return batches

    def _shared_outputs(self, model: CrystalModel, batches: Sequence[GraphBatch]) -> Tensor:
        """(B, L) outputs on the CPU; each batch is computed by one of the processes."""
        device = self.config.machine.device
        model.network.to(device)
        total = sum(batch.num_crystals for batch in batches)
        outputs = torch.zeros(total, len(model.labels), device=device)
        start = 0
        for number, batch in enumerate(batches):
            stop = start + batch.num_crystals
            if number % self.ranks.size == self.ranks.rank:
                outputs[start:stop] = model.standardised([batch_to(batch, device)])
            start = stop
        return self.ranks.sum(outputs).cpu()

    def mean_absolute_error(
        self,
        weights: dict[str, Tensor],
        indices: NDArray[np.int64],
        label: int = 0,
        outputs: Outputs = CrystalModel.standardised,
    ) -> float:
        """Mean absolute error of one label on the crystals that carry it, on the CPU.

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
        metrics: dict[str, dict[str, float]] = {label.name: {} for label in self.data.labels}
        for part, indices in parts.items():
            if len(indices):
                for name, error in self.label_errors(self.state.best, indices).items():
                    metrics[name][f"{part}_mae"] = error
        fold = self.config.test_fold
        has_validation = fold is not None and len(self.data.validation) > 0
        return {
            "test_fold": fold,
            "validation_fold": (fold + 1) % NUM_FOLDS if has_validation else None,
            "fold_rule": FOLD_RULE_VERSION,
            "best_epoch": self.state.best_epoch,
            "frame_fallbacks": self.data.num_frame_fallbacks,
            "metrics": metrics,
            "history": self.state.history,
            "record": record,
        }

    def model(self, weights: dict[str, Tensor]) -> CrystalModel:
        """The digital model with the given weights, in evaluation mode, on the CPU."""
        network = digital_network(self.config, weights, len(self.data.labels))
        return CrystalModel(
            network, self.config.graph, self.data.labels, {}, self.data.training_set
        )


def batch_to(batch: GraphBatch, device: str) -> GraphBatch:
    """The batch with all its tensors on a device; itself if that is the CPU."""
    if device == "cpu":
        return batch
    fields = {f.name: getattr(batch, f.name) for f in dataclasses.fields(batch)}
    moved = {
        name: v.to(device, non_blocking=True) for name, v in fields.items() if hasattr(v, "to")
    }
    return dataclasses.replace(batch, **moved)
