"""What a network was trained on, and where a crystal lies beside it."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.training_data import training_split
from experiments.training_info import TrainingInfo
from models.crystal import Crystal
from models.crystal.composition import reduced_formula
from models.crystal.remarks import is_likely_metal, structure_remarks
from models.crystal.species import symbol_of
from models.datasets import Dataset, dataset_names, load_dataset
from models.elements import element_table
from models.model import CrystalModel

# T training crystals of one data set, F features of a composition

NUM_NEAREST = 3
"""Training crystals that are named beside a prediction."""
INSULATORS = "dielectric"
"""Data set whose crystals all have a gap; it starts at 0.11 eV."""
SMALLEST_GAP = 0.1
"""[eV] below all gaps that were trained on."""
GAP = "gap"


@dataclass(frozen=True)
class Neighbour:
    """A training crystal near another one.

    Attributes:
        id: of the data set.
        formula: such as ``TiO2``.
        distance: root mean square difference of compositions and volumes per atom, each in
            standard deviations over the training set.
    """

    id: str
    formula: str
    distance: float


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """The crystals of one data set that a network was trained on.

    Attributes:
        name: of the data set.
        labels: that were fitted to it.
        ids: (T,) identifiers.
        crystals: (T,) structures.
        formulas: keys of all reduced formulas.
        elements: atomic numbers that occur.
        volumes: least and largest volume per atom [Angstrom^3].
        max_sites: of the primitive cells.
        features: (T, F) descriptions in standard deviations, see ``describe``.
        mean: (F,) of the descriptions.
        std: (F,) of the descriptions.
    """

    name: str
    labels: tuple[str, ...]
    ids: tuple[str, ...]
    crystals: tuple[Crystal, ...]
    formulas: frozenset[str]
    elements: frozenset[int]
    volumes: tuple[float, float]
    max_sites: int
    features: NDArray[np.float64]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]

    @classmethod
    def of(cls, dataset: Dataset, chosen: NDArray[np.int64], labels: Sequence[str]) -> TrainingSet:
        """The training crystals of a data set.

        Args:
            dataset: shipped.
            chosen: indices of the crystals that were trained on.
            labels: that were fitted to it.
        """
        crystals = tuple(dataset.crystals[index] for index in chosen)
        raw = np.stack([describe(crystal) for crystal in crystals])
        mean, std = raw.mean(axis=0), np.maximum(raw.std(axis=0), 1e-9)
        ids = tuple(dataset.ids[index] for index in chosen)
        volumes = np.exp(raw[:, -1])
        return cls(
            name=dataset.name,
            labels=tuple(labels),
            ids=ids,
            crystals=crystals,
            formulas=frozenset(crystal.formula_key for crystal in crystals),
            elements=frozenset(np.concatenate([c.numbers for c in crystals]).tolist()),
            volumes=(float(volumes.min()), float(volumes.max())),
            max_sites=max(crystal.num_sites for crystal in crystals),
            features=(raw - mean) / std,
            mean=mean,
            std=std,
        )

    def remarks(self, crystal: Crystal, num_sites: int) -> list[str]:
        """Elements and sizes that no crystal of the training set has, one line each.

        Args:
            crystal: of a prediction.
            num_sites: of its primitive cell.
        """
        names = ", ".join(self.labels)
        told = f"the {len(self.ids):,} crystals trained on for {names}"
        remarks = []
        if missing := sorted(set(crystal.numbers.tolist()) - self.elements):
            remarks.append(f"{', '.join(map(symbol_of, missing))} in none of {told}")
        volume, (least, most) = crystal.volume / crystal.num_sites, self.volumes
        if not least <= volume <= most:
            remarks.append(f"{volume:.1f} Angstrom^3 per atom, {least:.1f} to {most:.1f} in {told}")
        if num_sites > self.max_sites:
            remarks.append(f"{num_sites} sites, at most {self.max_sites} in {told}")
        return remarks

    def nearest(self, crystal: Crystal, number: int = NUM_NEAREST) -> list[Neighbour]:
        """The nearest training crystals, the nearest first."""
        offsets = self.features - (describe(crystal) - self.mean) / self.std
        distances = np.sqrt(np.mean(offsets**2, axis=1))
        order = np.argsort(distances, kind="stable")[:number]
        return [
            Neighbour(self.ids[k], reduced_formula(self.crystals[k].numbers), float(distances[k]))
            for k in order
        ]


@dataclass(frozen=True, eq=False)
class Standing:
    """Where a crystal lies beside the training set.

    Attributes:
        formula: reduced, such as ``TiO2``.
        trained_labels: labels for which a crystal of this formula was trained on; None if that is
            not known.
        num_labels: labels of all training sets.
        nearest: training crystals.
        notes: what lies outside of what was trained on.
    """

    formula: str
    trained_labels: tuple[str, ...] | None
    num_labels: int
    nearest: tuple[Neighbour, ...]
    notes: tuple[str, ...]

    @property
    def in_training(self) -> str:
        """``yes``, ``no`` or the labels it is true for; empty if that is not known."""
        if self.trained_labels is None:
            return ""
        if not self.trained_labels:
            return "no"
        is_all = len(self.trained_labels) == self.num_labels
        return "yes" if is_all else f"for {' '.join(self.trained_labels)}"


@dataclass(frozen=True, eq=False)
class TrainingDomain:
    """All that a network was trained on.

    Attributes:
        sets: one for each data set; empty if the checkpoint does not state them.
        reason: why they are not known; else empty.
    """

    sets: tuple[TrainingSet, ...]
    reason: str = ""

    def standing(self, crystal: Crystal, num_sites: int | None = None) -> Standing:
        """Where a crystal lies: formula, nearest training crystals, and what is unusual.

        Args:
            crystal: any cell of it.
            num_sites: of its primitive cell; None for that of this one.
        """
        notes = structure_remarks(crystal)
        for known in self.sets:
            notes += known.remarks(crystal, num_sites or crystal.num_sites)
        key = crystal.formula_key
        trained = tuple(n for known in self.sets if key in known.formulas for n in known.labels)
        nearest = sorted(
            (found for known in self.sets for found in known.nearest(crystal)),
            key=lambda found: found.distance,
        )
        unique = {found.id: found for found in reversed(nearest)}
        best = sorted(unique.values(), key=lambda found: found.distance)[:NUM_NEAREST]
        return Standing(
            formula=reduced_formula(crystal.numbers),
            trained_labels=trained if self.sets else None,
            num_labels=sum(len(known.labels) for known in self.sets),
            nearest=tuple(best),
            notes=tuple(notes),
        )

    def metal_notes(self, crystal: Crystal, values: Mapping[str, float]) -> list[str]:
        """A note if the labels that only insulators have are predicted for a likely metal.

        Args:
            crystal: of the prediction.
            values: digital predictions by label.
        """
        labels = [n for known in self.sets if known.name == INSULATORS for n in known.labels]
        if not labels:
            return []
        reasons = []
        if is_likely_metal(crystal.numbers):
            reasons.append("holds metallic elements only")
        if GAP in values and values[GAP] < SMALLEST_GAP:
            reasons.append(f"has a predicted gap of {values[GAP]:.2f} eV")
        if not reasons:
            return []
        return [
            f"likely a metal ({' and '.join(reasons)}): {', '.join(labels)} mean little, because "
            f"they were trained on crystals with a gap of at least {SMALLEST_GAP} eV"
        ]


@functools.lru_cache(maxsize=4)
def training_domain(model: CrystalModel, labels: tuple[str, ...] | None = None) -> TrainingDomain:
    """The training sets behind some labels of a model, from the account in its checkpoint.

    Args:
        model: from a checkpoint.
        labels: names; None for all.
    """
    by_set: dict[str, list[str]] = {}
    for label in model.labels:
        if labels is None or label.name in labels:
            by_set.setdefault(label.dataset, []).append(label.name)
    try:
        info = TrainingInfo.of(model)
        sets = [_training_set(info, name, names) for name, names in by_set.items()]
    except ValueError as error:
        return TrainingDomain((), f"the training set is not known: {error}")
    return TrainingDomain(tuple(sets))


def _training_set(info: TrainingInfo, name: str, labels: Sequence[str]) -> TrainingSet:
    if name not in dataset_names():
        raise ValueError(f"data set {name!r} is not shipped")
    dataset = load_dataset(name)
    info.check_data(dataset)
    has_validation = info.validation_fold is not None
    split = training_split(dataset, info.test_fold, has_validation=has_validation)
    return TrainingSet.of(dataset, split.train, labels)


def describe(crystal: Crystal) -> NDArray[np.float64]:
    """(F,) mean and standard deviation of element properties over the atoms, and log volume.

    The last entry is the natural logarithm of the volume per atom in cubic Angstrom.
    """
    table = element_table()
    numbers = np.minimum(crystal.numbers, table.max_atomic_number)
    values = table.values[numbers]
    per_atom = np.log(crystal.volume / crystal.num_sites)
    return np.concatenate([values.mean(axis=0), values.std(axis=0), [per_atom]])
