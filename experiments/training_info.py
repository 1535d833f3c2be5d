"""What a checkpoint must tell about its training before anything is evaluated on it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.datasets import FOLD_RULE_VERSION, NUM_FOLDS, Dataset
from models.model import CrystalModel


class TrainingInfo(BaseModel):
    """The part of ``CrystalModel.info`` that decides which crystals are held out."""

    model_config = ConfigDict(frozen=True)

    test_fold: int | None = Field(ge=0, lt=NUM_FOLDS)
    """Fold that was not trained on; None if everything was."""
    validation_fold: int | None = Field(default=None, ge=0, lt=NUM_FOLDS)
    """Fold that chose the checkpoint; None if it was trained on as well."""
    fold_rule: int
    """Version of the rule that assigns crystals to folds."""
    record: dict[str, Any]
    """``RunRecord`` of the training."""

    @classmethod
    def of(cls, model: CrystalModel) -> TrainingInfo:
        """The training information of a model.

        Raises:
            ValueError: if the checkpoint does not state it, or its folds follow another rule.
        """
        try:
            info = cls.model_validate(dict(model.info))
        except ValidationError as error:
            from photonic.hardware import first_problem  # loads all of light, for this alone

            raise ValueError(f"the checkpoint's `info`: {first_problem(error)}") from None
        if info.fold_rule != FOLD_RULE_VERSION:
            raise ValueError(
                f"the checkpoint's folds follow rule {info.fold_rule}, this version has rule "
                f"{FOLD_RULE_VERSION}: its held-out crystals are not known"
            )
        return info

    @property
    def held_out_fold(self) -> int:
        """Fold that was not trained on.

        Raises:
            ValueError: if there is none.
        """
        if self.test_fold is None:
            raise ValueError(
                "the checkpoint was trained on everything: it can predict, but no crystals are "
                "held out to test it on"
            )
        return self.test_fold

    @property
    def data_sha256(self) -> dict[str, str]:
        """Data set name to hash of the records that were trained on."""
        return dict(self.record.get("data_sha256", {}))

    def check_data(self, dataset: Dataset) -> None:
        """Refuse a data set that is not the one that was trained on.

        Raises:
            ValueError: if the hashes differ.
        """
        if self.data_sha256.get(dataset.name) != dataset.sha256:
            raise ValueError(
                f"the checkpoint was trained on another version of {dataset.name!r}: crystals of "
                "its test fold may have been trained on"
            )
