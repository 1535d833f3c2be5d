"""What decides a cross-validation: the training that is repeated, the folds and the seeds."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

from experiments.training_config import TrainConfig
from models.datasets import NUM_FOLDS


class CrossvalConfig(BaseModel):
    """Everything that decides a cross-validation; stored with its results."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    training: TrainConfig
    """What is trained; its fold and its seed are replaced by those of each run."""
    folds: tuple[int, ...] = tuple(range(NUM_FOLDS))
    """Folds that are held out, one after the other."""
    seeds: tuple[int, ...] = (0,)
    """Seeds of the trainings on each fold."""
    wbm_sha256: str | None = None
    """Hash of the file of out-of-distribution crystals, if there is one."""

    @field_validator("folds", "seeds")
    @classmethod
    def _are_different(cls, numbers: tuple[int, ...]) -> tuple[int, ...]:
        if not numbers or len(set(numbers)) < len(numbers) or min(numbers) < 0:
            raise ValueError(f"give different whole numbers from 0 on, got {list(numbers)}")
        return numbers

    @field_validator("folds")
    @classmethod
    def _are_folds(cls, folds: tuple[int, ...]) -> tuple[int, ...]:
        if max(folds) >= NUM_FOLDS:
            raise ValueError(f"folds are 0 to {NUM_FOLDS - 1}, got {max(folds)}")
        return folds

    @property
    def runs(self) -> tuple[CrossvalRun, ...]:
        """All trainings, the first seed of every fold before the second."""
        return tuple(
            CrossvalRun(training=self.training.model_copy(update={"test_fold": fold, "seed": seed}))
            for seed in self.seeds
            for fold in self.folds
        )


class CrossvalRun(BaseModel):
    """One training of a cross-validation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    training: TrainConfig = Field(repr=False)
    """The complete configuration."""

    @property
    def name(self) -> str:
        """Name of its directory."""
        return f"fold{self.training.test_fold}-seed{self.training.seed}"

    def checkpoint(self, directory: Path) -> Path:
        """Where its checkpoint is within the directory of the cross-validation."""
        return directory / self.name
