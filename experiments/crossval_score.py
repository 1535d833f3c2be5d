"""Errors of a cross-validation, from the predictions for all held-out crystals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.crossval_config import CrossvalConfig
from experiments.crossval_worker import Part
from experiments.wbm import OutOfDistribution
from models.datasets import Dataset
from models.noop import is_frame_idle

Floats = NDArray[np.float64]
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


@dataclass(frozen=True, kw_only=True)
class FoldScore:
    """Mean absolute errors on one fold, in the unit of the label."""

    fold: int
    num_crystals: int
    median_mae: float
    trees_mae: float
    network_mae: tuple[float, ...]
    """One for each seed."""


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
    deviation is over networks."""
    ensemble_mae: tuple[float, ...]
    """Of the mean prediction of all networks, for each part."""
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

    @property
    def rows(self) -> list[tuple[str, str, PartScore]]:
        """(label, unit, errors) for every part of every label."""
        groups = [*self.labels, *([] if self.elsewhere is None else [self.elsewhere])]
        return [(group.label, group.unit, part) for group in groups for part in group.parts]


def score(
    config: CrossvalConfig,
    networks: Mapping[tuple[int, int], Part],
    baselines: Mapping[int, Part],
    datasets: Mapping[str, Dataset],
    elsewhere: OutOfDistribution | None,
) -> Scores:
    """The errors of all parts of a cross-validation.

    Args:
        config: of the cross-validation.
        networks: (fold, seed) to what ``network_part`` returns.
        baselines: fold to what ``baseline_part`` returns.
        datasets: by name.
        elsewhere: crystals from elsewhere, if there were some.

    Raises:
        ValueError: if stored predictions are for other crystals than those of the data sets.
    """
    idle = {name: _idle_in_folds(data, config) for name, data in datasets.items()}
    labels = tuple(
        _label_score(config, networks, baselines, datasets[spec.dataset], spec.label, idle)
        for spec in config.training.label_specs
    )
    if elsewhere is not None:
        formation = datasets[OutOfDistribution.TRAINED_ON]
        elsewhere_score = _elsewhere_score(networks, baselines, elsewhere, formation)
    return Scores(
        labels=labels,
        elsewhere=None if elsewhere is None else elsewhere_score,
        parameters=next(iter(networks.values()))["parameters"],
        seconds={
            f"fold{fold}-seed{seed}": part["seconds"] for (fold, seed), part in networks.items()
        },
    )


def _idle_in_folds(dataset: Dataset, config: CrossvalConfig) -> NDArray[np.bool_]:
    """(E,) True for held-out crystals that frames cannot act on, one fold after the other."""
    tests = [dataset.split(fold).test for fold in config.folds]
    return np.array([is_frame_idle(dataset.crystals[i]) for i in np.concatenate(tests)])


def _label_score(
    config: CrossvalConfig,
    networks: Mapping[tuple[int, int], Part],
    baselines: Mapping[int, Part],
    dataset: Dataset,
    label: str,
    idle: Mapping[str, NDArray[np.bool_]],
) -> LabelScore:
    median, trees, truths = [], [], []
    network: list[list[Floats]] = [[] for _ in config.seeds]
    for fold in config.folds:
        test = dataset.split(fold).test
        truth = dataset.labels[label][test]
        fitted = baselines[fold]["labels"][label]
        truths.append(truth)
        median.append(np.abs(fitted["median"] - truth))
        trees.append(np.abs(np.array(fitted["trees"]) - truth))
        for number, seed in enumerate(config.seeds):
            part = networks[fold, seed]["labels"][label]
            if part["ids"] != [dataset.ids[i] for i in test]:
                raise ValueError(f"predictions of fold {fold} are not for its crystals")
            network[number].append(np.abs(np.array(part["predicted"]) - truth))
    masks = {
        "all": np.full(idle[dataset.name].size, True),
        ACTIVE: ~idle[dataset.name],
        IDLE: idle[dataset.name],
    }
    if label == TAIL_LABEL:
        masks[f"{label} < {TAIL_LIMIT:g}"] = np.concatenate(truths) < TAIL_LIMIT
    pooled = [np.concatenate(errors) for errors in network]
    return LabelScore(
        label=label,
        dataset=dataset.name,
        unit=dataset.units[label],
        parts=_parts(masks, [np.concatenate(median)], [np.concatenate(trees)], pooled),
        folds=tuple(
            FoldScore(
                fold=fold,
                num_crystals=len(truths[number]),
                median_mae=float(median[number].mean()),
                trees_mae=float(trees[number].mean()),
                network_mae=tuple(float(errors[number].mean()) for errors in network),
            )
            for number, fold in enumerate(config.folds)
        ),
        std_over_folds=_std(
            [
                np.mean([errors[number].mean() for errors in network])
                for number in range(len(median))
            ]
        ),
    )


def _elsewhere_score(
    networks: Mapping[tuple[int, int], Part],
    baselines: Mapping[int, Part],
    elsewhere: OutOfDistribution,
    formation: Dataset,
) -> ElsewhereScore:
    values, known = elsewhere.values, elsewhere.is_known(formation)
    masks = {"all": np.full(len(values), True), UNKNOWN: ~known}
    predicted = np.array([part["wbm"] for part in networks.values()])
    fitted = [part["wbm"] for part in baselines.values()]
    ensemble = np.abs(predicted.mean(0) - values)
    return ElsewhereScore(
        label=f"{OutOfDistribution.TRAINED_AS} -> wbm {OutOfDistribution.LABEL}",
        unit=formation.units[OutOfDistribution.TRAINED_AS],
        parts=_parts(
            masks,
            [np.abs(part["median"] - values) for part in fitted],
            [np.abs(np.array(part["trees"]) - values) for part in fitted],
            list(np.abs(predicted - values)),
        ),
        ensemble_mae=tuple(float(ensemble[mask].mean()) for mask in masks.values()),
        known_ids=tuple(elsewhere.ids[i] for i in np.flatnonzero(known)),
    )


def _parts(
    masks: Mapping[str, NDArray[np.bool_]],
    median: list[Floats],
    trees: list[Floats],
    network: list[Floats],
) -> tuple[PartScore, ...]:
    """Errors of the crystals of each mask; every list holds one or several (E,) errors."""
    scores = []
    for part, mask in masks.items():
        if mask.any():
            means = [float(errors[mask].mean()) for errors in network]
            scores.append(
                PartScore(
                    part=part,
                    num_crystals=int(mask.sum()),
                    median_mae=float(np.mean([errors[mask].mean() for errors in median])),
                    trees_mae=float(np.mean([errors[mask].mean() for errors in trees])),
                    network_mae=float(np.mean(means)),
                    network_std=_std(means),
                )
            )
    return tuple(scores)


def _std(values: list[float]) -> float | None:
    """Sample standard deviation; None for a single value."""
    return None if len(values) < 2 else float(np.std(values, ddof=1))
