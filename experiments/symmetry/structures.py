"""The crystals on which symmetry is measured: exact, without symmetry, and stored."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import spglib

from models.crystal import Crystal
from models.datasets import Dataset
from models.graph import neighbours_within
from models.prototypes import prototypes
from photonic.randomness import keyed_generator

GROUP_SYMPREC = 1e-2
"""[Angstrom] tolerance within which stored crystals get their space group."""
CLOSEST = 1.6
"""[Angstrom] shortest distance in random cells."""
HIGHEST_ELEMENT = 83
"""Random cells hold elements up to bismuth."""


@dataclass(frozen=True)
class Named:
    """A crystal and what it is called in tables."""

    name: str
    crystal: Crystal


def exact_structures(num_random: int, max_number: int, seed: int) -> list[Named]:
    """All prototypes, then random triclinic cells.

    Args:
        num_random: random cells.
        max_number: highest atomic number that the model knows.
        seed: of the random cells.
    """
    found = [
        Named(name, crystal)
        for name, crystal in prototypes().items()
        if crystal.numbers.max() <= max_number
    ]
    for index in range(num_random):
        rng = keyed_generator(seed, "symmetry", "triclinic", index)
        crystal = random_triclinic(rng, min(max_number, HIGHEST_ELEMENT))
        found.append(Named(f"random {index}", crystal))
    return found


def random_triclinic(rng: np.random.Generator, max_number: int) -> Crystal:
    """Three to six sites at least 1.6 Angstrom apart in a cell without symmetry."""
    while True:
        lengths = rng.uniform(4.0, 7.0, 3)
        lattice = lengths[:, None] * (np.eye(3) + rng.uniform(-0.35, 0.35, (3, 3)))
        num_sites = int(rng.integers(3, 7))
        numbers = rng.integers(1, max_number + 1, num_sites)
        crystal = Crystal(numbers, lattice, rng.random((num_sites, 3)))
        if neighbours_within(crystal, CLOSEST)[2].size == 0:
            return crystal


def usable(dataset: Dataset, max_number: int) -> list[Named]:
    """The crystals of a data set whose elements the model knows, named by set and id."""
    pairs = zip(dataset.ids, dataset.crystals, strict=True)
    return [
        Named(f"{dataset.name} {key}", crystal)
        for key, crystal in pairs
        if crystal.numbers.max() <= max_number
    ]


def by_space_group(
    crystals: Sequence[Named],
    per_group: int,
    seed: int,
    on_crystal: Callable[[], None] = lambda: None,
) -> list[Named]:
    """Crystals of every space group that occurs, drawn by lot.

    Args:
        crystals: to choose from.
        per_group: crystals of each group, or all if it has fewer.
        seed: of the lot.
        on_crystal: called after each crystal whose group is found.

    Returns:
        By the number of the group, which is added to the name; crystals without a group (the search
        fails) are left out.
    """
    groups: dict[tuple[int, str], list[Named]] = defaultdict(list)
    for named in crystals:
        group = space_group(named.crystal)
        if group is not None:
            groups[group].append(named)
        on_crystal()
    chosen = []
    for (number, symbol), members in sorted(groups.items()):
        order = keyed_generator(seed, "symmetry", "space group", number).permutation(len(members))
        chosen += [
            Named(f"{members[i].name} ({symbol})", members[i].crystal) for i in order[:per_group]
        ]
    return chosen


def space_group(crystal: Crystal) -> tuple[int, str] | None:
    """Number and symbol of the space group; None if the search fails."""
    cell = (crystal.lattice, crystal.frac_coords, crystal.numbers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        text = spglib.get_spacegroup(cell, symprec=GROUP_SYMPREC)
    if text is None:
        return None
    symbol, number = text.split()  # "Pnma (62)"
    return int(number.strip("()")), symbol


def sample(crystals: Sequence[Named], count: int | None, seed: int, key: str) -> list[Named]:
    """A fixed random sample in its order; all if ``count`` is None or too large."""
    if count is None or count >= len(crystals):
        return list(crystals)
    rng = keyed_generator(seed, "symmetry", "stored", key)
    return [crystals[i] for i in rng.permutation(len(crystals))[:count]]
