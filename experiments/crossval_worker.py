"""One fold of a cross-validation, in a process of its own: train, predict, fit the trees.

Each part is a file; a part that is there is not made again.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
from multiprocessing import connection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from experiments.baseline import extra_trees
from experiments.crossval_config import CrossvalRun
from experiments.output import is_finished
from experiments.training_config import TrainConfig
from experiments.training_data import TrainingData, training_split
from experiments.training_job import load_data, train
from experiments.wbm import OutOfDistribution, load_out_of_distribution
from models.checkpoint import load_checkpoint
from models.datasets import Dataset, load_dataset
from models.model import CrystalModel
from photonic.files import write_atomic

Part = dict[str, Any]


def end_with_parent(given_up: connection.Connection | None = None) -> None:
    """End this process when the one that started it has ended, killed or not, or gives up.

    A worker that went on alone would write beside those of the run that is started next.

    Args:
        given_up: whose other end the parent closes when it gives up.
    """
    parent = multiprocessing.parent_process()
    signs = [parent.sentinel] if given_up is None else [parent.sentinel, given_up]

    def watch() -> None:
        connection.wait(signs)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def network_part(run: CrossvalRun, directory: Path, wbm: Path | None) -> Part:
    """Predictions of a network for its held-out crystals; trained first if it is not there.

    Args:
        run: which one.
        directory: of the cross-validation, unfinished.
        wbm: file of out-of-distribution crystals.

    Returns:
        ``"labels"``: name to ``ids`` and ``predicted`` values; ``"wbm"``: predicted formation
        energies, or None; ``"epoch_seconds"``: of each epoch; ``"parameters"``: their number.

    Raises:
        FloatingPointError: if the training diverges; the message says which one.
    """
    torch.set_num_threads(1)
    path = directory / f"{run.name}.json"
    if not path.is_file():
        checkpoint = run.checkpoint(directory)
        data = load_data(run.training, shows=False)
        if not is_finished(checkpoint):
            _train(run, checkpoint, data)
        model = load_checkpoint(checkpoint)
        part = {
            "labels": _test_predictions(model, data),
            "wbm": None if wbm is None else _predict_elsewhere(model, wbm),
            "epoch_seconds": [row["seconds"] for row in model.info["history"]],
            "parameters": sum(p.numel() for p in model.network.parameters()),
        }
        write_atomic(path, json.dumps(part).encode())
    return json.loads(path.read_bytes())


def _train(run: CrossvalRun, checkpoint: Path, data: TrainingData) -> None:
    try:
        train(run.training, checkpoint, data=data, is_quiet=True)
    except FloatingPointError as error:
        name = f"{checkpoint.parent.name}/{checkpoint.name}"
        raise FloatingPointError(f"{name}: {error}") from None


def baseline_part(config: TrainConfig, directory: Path, wbm: Path | None) -> Part:
    """Median and trees of a fold, fitted on the crystals that the network is trained on.

    Args:
        config: of the network; its fold and its use of the validation fold count.
        directory: of the cross-validation, unfinished.
        wbm: file of out-of-distribution crystals.

    Returns:
        ``"labels"``: name to ``median`` (one number) and ``trees`` (a value for each crystal of
        the held-out fold); ``"wbm"``: the same for formation energies elsewhere, or None.
    """
    path = directory / f"fold{config.test_fold}-baseline.json"
    if not path.is_file():
        labels = {}
        for spec in config.label_specs:
            dataset = load_dataset(spec.dataset)
            train_on = trained_on(dataset, config)
            test = dataset.split(config.test_fold).test
            labels[spec.label] = {
                "median": float(np.median(dataset.labels[spec.label][train_on])),
                "trees": extra_trees(dataset, spec.label, train_on, test).tolist(),
            }
        part = {
            "labels": labels,
            "wbm": None if wbm is None else _baseline_elsewhere(config, wbm),
        }
        write_atomic(path, json.dumps(part).encode())
    return json.loads(path.read_bytes())


def trained_on(dataset: Dataset, config: TrainConfig) -> NDArray[np.int64]:
    """(T,) indices of the crystals of a data set that a configuration trains on."""
    has_validation = config.validation != "none"
    return training_split(dataset, config.test_fold, has_validation=has_validation).train


def _test_predictions(model: CrystalModel, data: TrainingData) -> dict[str, Part]:
    outputs = model.standardised(list(model.batches([data.graphs[i] for i in data.test])))
    predicted = model.to_physical(outputs)
    labels = {}
    for column, label in enumerate(data.labels):
        has_label = ~np.isnan(data.targets[data.test, column])
        ids = [data.ids[i].removeprefix(f"{label.dataset}/") for i in data.test[has_label]]
        labels[label.name] = {"ids": ids, "predicted": predicted[label.name][has_label].tolist()}
    return labels


def _predict_elsewhere(model: CrystalModel, wbm: Path) -> list[float]:
    crystals = load_out_of_distribution(wbm).crystals
    graphs = [model.graph(crystal) for crystal in crystals]
    outputs = model.standardised(list(model.batches(graphs)))
    return model.to_physical(outputs)[OutOfDistribution.TRAINED_AS].tolist()


def _baseline_elsewhere(config: TrainConfig, wbm: Path) -> Part:
    """Trees need one data set: formation crystals first, those from elsewhere after them."""
    formation = load_dataset(OutOfDistribution.TRAINED_ON)
    joined, elsewhere = load_out_of_distribution(wbm).joined_to(formation)
    train_on = trained_on(formation, config)
    label = OutOfDistribution.TRAINED_AS
    return {
        "median": float(np.median(formation.labels[label][train_on])),
        "trees": extra_trees(joined, label, train_on, elsewhere).tolist(),
    }
