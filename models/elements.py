"""Physical properties of the chemical elements, the input of a site; read from a shipped table."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

# Z atomic number, 0..Zmax with row 0 unused; F features

NUM_STANDARD_ELEMENTS = 94
"""Elements Z = 1..94 set mean and standard deviation; beyond, most values are estimates."""


@dataclass(frozen=True, eq=False)
class ElementTable:
    """Properties of the elements Z = 1..Zmax, indexed by atomic number.

    Attributes:
        names: (F,) names of the features.
        units: (F,) units of ``raw``; ``"1"`` for a pure number.
        values: (Zmax + 1, F) standardised, without unit: zero mean and unit standard deviation
            over Z = 1..94, missing values at the mean; row 0 is zero. Read-only.
        raw: (Zmax + 1, F) in ``units``; NaN where missing and in row 0. Read-only.
        source: program and version that the numbers come from.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    values: NDArray[np.float64]
    raw: NDArray[np.float64]
    source: str

    @property
    def max_atomic_number(self) -> int:
        """Highest atomic number Zmax of the table."""
        return self.raw.shape[0] - 1

    @property
    def num_features(self) -> int:
        """Number of features F."""
        return self.raw.shape[1]

    def column(self, name: str) -> NDArray[np.float64]:
        """(Zmax + 1,) raw values of one feature, NaN where missing.

        Raises:
            ValueError: if there is no such feature.
        """
        if name not in self.names:
            raise ValueError(f"no element feature {name!r}; there are {', '.join(self.names)}")
        return self.raw[:, self.names.index(name)]


@cache
def element_table() -> ElementTable:
    """The shipped table; the same object at every call."""
    text = resources.files("models").joinpath("elements.json").read_text(encoding="utf-8")
    data = json.loads(text)
    features = data["features"]
    raw = np.full((data["max_atomic_number"] + 1, len(features)), np.nan)
    raw[1:] = np.array([feature["values"] for feature in features], dtype=np.float64).T
    values = _standardise(raw)
    raw.flags.writeable = False
    values.flags.writeable = False
    return ElementTable(
        names=tuple(feature["name"] for feature in features),
        units=tuple(feature["unit"] for feature in features),
        values=values,
        raw=raw,
        source=data["source"],
    )


def _standardise(raw: NDArray[np.float64]) -> NDArray[np.float64]:
    """(Zmax + 1, F) standardised values, missing ones at the mean of the known ones."""
    reference = slice(1, NUM_STANDARD_ELEMENTS + 1)
    filled = np.where(np.isnan(raw), np.nanmean(raw[reference], axis=0), raw)
    values = (filled - filled[reference].mean(axis=0)) / filled[reference].std(axis=0)
    values[0] = 0.0
    return values
