"""Inputs of the dense layers of a model, from crystals that it was trained on."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from experiments.mapped import dense_layers
from experiments.training_data import training_split
from experiments.training_info import TrainingInfo
from models.datasets import load_dataset
from models.model import CrystalModel
from photonic.randomness import keyed_generator


def training_activations(
    model: CrystalModel, *, num_crystals: int = 16, num_vectors: int = 96, seed: int = 0
) -> Mapping[str, Tensor]:
    """Inputs of every dense layer for some training crystals.

    Args:
        model: digital model; its ``info`` names the test fold, which stays unseen.
        num_crystals: crystals of the training folds, drawn at random.
        num_vectors: rows kept of each layer, drawn at random.
        seed: key of the draws.

    Returns:
        By layer, (at most num_vectors, in_features) in the dtype of the model.

    Raises:
        ValueError: if the checkpoint does not tell which crystals it was trained on.
    """
    info = TrainingInfo.of(model)
    dataset = load_dataset(model.labels[0].dataset)
    info.check_data(dataset)
    train = training_split(dataset, info.test_fold, has_validation=True).train
    chosen = keyed_generator(seed, "activations", "crystals").permutation(train)[:num_crystals]
    graphs = [model.graph(dataset.crystals[index]) for index in chosen]
    batches = list(model.batches(graphs))
    kept: dict[str, list[Tensor]] = {}

    def keeper(name: str):
        def keep(module: nn.Linear, inputs: tuple[Tensor, ...]) -> None:
            kept.setdefault(name, []).append(inputs[0].reshape(-1, module.in_features).clone())

        return keep

    layers = dict(dense_layers(model.network))
    hooks = [layer.register_forward_pre_hook(keeper(name)) for name, layer in layers.items()]
    try:
        model.standardised(batches)
    finally:
        for hook in hooks:
            hook.remove()
    return {
        name: _some_rows(torch.cat(rows), num_vectors, seed, name) for name, rows in kept.items()
    }


def _some_rows(rows: Tensor, count: int, seed: int, name: str) -> Tensor:
    order = keyed_generator(seed, "activations", name).permutation(len(rows))[:count]
    return rows[torch.from_numpy(order)]
