"""Studies on other crystals of the data of a checkpoint: only those that it tells of."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.evaluation import load_held_out, split_crystals
from experiments.study.labels import crystal_frame
from experiments.study.tables import print_study
from experiments.training_info import TrainingInfo
from models import CrystalModel
from models.datasets import load_dataset
from tests.experiments.study_inputs import HERE, study

SPLITS = ("test", "validation", "train")


def with_info(model: CrystalModel, **changes: Any) -> CrystalModel:
    info = {**model.info, **changes}
    return replace(model, info={name: value for name, value in info.items() if value != "absent"})


def test_the_splits_are_those_of_the_training(model: CrystalModel) -> None:
    dataset, info = load_dataset(model.labels[0].dataset), TrainingInfo.of(model)
    found = [split_crystals(dataset, info, split) for split in SPLITS]
    split = dataset.split(info.test_fold)
    for indices, expected in zip(found, (split.test, split.validation, split.train), strict=True):
        assert np.array_equal(indices, expected)


def test_without_validation_the_rest_was_trained_on(model: CrystalModel) -> None:
    dataset = load_dataset(model.labels[0].dataset)
    info = TrainingInfo.of(with_info(model, validation_fold=None))
    test, train = (split_crystals(dataset, info, split) for split in ("test", "train"))
    assert np.array_equal(np.sort(np.concatenate([test, train])), np.arange(len(dataset)))
    with pytest.raises(ValueError, match="the checkpoint has no validation fold, it was trained"):
        split_crystals(dataset, info, "validation")


@pytest.mark.parametrize("split", ["validation", "train"])
def test_what_the_checkpoint_does_not_state_is_not_guessed(model: CrystalModel, split: Any) -> None:
    silent = with_info(model, validation_fold="absent")
    with pytest.raises(ValueError, match=f"split '{split}': .* does not state its validation fold"):
        load_held_out(silent, split=split, limit=1)
    assert load_held_out(silent, limit=1).split == "test"


def test_a_study_says_which_crystals_it_saw(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    axes = {"phase_noise_rad": [0.1]}
    studies = {split: study(tmp_path, axes=axes, split=split, chips=1) for split in SPLITS}
    usual = study(tmp_path, axes=axes, chips=1)
    ids = {split: found.inputs.held_out.ids for split, found in studies.items()}
    assert len({*ids["test"], *ids["validation"], *ids["train"]}) == 9
    assert usual.inputs.held_out.ids == ids["test"]
    assert usual.record.key == studies["test"].record.key != studies["train"].record.key
    results = studies["validation"].run(tmp_path / "out", HERE, is_resumed=False)
    assert results.attrs["split"] == "validation"
    assert tuple(results["crystal"].values) == ids["validation"]
    print_study(results)
    assert "which are validation crystals" in capsys.readouterr().out
    held_out = usual.inputs.held_out
    assert crystal_frame(held_out, held_out.truth).attrs["split"] == "test"
