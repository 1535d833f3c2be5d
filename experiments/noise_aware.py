"""Noise-aware fine-tuning: in every step the dense layers are those of a newly drawn chip.

Weights are mapped, programmed and realised through the whole chain of a chip; the gradient passes
straight through all of it. Biases and batch norms stay digital and are trained along. The epoch
that predicts best on chips that training has not seen is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, field_validator
from torch import Tensor

from experiments.chip_network import chip_outputs
from experiments.mapped import MappingSettings, map_model
from experiments.noise_aware_chip import ChipInTheLoop
from experiments.record import RunRecord
from experiments.training import TrainConfig, TrainingRun
from models.batch import GraphBatch
from models.checkpoint import load_checkpoint
from models.network import SPFrameNetwork
from photonic import Chip, HardwareConfig
from photonic.randomness import keyed_generator

TEST_CHIPS = 16
"""Chips on which a finished run is tested, before and after."""


class FineTuneConfig(TrainConfig):
    """Everything that decides a fine-tuning; labels, graphs and network are the checkpoint's."""

    checkpoint: str
    """Name or directory of the checkpoint to start from."""
    checkpoint_sha256: str
    """Hash of its weights."""
    hardware: HardwareConfig
    """Description that chips are drawn from, at the time of their calibration."""
    mapping: MappingSettings = MappingSettings()
    """How the dense layers are laid out; the tile is a number of modes."""
    chips_per_step: int = Field(default=1, ge=1)
    """Chips that each batch is seen by; the loss is their mean."""
    validation_chips: int = Field(default=4, ge=1)
    """Chips that decide on the best epoch, the same ones after every epoch."""

    @field_validator("mapping")
    @classmethod
    def _tiles_are_equal(cls, mapping: MappingSettings) -> MappingSettings:
        if mapping.tile == "full":
            raise ValueError("fine-tuning needs a tile of a number of modes, not full matrices")
        return mapping


@dataclass
class FineTuningRun(TrainingRun):
    """A fine-tuning in progress; attributes as of ``TrainingRun``.

    Attributes:
        record: provenance, handed on to what is mapped for validation.

    Raises:
        ValueError: if the data are not those that the checkpoint was trained on.
    """

    config: FineTuneConfig
    record: RunRecord
    _on_chips: ChipInTheLoop = field(init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        config = self.config
        self._on_chips = ChipInTheLoop(self.state.network, config.hardware, config.mapping)

    def _initial_network(self) -> SPFrameNetwork:
        model = load_checkpoint(self.config.checkpoint)
        if model.labels != self.data.labels:
            raise ValueError(
                f"checkpoint {self.config.checkpoint} was trained on other data: its labels are "
                "not standardised alike"
            )
        return model.network.requires_grad_(True)

    @property
    def num_tiles(self) -> int:
        """Tiles of all dense layers, each of them realised in every step."""
        return self._on_chips.num_tiles

    def batch_loss(self, number: int, batch: GraphBatch, targets: Tensor) -> Tensor:
        """Mean loss over newly drawn chips, differentiable straight through all their effects."""
        seed, chips = self.chip_seed("training"), self.config.chips_per_step
        losses = []
        for index in range(number * chips, (number + 1) * chips):
            weights = self._on_chips.weights(seed, index)
            outputs = torch.func.functional_call(self.state.network, weights, (batch,))
            losses.append(self._loss(outputs, targets))
        return torch.stack(losses).mean()

    def chip_seed(self, purpose: str) -> int:
        """Seed of the chips of one purpose, "training", "validation" or "test"."""
        return int(keyed_generator(self.config.seed, "chips", purpose).integers(2**62))

    def validation_errors(self) -> dict[str, float]:
        """Mean error on the validation chips, which decides, and the error without a chip."""
        weights, indices = self.state.averaged, self.data.validation
        on_chips = self.chip_errors(weights, indices, "validation", self.config.validation_chips)
        digital = self.mean_absolute_error(weights, indices)
        return {"validation_mae": float(on_chips.mean()), "digital_mae": digital}

    def chip_errors(
        self, weights: Mapping[str, Tensor], indices: NDArray[np.int64], purpose: str, chips: int
    ) -> NDArray[np.float64]:
        """(chips,) mean absolute error of the target on each chip, light noise included.

        Args:
            weights: state of the network.
            indices: crystals.
            purpose: of the chips, as for ``chip_seed``.
            chips: how many.
        """
        weights, config = dict(weights), self.config
        mapped = map_model(self.model(weights), config.hardware, config.mapping, self.record)
        seed = self.chip_seed(purpose)

        def error(index: int) -> float:
            chip = Chip(config.hardware, seed, index)
            return self.mean_absolute_error(
                weights, indices, outputs=lambda _, batches: chip_outputs(mapped, batches, chip)
            )

        return np.array([error(index) for index in range(chips)])

    def info(self, record: dict[str, Any]) -> dict[str, Any]:
        """As of ``TrainingRun``, with the origin and the test errors before and after."""
        config, start = self.config, load_checkpoint(self.config.checkpoint)
        states = {"before": start.network.state_dict(), "after": self.state.best}
        return {
            **super().info(record),
            "fine_tuned_from": {
                "checkpoint": config.checkpoint,
                "weights_sha256": config.checkpoint_sha256,
                "record": start.info["record"],
            },
            "test_mae": {time: self._test_errors(state) for time, state in states.items()},
        }

    def _test_errors(self, weights: Mapping[str, Tensor]) -> dict[str, float]:
        """Error without a chip, mean and standard deviation over test chips."""
        indices = self.data.test
        on_chips = self.chip_errors(weights, indices, "test", TEST_CHIPS)
        return {
            "digital": self.mean_absolute_error(dict(weights), indices),
            "on_chips": float(on_chips.mean()),
            "std_over_chips": float(on_chips.std(ddof=1)),
        }
