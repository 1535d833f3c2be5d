"""The published splits: rules, sizes, and first and last ids that show that the data are theirs."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from models.datasets.load import DatasetError, Split

SplitRule = Literal["published", "formula"]
"""Which split a loader is asked for: the one of the literature, or that by reduced formula."""

SEED = 123
MATBENCH_SEED = 18012019
MATBENCH_FOLDS = 5

Sizes = tuple[int, int, int]
Ends = tuple[tuple[str, str], tuple[str, str], tuple[str, str]]


@dataclass(frozen=True)
class PublishedSplit:
    """What a table of the literature was made with.

    Attributes:
        num_entries: entries that carry the property.
        sizes: number of train, validation and test entries.
        ends: first and last id of train, validation and test, in the order of the shuffle.
    """

    num_entries: int
    sizes: Sizes
    ends: Ends


def shuffled_positions(num_entries: int) -> list[int]:
    """Positions 0..N-1 in the order of Python's ``random`` after ``random.seed(123)``."""
    positions = list(range(num_entries))
    random.Random(SEED).shuffle(positions)
    return positions


def shuffled_parts(num_entries: int, sizes: Sizes) -> tuple[list[int], list[int], list[int]]:
    """Train from the front of the shuffle, test from its end, validation before it.

    Source: the released code of ComFormer and ALIGNN; checked with published index files.
    """
    positions = shuffled_positions(num_entries)
    num_train, num_validation, num_test = sizes
    return (
        positions[:num_train],
        positions[num_entries - num_validation - num_test : num_entries - num_test],
        positions[num_entries - num_test :],
    )


def default_sizes(num_entries: int) -> Sizes:
    """80, 10 and 10 %, each rounded down, so that up to two entries stay unused."""
    return int(0.8 * num_entries), int(0.1 * num_entries), int(0.1 * num_entries)


def published_split(name: str, ids: Sequence[str], published: PublishedSplit) -> Split:
    """The split behind the published numbers, as positions in ``ids``, ascending.

    Args:
        name: of the data, for messages.
        ids: of all entries that carry the property, in the order of the file.
        published: what the split must look like.

    Raises:
        DatasetError: if the number of entries or an id at the end of a part is another one.
    """
    if len(ids) != published.num_entries:
        raise DatasetError(
            f"{name}: {len(ids):,} entries carry the property, the published split is one of "
            f"{published.num_entries:,}; {_WAY_OUT}"
        )
    parts = shuffled_parts(len(ids), published.sizes)
    names = ("train", "validation", "test")
    for part, positions, expected in zip(names, parts, published.ends, strict=True):
        found = ids[positions[0]], ids[positions[-1]]
        if found != expected:
            raise DatasetError(
                f"{name}: the {part} part runs from {found[0]} to {found[1]}, in the published "
                f"split from {expected[0]} to {expected[1]}: other data or another order; "
                f"{_WAY_OUT}"
            )
    return Split(*(np.sort(np.array(part, dtype=np.int64)) for part in parts))


_WAY_OUT = 'ask for split="formula" if published numbers are not the aim'


def matbench_splits(num_entries: int) -> tuple[Split, ...]:
    """The five folds of a regression task of Matbench v0.1, without validation.

    A shuffle of 0..N-1 by numpy's ``RandomState(18012019)`` is cut into five, the first N mod 5
    parts one longer; that is scikit-learn's ``KFold(5, shuffle=True, random_state=18012019)``.

    Returns:
        Five splits; ``test`` and ``train`` ascending, ``validation`` empty.

    Source: Dunn et al., npj Comput. Mater. 6, 138 (2020); its script for the folds.
    """
    positions = np.random.RandomState(MATBENCH_SEED).permutation(num_entries)
    tests = [np.sort(part) for part in np.array_split(positions, MATBENCH_FOLDS)]
    everything = np.arange(num_entries)
    empty = np.array([], dtype=np.int64)
    return tuple(Split(np.setdiff1d(everything, test), empty, test) for test in tests)
