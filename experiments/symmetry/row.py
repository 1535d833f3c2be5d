"""One row of the table: what was compared, how far it came apart, and whether that is right."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from experiments.symmetry.columns import Where

EXACT: dict[Where, float] = {"float64": 1e-10, "float32": 1e-5, "chip": 1e-10}
"""Largest spread of exact crystals."""
STORED: dict[Where, float] = {"float64": 1e-6, "float32": 1e-5, "chip": 1e-6}
"""Largest spread of stored crystals, whose coordinates are rounded and relaxed."""
STORED_SHARE = 0.99
"""Share of stored crystals that must keep to it; the rest sits on the edge of a tolerance."""
CANCELLING: dict[Where, float] = {"float64": 1e-12, "float32": 1e-5, "chip": 1e-12}
"""Largest spread where frames cancel exactly."""


@dataclass(frozen=True)
class Comparison:
    """Two sets of outputs that should, or should not, agree.

    Attributes:
        structure: name of the crystal.
        spreads: kind of column to the largest spread in it.
        note: why there is no number, or what it means.
    """

    structure: str
    spreads: Mapping[Where, float]
    note: str = ""


@dataclass(frozen=True)
class Row:
    """Result of one test.

    Attributes:
        name: what was done to the crystals.
        structures: which set of crystals.
        bound: kind of column to the tolerance; those without one are shown but not judged.
        comparisons: all of them.
        is_control: True for a broken model, every structure of which must exceed the bound.
        share: of the comparisons that must lie within the bound.
        passing: for controls, the largest spread of the unbroken model.
        min_ratio: for controls, by which factor they must exceed it.
        skipped: why the row does not apply; then nothing else counts.
    """

    name: str
    structures: str
    bound: Mapping[Where, float] = field(default_factory=dict)
    comparisons: Sequence[Comparison] = ()
    is_control: bool = False
    share: float = 1.0
    passing: Mapping[Where, float] = field(default_factory=dict)
    min_ratio: float = 0.0
    skipped: str = ""

    @property
    def value(self) -> dict[Where, float]:
        """The spread that decides: the worst, for controls the one nearest to passing."""
        extreme = min if self.is_control else max
        wheres = self.comparisons[0].spreads if self.comparisons else ()
        return {w: extreme(_or_infinite(c.spreads[w]) for c in self.comparisons) for w in wheres}

    def within(self, where: Where) -> float:
        """Share of comparisons in a column that lie within its bound."""
        return float(np.mean([c.spreads[where] <= self.bound[where] for c in self.comparisons]))

    @property
    def is_expected(self) -> bool:
        """False if the row says that something is wrong."""
        if self.skipped:
            return True
        if self.is_control:
            return all(self._is_broken(where) for where in self.bound)
        return all(self.within(where) >= self.share for where in self.bound)

    def _is_broken(self, where: Where) -> bool:
        needed = max(self.bound[where], self.min_ratio * self.passing.get(where, 0.0))
        return all(c.spreads[where] > needed for c in self.comparisons)

    @property
    def failures(self) -> list[Comparison]:
        """Comparisons outside a bound, the worst first; none for controls."""
        if self.is_control:
            return []
        outside = [
            c for c in self.comparisons if any(not c.spreads[w] <= b for w, b in self.bound.items())
        ]
        return sorted(outside, key=lambda c: -max(map(_or_infinite, c.spreads.values())))

    @property
    def verdict(self) -> str:
        """One word for the table, and the share within the bound where not all must be."""
        if self.skipped:
            return "skipped"
        if not self.bound:
            return "reported"
        if self.is_control:
            return "seen" if self.is_expected else "NOT SEEN"
        word = "pass" if self.is_expected else "FAIL"
        if self.share == 1:
            return word
        return f"{word}, {min(self.within(where) for where in self.bound):.2%}"


def _or_infinite(value: float) -> float:
    """Outputs that are not numbers agree with nothing."""
    return math.inf if math.isnan(value) else value
