"""Held-out crystals are held out: other folds, data or a silent checkpoint are refused."""

from dataclasses import replace
from typing import Any

import pytest

from experiments.accuracy import accuracy_table
from experiments.evaluation import load_held_out, split_crystals
from experiments.training_info import TrainingInfo
from models import CrystalModel
from models.datasets import load_dataset


def with_info(model: CrystalModel, **changes: Any) -> CrystalModel:
    return replace(model, info={**model.info, **changes})


def test_the_shipped_checkpoint_tells_its_fold(model: CrystalModel) -> None:
    info = TrainingInfo.of(model)
    assert info.test_fold == 0
    assert set(info.data_sha256) == {"dielectric", "elastic", "formation", "piezo"}


def test_other_data_are_refused(model: CrystalModel) -> None:
    record = {**model.info["record"], "data_sha256": {"dielectric": "0" * 64}}
    with pytest.raises(ValueError, match="trained on another version of 'dielectric'"):
        load_held_out(with_info(model, record=record), limit=1)


def test_another_fold_rule_is_refused(model: CrystalModel) -> None:
    with pytest.raises(ValueError, match="follow rule 99"):
        load_held_out(with_info(model, fold_rule=99), limit=1)


@pytest.mark.parametrize("fold", [-1, 5, "first"])
def test_a_fold_that_does_not_exist_is_refused(model: CrystalModel, fold: object) -> None:
    with pytest.raises(ValueError, match="test_fold"):
        load_held_out(with_info(model, test_fold=fold), limit=1)


def test_a_checkpoint_of_everything_has_nothing_to_be_tested_on(model: CrystalModel) -> None:
    seen_all = with_info(model, test_fold=None, validation_fold=None)
    with pytest.raises(ValueError, match="no crystals are held out"):
        load_held_out(seen_all, limit=1)
    with pytest.raises(ValueError, match="no crystals are held out"):
        accuracy_table(seen_all)
    dataset = load_dataset("dielectric")
    chosen = split_crystals(dataset, TrainingInfo.of(seen_all), "train")
    assert len(chosen) == len(dataset)
