"""Graphs and standardised labels of one or several data sets, ready for training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from models.datasets import Dataset, Split, load_dataset
from models.graph import CrystalGraph, GraphSettings
from models.graph_cache import load_graphs
from models.labels import Label
from models.network import NetworkConfig
from models.network_graph import network_graph, seen_by
from models.training_set import MAX_CRYSTALS, TrainingCrystals, TrainingSet


class LabelSpec(BaseModel):
    """A label of a shipped data set, written ``dataset:label`` on the command line."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    label: str

    @classmethod
    def parse(cls, text: str) -> LabelSpec:
        """The label of ``"dataset:label"``.

        Raises:
            ValueError: if the text has another form or names no shipped label.
        """
        dataset, colon, label = text.partition(":")
        if not colon:
            raise ValueError(f"a label is written dataset:label (formation:ef), got {text!r}")
        known = load_dataset(dataset).labels
        if label not in known:
            raise ValueError(f"{dataset} has no label {label!r}; it has {', '.join(known)}")
        return cls(dataset=dataset, label=label)


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Crystals of all data sets, one after the other.

    Attributes:
        ids: (D,) ``dataset/id`` of each crystal.
        graphs: (D,) canonical graphs.
        labels: (L,) labels, standardised by the training crystals.
        targets: (D, L) standardised values; NaN where a crystal does not carry the label.
        train, validation, test: indices into the crystals; folds follow the reduced formula over
            the union of the data sets, so that no formula is on two sides.
        sha256: data set name to hash of its records.
        training_set: record of the training crystals; None if it is not known or too large. That of
            other crystals than ``train`` is left out.
    """

    ids: tuple[str, ...]
    graphs: tuple[CrystalGraph, ...]
    labels: tuple[Label, ...]
    targets: NDArray[np.float64]
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]
    sha256: dict[str, str]
    training_set: TrainingSet | None = None

    def __post_init__(self) -> None:
        if self.training_set is not None:
            parts = self.training_set.crystals.items()
            recorded = [f"{name}/{id_}" for name, part in parts for id_ in part.id]
            if recorded != [self.ids[index] for index in self.train]:
                object.__setattr__(self, "training_set", None)

    @property
    def num_frame_fallbacks(self) -> int:
        """Crystals whose principal axes were asked for but are not defined (QR frames instead)."""
        return sum(graph.has_frame_fallback for graph in self.graphs)


def load_training_data(
    specs: Sequence[LabelSpec],
    settings: GraphSettings,
    test_fold: int | None,
    on_graph: Callable[[int], None] = lambda total: None,
    *,
    network: NetworkConfig | None = None,
    has_validation: bool = True,
    cache: Path | None = None,
    workers: int | None = None,
) -> TrainingData:
    """Load, split, standardise and build graphs, or take them from the cache.

    Args:
        specs: labels; the first one is the target.
        settings: of the graphs.
        test_fold: held-out fold, 0 to 4; None trains on everything.
        on_graph: called with the total number of crystals after every graph.
        network: variant that the graphs are for; None for the default one.
        has_validation: the fold after the held-out one validates; False trains on it as well.
        cache: directory of the graph cache; None for the user's.
        workers: processes that build graphs; None for as many as pay.
    """
    names = list(dict.fromkeys(spec.dataset for spec in specs))
    datasets = {name: load_dataset(name) for name in names}
    offsets = dict(zip(names, np.cumsum([0, *map(len, datasets.values())])[:-1], strict=True))
    total = sum(map(len, datasets.values()))

    splits = {
        name: training_split(datasets[name], test_fold, has_validation=has_validation)
        for name in names
    }
    parts = {
        part: np.concatenate([getattr(splits[name], part) + offsets[name] for name in names])
        for part in ("train", "validation", "test")
    }
    labels = tuple(_fit(spec, datasets[spec.dataset], splits[spec.dataset].train) for spec in specs)
    targets = np.full((total, len(specs)), np.nan)
    for column, (spec, label) in enumerate(zip(specs, labels, strict=True)):
        start, values = offsets[spec.dataset], datasets[spec.dataset].labels[spec.label]
        targets[start : start + len(values), column] = label.standardise(values)

    variant = NetworkConfig() if network is None else network
    graphs: list[CrystalGraph] = []
    for name in names:
        crystals = datasets[name].crystals
        built = load_graphs(
            crystals,
            settings,
            datasets[name].sha256,
            directory=cache,
            workers=workers,
            on_graph=lambda: on_graph(total),
        )
        graphs += [
            # Principal axes in all signs are not among the frames of a stored graph.
            network_graph(crystal, settings, variant)
            if variant.frame == "pca_fa"
            else seen_by(graph, variant)
            for crystal, graph in zip(crystals, built, strict=True)
        ]
    hashes = {name: datasets[name].sha256 for name in names}
    num_sites = {
        name: [graph.num_sites for graph in graphs[offsets[name] :][: len(datasets[name])]]
        for name in names
    }
    record = {
        name: TrainingCrystals.of(datasets[name], splits[name].train, num_sites[name])
        for name in names
    }
    return TrainingData(
        tuple(f"{name}/{id_}" for name in names for id_ in datasets[name].ids),
        tuple(graphs),
        labels,
        targets,
        **parts,
        sha256=hashes,
        training_set=TrainingSet(data_sha256=hashes, crystals=record)
        if len(parts["train"]) <= MAX_CRYSTALS
        else None,
    )


def training_split(dataset: Dataset, test_fold: int | None, *, has_validation: bool) -> Split:
    """The crystals of a data set that are trained on, and those that are not.

    Args:
        dataset: one of those that are trained on.
        test_fold: held-out fold, 0 to 4; None trains on everything.
        has_validation: the fold after the held-out one validates; False trains on it as well.
    """
    none = np.arange(0)
    if test_fold is None:
        return Split(np.arange(len(dataset)), none, none)
    split = dataset.split(test_fold)
    if has_validation:
        return split
    return Split(np.union1d(split.train, split.validation), none, split.test)


def _fit(spec: LabelSpec, dataset: Dataset, train: NDArray[np.int64]) -> Label:
    return Label.fit(
        spec.label,
        spec.dataset,
        dataset.units[spec.label],
        dataset.descriptions[spec.label],
        dataset.labels[spec.label][train],
    )
