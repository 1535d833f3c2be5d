"""What a prediction is worth: how a crystal compares with those that a network was trained on.

Says what is known beforehand (formula, elements, size, nearest training crystals, vacuum,
molecules) and what predicted values give away (metals, values beyond those of training). It changes
no prediction and refuses nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import NamedTuple

from models.connectivity import finite_groups, widest_gap
from models.crystal import Crystal
from models.crystal.species import ATOMIC_NUMBERS, symbol_of
from models.graph import CrystalGraph
from models.labels import Label
from models.training_set import TrainingCrystals, TrainingSet, fingerprints, formula_text

NUM_NEAREST = 3
"""Training crystals of each data set that a report names."""
FAR = 0.4
"""Distance to the nearest training crystal from which on a note tells of it: 1 % of the held-out
crystals of the shipped data are farther."""
MAX_VACUUM = 6.0
"""[Angstrom] thickness of an empty layer from which on a note tells of it; 15 of the 7,116 shipped
crystals have a thicker one."""
_NONMETALS = "H He B C N O F Ne Si P S Cl Ar Ge As Se Br Kr Sb Te I Xe Po At Rn Ts Og"
NONMETALS = frozenset(ATOMIC_NUMBERS[symbol] for symbol in _NONMETALS.split())
"""Atomic numbers of elements that are no metals; the semimetals B, Si, Ge, As, Sb, Te, Po count."""
GAP = "gap"
"""Label that tells metals from insulators [eV]."""
OPEN_GAP = 0.05
"""[eV] a data set with no smaller gap than this holds insulators alone."""
NOT_RECORDED = "training set not recorded: how predictions compare with it is not known"


class TrainingCrystal(NamedTuple):
    """A training crystal near a crystal."""

    id: str
    """``dataset/id``."""
    formula: str
    """Reduced formula, e.g. ``Rb2Te``."""
    distance: float
    """Root mean square difference of standardised properties; see ``TrainingCrystals.nearest``."""


@dataclass(frozen=True)
class DomainReport:
    """How a crystal compares with the training set.

    Attributes:
        formula: reduced, e.g. ``Rb2Te``.
        known_labels: labels, of those that matter, for which a crystal of this formula was trained
            on; None if the training set is not recorded.
        num_labels: labels that matter.
        nearest: data set to its nearest training crystals, the nearest first.
        notes: one line each.
    """

    formula: str
    known_labels: tuple[str, ...] | None
    num_labels: int
    nearest: Mapping[str, Sequence[TrainingCrystal]]
    notes: tuple[str, ...]

    @property
    def in_training(self) -> str:
        """Formula in the training data: yes, no, or the labels it is true for; empty if unknown."""
        if not self.known_labels:
            return "" if self.known_labels is None else "no"
        is_all = len(self.known_labels) == self.num_labels
        return "yes" if is_all else f"for {' '.join(self.known_labels)}"

    @property
    def nearest_of_all(self) -> TrainingCrystal | None:
        """The nearest training crystal of all data sets; None if the set is not recorded."""
        first = [crystals[0] for crystals in self.nearest.values()]
        return min(first, key=lambda crystal: crystal.distance, default=None)


@dataclass(frozen=True, eq=False)
class Domain:
    """What the labels of a network were trained on.

    Attributes:
        training_set: of the network; None if it is not known.
        labels: all of the network.
        chosen: names of those that matter; only their data sets are looked at.
    """

    training_set: TrainingSet | None
    labels: Sequence[Label]
    chosen: Sequence[str]

    @cached_property
    def parts(self) -> list[tuple[str, str, TrainingCrystals]]:
        """Of each data set its name, its chosen labels by commas, and its training crystals."""
        if self.training_set is None:
            return []
        names: dict[str, list[str]] = {}
        for label in self.labels:
            if label.name in self.chosen:
                names.setdefault(label.dataset, []).append(label.name)
        crystals = self.training_set.crystals
        return [(dataset, ", ".join(of), crystals[dataset]) for dataset, of in names.items()]

    @cached_property
    def _ids(self) -> dict[str, list[str]]:
        """Data set to ``dataset/id`` of its training crystals, which all reports share."""
        return {dataset: [f"{dataset}/{id_}" for id_ in part.id] for dataset, _, part in self.parts}

    def report(self, crystal: Crystal, graph: CrystalGraph) -> DomainReport:
        """How a crystal compares with the training crystals.

        Args:
            crystal: in any cell.
            graph: of the crystal.

        Raises:
            CrystalError: if the lattice is too skewed to be reduced.
        """
        key, volume = crystal.formula_key, crystal.volume / crystal.num_sites
        nearest: dict[str, list[TrainingCrystal]] = {}
        far, [fingerprint] = [], fingerprints([key], [volume])
        for dataset, labels, part in self.parts:
            nearest[dataset] = [
                TrainingCrystal(self._ids[dataset][i], formula_text(part.formula[i]), distance)
                for i, distance in part.nearest(fingerprint, NUM_NEAREST)
            ]
            first = nearest[dataset][0]
            if first.distance > FAR:
                far.append(f"{labels} {first.id} ({first.formula}) at {first.distance:.2f}")
        notes = self.notes(crystal, graph)
        if far:
            notes.append(f"far from all training crystals, nearest for {' and '.join(far)}")
        known = [labels.split(", ") for _, labels, part in self.parts if key in part.formulas]
        return DomainReport(
            formula_text(key),
            None if self.training_set is None else tuple(chain.from_iterable(known)),
            len(self.chosen),
            nearest,
            tuple(notes),
        )

    def notes(self, crystal: Crystal, graph: CrystalGraph) -> list[str]:
        """Elements and sizes beyond those of training; vacuum and molecules.

        Arguments and errors as for ``report``.
        """
        elements = set(crystal.numbers.tolist())
        volume, sites = crystal.volume / crystal.num_sites, graph.num_sites
        unknown, other_sites, other_volumes = (defaultdict[str, list[str]](list) for _ in range(3))
        for _, labels, part in self.parts:
            if missing := sorted(elements - part.elements):
                unknown[", ".join(map(symbol_of, missing))].append(labels)
            few, many = part.site_range
            if not few <= sites <= many:
                other_sites[f"{few} to {many}"].append(labels)
            low, high = part.volume_range
            if not low <= volume <= high:
                other_volumes[f"{low:.1f} to {high:.1f}"].append(labels)
        cell = "1 site" if sites == 1 else f"{sites} sites"
        notes = (
            _listed("elements without training crystals:", unknown),
            _listed(f"{cell} in the primitive cell, in training", other_sites),
            _listed(f"{volume:.1f} Angstrom^3 per atom, in training", other_volumes),
        )
        return [*filter(None, notes), *structure_notes(crystal, graph)]

    def value_notes(self, crystal: Crystal, values: Mapping[str, float]) -> list[str]:
        """What predicted values give away: likely metals, values beyond those of training.

        A data set whose gaps are all open holds insulators alone, and its labels mean nothing for a
        metal. A crystal counts as a likely metal if it consists of metallic elements only, or if
        its predicted gap is smaller than any that was trained on.

        Args:
            crystal: in any cell.
            values: label name to predicted value, of all labels of the network.
        """
        notes = []
        for dataset, labels, part in self.parts:
            low = part.labels.get(GAP, (0.0, 0.0))[0]
            if low > OPEN_GAP and (reason := self._sign_of_metal(dataset, low, crystal, values)):
                notes.append(
                    f"likely a metal ({reason}): {labels} were trained on insulators with gaps "
                    f"from {low:.2f} eV on"
                )
        for label in self.labels:
            if label.name in self.chosen and self.training_set is not None:
                low, high = self.training_set.crystals[label.dataset].labels[label.name]
                value, unit = values[label.name], "" if label.unit == "1" else f" {label.unit}"
                is_below_gap = label.name == GAP and value < low  # told above
                if not (low <= value <= high or is_below_gap):
                    notes.append(
                        f"{label.name} {value:.3g}{unit} is beyond the training values "
                        f"{low:.3g} to {high:.3g}"
                    )
        return notes

    def _sign_of_metal(
        self, dataset: str, low: float, crystal: Crystal, values: Mapping[str, float]
    ) -> str:
        """Why a crystal is likely a metal; empty if it is not."""
        if NONMETALS.isdisjoint(crystal.numbers.tolist()):
            return "metallic elements only"
        has_gap = any(x.name == GAP and x.dataset == dataset for x in self.labels)
        if has_gap and values[GAP] < low:
            return f"predicted gap {values[GAP]:.2f} eV"
        return ""


def _listed(what: str, found: Mapping[str, Sequence[str]]) -> str:
    """A note that lists what was found and the labels it was found for; empty for nothing."""
    parts = (f"{text} for {', '.join(labels)}" for text, labels in found.items())
    return f"{what} {' and '.join(parts)}" if found else ""


def structure_notes(crystal: Crystal, graph: CrystalGraph) -> list[str]:
    """Vacuum and molecules.

    Raises:
        CrystalError: if the lattice is too skewed to be reduced.
    """
    notes = []
    gap = widest_gap(crystal)
    if gap > MAX_VACUUM:
        notes.append(f"a layer of {gap:.1f} Angstrom holds no atom: vacuum is no part of a crystal")
    groups, is_all = finite_groups(graph)
    if is_all or any(size > 1 for _, size in groups):
        text = ", ".join(f"{count} {name}" for (name, _), count in groups.most_common(5))
        more = ", ..." if len(groups) > 5 else ""
        extent = "all" if is_all else "some"
        notes.append(
            f"molecules, ions or single atoms: {extent} bonded groups are finite ({text}{more} in "
            "the primitive cell)"
        )
    return notes
