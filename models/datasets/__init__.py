"""Labelled crystals that come with Lightframe, their folds and their attribution."""

from models.datasets.folds import FOLD_RULE_VERSION, NUM_FOLDS, fold_of
from models.datasets.load import (
    Dataset,
    DatasetError,
    Split,
    dataset_names,
    decode_dataset,
    load_dataset,
)

__all__ = [
    "FOLD_RULE_VERSION",
    "NUM_FOLDS",
    "Dataset",
    "DatasetError",
    "Split",
    "dataset_names",
    "decode_dataset",
    "fold_of",
    "load_dataset",
]
