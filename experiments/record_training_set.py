"""Writes the record of what a checkpoint was trained on beside its weights.

Run as ``python -m experiments.record_training_set NAME_OR_DIR --out FILE``. Checkpoints that were
trained before records were kept, the shipped ones among them, get theirs by it: data sets, folds
and graph settings are those that the checkpoint states, and the statistics of its labels prove that
the crystals are the same. New checkpoints have their record from training.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from experiments.training_data import LabelSpec, load_training_data
from experiments.training_info import TrainingInfo
from models.checkpoint import CONFIG_FILE, CheckpointConfig, checkpoint_bytes, load_checkpoint
from models.files import write_new
from models.model import CrystalModel
from models.training_set import TRAINING_SET_FILE, TrainingSet

SAME_STATISTICS = 1e-9
"""Relative deviation of the mean and the standard deviation of a label that is rounding."""


def training_set_of(model: CrystalModel) -> TrainingSet:
    """The record of the crystals that a model was trained on, from the shipped data.

    Raises:
        ValueError: if the model does not state its folds, or data sets, folds or labels are not
            those that it was trained with.
    """
    info = TrainingInfo.of(model)
    specs = [LabelSpec(dataset=label.dataset, label=label.name) for label in model.labels]
    data = load_training_data(
        specs,
        model.graph_settings,
        info.test_fold,
        has_validation=info.validation_fold is not None,
    )
    if data.sha256 != info.data_sha256 or data.training_set is None:
        raise ValueError("the checkpoint was trained on other data than the shipped ones")
    for own, found in zip(model.labels, data.labels, strict=True):
        # Mean and standard deviation over the training crystals; machines round sums differently.
        errors = abs(own.mean - found.mean), abs(own.std - found.std)
        if max(errors) > SAME_STATISTICS * own.std:
            raise ValueError(f"{own.name} was standardised by other training crystals")
    return data.training_set


def main(argv: list[str] | None = None) -> None:
    """Command line of the tool; prints the number of crystals and the size of the record."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.record_training_set", description=__doc__
    )
    parser.add_argument("checkpoint", help="directory, or name of a shipped checkpoint")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help=f"file to write, {TRAINING_SET_FILE} of the checkpoint",
    )
    args = parser.parse_args(argv)
    found = training_set_of(load_checkpoint(args.checkpoint))
    config = CheckpointConfig.model_validate_json(checkpoint_bytes(args.checkpoint)[CONFIG_FILE])
    data = found.to_bytes(config.weights_sha256)
    write_new(args.out, data)
    print(f"{args.out}: {found.num_crystals} crystals, {len(data)} bytes")


if __name__ == "__main__":
    main()
