"""Errors of a cross-validation, from the predictions for all held-out crystals."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.crossval_config import CrossvalConfig
from experiments.crossval_parts import Parts
from experiments.wbm import OutOfDistribution
from models.datasets import Dataset
from models.noop import is_frame_idle

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
EVERYTHING = "all"
ACTIVE, IDLE = "frames act", "frames idle"
UNKNOWN = "formula not trained on"
TAIL_LABEL, TAIL_LIMIT = "n", 6.0
"""The refractive index has a tail of a few crystals, which decide its mean error."""


@dataclass(frozen=True, kw_only=True)
class PartScore:
    """Mean absolute errors on some crystals, pooled over all folds, in the unit of the label."""

    part: str
    """Which crystals: "all", those that frames can act on, ..."""
    num_crystals: int
    median_mae: float
    """Of guessing the median of the training crystals."""
    trees_mae: float
    """Of trees fitted on the crystals that the network was trained on."""
    network_mae: float
    """Of the network, mean over seeds."""
    network_std: float | None
    """Standard deviation over seeds; None with a single one."""
    ensemble_mae: float | None
    """Of the mean prediction of the networks of all seeds; None with a single one."""


@dataclass(frozen=True, kw_only=True)
class FoldScore:
    """Mean absolute errors on one fold, in the unit of the label."""

    fold: int
    num_crystals: int
    median_mae: float
    trees_mae: float
    network_mae: tuple[float, ...]
    """One for each seed."""
    network_mae_of_parts: dict[str, tuple[float, ...]]
    """The same on each part that has crystals in this fold, "all" among them."""


@dataclass(frozen=True, kw_only=True)
class LabelScore:
    """Errors of one label."""

    label: str
    dataset: str
    unit: str
    parts: tuple[PartScore, ...]
    """All crystals first."""
    folds: tuple[FoldScore, ...]
    std_over_folds: float | None
    """Standard deviation over folds of the network's error, mean over seeds; None for one fold."""


@dataclass(frozen=True, kw_only=True)
class ElsewhereScore:
    """Errors on crystals from elsewhere, mean over the networks of all folds and seeds."""

    label: str
    unit: str
    parts: tuple[PartScore, ...]
    """All crystals, and those whose formula is not in the data set trained on; the standard
    deviation and the mean prediction are over the networks of all folds and seeds."""
    known_ids: tuple[str, ...]
    """Crystals whose formula is in the data set trained on."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """All errors of a cross-validation, and what they cost."""

    labels: tuple[LabelScore, ...]
    elsewhere: ElsewhereScore | None
    parameters: int
    """Parameters of the network."""
    seconds: dict[str, float]
    """[s] training time of each run, by name."""
    seconds_per_epoch: float
    """[s] median over the epochs of all runs: the first one compiles, and machines have other
    work."""

    @property
    def rows(self) -> list[tuple[str, str, PartScore]]:
        """(label, unit, errors) for every part of every label."""
        groups = [*self.labels, *([] if self.elsewhere is None else [self.elsewhere])]
        return [(group.label, group.unit, part) for group in groups for part in group.parts]


def score(
    config: CrossvalConfig,
    parts: Parts,
    datasets: Mapping[str, Dataset],
    elsewhere: OutOfDistribution | None,
) -> Scores:
    """The errors of all parts of a cross-validation.

    Args:
        config: of the cross-validation.
        parts: predictions of its networks, median and trees.
        datasets: by name.
        elsewhere: crystals from elsewhere, if there were some.

    Raises:
        ValueError: if stored predictions are for other crystals than those of the data sets.
    """
    labels = tuple(
        _label_score(config, parts, datasets[spec.dataset], spec.label)
        for spec in config.training.label_specs
    )
    if elsewhere is not None:
        formation = datasets[OutOfDistribution.TRAINED_ON]
        elsewhere_score = _elsewhere_score(parts, elsewhere, formation)
    networks = list(parts.networks.values())
    return Scores(
        labels=labels,
        elsewhere=None if elsewhere is None else elsewhere_score,
        parameters=networks[0]["parameters"],
        seconds={
            f"fold{fold}-seed{seed}": sum(part["epoch_seconds"])
            for (fold, seed), part in parts.networks.items()
        },
        seconds_per_epoch=float(
            np.median(np.concatenate([part["epoch_seconds"] for part in networks]))
        ),
    )


@functools.lru_cache(maxsize=32)
def _is_idle(dataset: Dataset, fold: int) -> Bools:
    """(E,) True for the held-out crystals of a fold that frames cannot act on."""
    return np.array([is_frame_idle(dataset.crystals[i]) for i in dataset.split(fold).test])


def _masks(dataset: Dataset, fold: int, label: str) -> dict[str, Bools]:
    """(E,) which held-out crystals of a fold belong to each part."""
    idle = _is_idle(dataset, fold)
    masks = {EVERYTHING: np.full(idle.size, True), ACTIVE: ~idle, IDLE: idle}
    if label == TAIL_LABEL:
        truth = dataset.labels[label][dataset.split(fold).test]
        masks[f"{label} < {TAIL_LIMIT:g}"] = truth < TAIL_LIMIT
    return masks


def _label_score(config: CrossvalConfig, parts: Parts, dataset: Dataset, label: str) -> LabelScore:
    median: list[Floats] = []
    trees: list[Floats] = []
    network: list[list[Floats]] = [[] for _ in config.seeds]
    masks = [_masks(dataset, fold, label) for fold in config.folds]
    for fold in config.folds:
        test = dataset.split(fold).test
        truth = dataset.labels[label][test]
        fitted = parts.baselines[fold]["labels"][label]
        median.append(np.abs(fitted["median"] - truth))
        trees.append(np.abs(np.array(fitted["trees"]) - truth))
        for number, seed in enumerate(config.seeds):
            part = parts.networks[fold, seed]["labels"][label]
            if part["ids"] != [dataset.ids[i] for i in test]:
                raise ValueError(f"predictions of fold {fold} are not for its crystals")
            network[number].append(np.array(part["predicted"]) - truth)
    folds = tuple(
        _fold_score(fold, masks[k], median[k], trees[k], [np.abs(errors[k]) for errors in network])
        for k, fold in enumerate(config.folds)
    )
    return LabelScore(
        label=label,
        dataset=dataset.name,
        unit=dataset.units[label],
        parts=_parts(
            {part: np.concatenate([of_fold[part] for of_fold in masks]) for part in masks[0]},
            [np.concatenate(median)],
            [np.concatenate(trees)],
            [np.concatenate(errors) for errors in network],
        ),
        folds=folds,
        std_over_folds=_std([float(np.mean(fold.network_mae)) for fold in folds]),
    )


def _fold_score(
    fold: int, masks: Mapping[str, Bools], median: Floats, trees: Floats, network: list[Floats]
) -> FoldScore:
    of_parts = {
        part: tuple(float(errors[mask].mean()) for errors in network)
        for part, mask in masks.items()
        if mask.any()
    }
    return FoldScore(
        fold=fold,
        num_crystals=median.size,
        median_mae=float(median.mean()),
        trees_mae=float(trees.mean()),
        network_mae=of_parts[EVERYTHING],
        network_mae_of_parts=of_parts,
    )


def _elsewhere_score(
    parts: Parts, elsewhere: OutOfDistribution, formation: Dataset
) -> ElsewhereScore:
    values, known = elsewhere.values, elsewhere.is_known(formation)
    masks = {EVERYTHING: np.full(len(values), True), UNKNOWN: ~known}
    predicted = np.array([part["wbm"] for part in parts.networks.values()])
    fitted = [part["wbm"] for part in parts.baselines.values()]
    return ElsewhereScore(
        label=f"{OutOfDistribution.TRAINED_AS} -> wbm {OutOfDistribution.LABEL}",
        unit=formation.units[OutOfDistribution.TRAINED_AS],
        parts=_parts(
            masks,
            [np.abs(part["median"] - values) for part in fitted],
            [np.abs(np.array(part["trees"]) - values) for part in fitted],
            list(predicted - values),
        ),
        known_ids=tuple(elsewhere.ids[i] for i in np.flatnonzero(known)),
    )


def _parts(
    masks: Mapping[str, Bools],
    median: list[Floats],
    trees: list[Floats],
    network: list[Floats],
) -> tuple[PartScore, ...]:
    """Errors of the crystals of each mask.

    Args:
        masks: (E,) crystals by part.
        median: (E,) absolute errors, one or several.
        trees: the same.
        network: (E,) prediction minus label of each network.
    """
    scores = []
    for part, mask in masks.items():
        if mask.any():
            means = [float(np.abs(errors[mask]).mean()) for errors in network]
            together = float(np.abs(np.mean(network, axis=0)[mask]).mean())
            scores.append(
                PartScore(
                    part=part,
                    num_crystals=int(mask.sum()),
                    median_mae=float(np.mean([errors[mask].mean() for errors in median])),
                    trees_mae=float(np.mean([errors[mask].mean() for errors in trees])),
                    network_mae=float(np.mean(means)),
                    network_std=_std(means),
                    ensemble_mae=together if len(network) > 1 else None,
                )
            )
    return tuple(scores)


def _std(values: list[float]) -> float | None:
    """Sample standard deviation; None for a single value."""
    return None if len(values) < 2 else float(np.std(values, ddof=1))
