"""Predictions of several orderings of one disordered structure as one: their mean and scatter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models.labels import Label

# G graphs, R structures with one or more graphs each, L labels


def means_of_structures(values: NDArray[np.float64], sizes: Sequence[int]) -> NDArray[np.float64]:
    """(..., R, L) means over the graphs of each structure.

    Args:
        values: (..., G, L) of all graphs, those of a structure side by side.
        sizes: (R,) number of graphs of each structure.
    """
    if len(sizes) == values.shape[-2]:
        return values
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    sums = np.add.reduceat(values, starts, axis=-2)
    return sums / np.array(sizes, dtype=np.float64)[:, None]


def scatter_note(values: Mapping[str, NDArray[np.float64]], labels: Sequence[Label]) -> str:
    """A line about the orderings that a prediction is the mean of.

    Args:
        values: label name to (N,) predictions of the N orderings.
        labels: that are shown.
    """
    parts = [
        f"{label.name} {values[label.name].std(ddof=1):.2g}"
        + ("" if label.unit == "1" else f" {label.unit}")
        for label in labels
    ]
    number = len(next(iter(values.values())))
    return f"mean of {number} orderings, standard deviation {', '.join(parts)}"
