"""Held-out crystals are held out: other folds, data or a silent checkpoint are refused."""

from dataclasses import replace
from typing import Any

import pytest

from experiments.evaluation import load_held_out
from experiments.training_info import TrainingInfo
from models import CrystalModel


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
