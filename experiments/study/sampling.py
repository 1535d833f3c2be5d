"""Values of the axes at every point of a study: grid, Latin hypercube or Sobol sequence."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
import scipy
from numpy.typing import NDArray

from experiments.study.description import AxisValue, AxisValues, Range, Sobol, StudyDescription
from experiments.study.fields import swept_fields
from photonic.randomness import keyed_generator

MAX_POINTS = 1_048_576
Values = dict[str, AxisValue]
"""Value of every axis at one point."""


def sample_points(study: StudyDescription) -> list[Values]:
    """The values of all axes, point by point; the same description gives the same bits.

    Raises:
        ValueError: if a whole number is needed, or a grid has more than ``MAX_POINTS`` points.
    """
    if study.sampling.method == "grid":
        return list(_grid(study))
    return list(_sample(study, study.sampling.points))


def _grid(study: StudyDescription) -> Iterator[Values]:
    columns = [grid_values(name, values) for name, values in study.axes.items()]
    num_points = math.prod(map(len, columns))
    if num_points > MAX_POINTS:
        raise ValueError(f"the grid has {num_points:,} points, at most {MAX_POINTS:,} are possible")
    for point in itertools.product(*columns):
        yield dict(zip(study.axes, point, strict=True))


def grid_values(name: str, values: AxisValues) -> Sequence[AxisValue]:
    """Values of one axis of a grid.

    Raises:
        ValueError: if a field of whole numbers would get others.
    """
    if not isinstance(values, Range):
        return values
    assert values.num is not None  # checked by the description
    space = np.linspace if values.scale == "lin" else np.geomspace
    numbers = [float(number) for number in space(values.start, values.to, values.num)]
    if swept_fields()[name].kind == "number":
        return numbers
    wrong = next((number for number in numbers if not number.is_integer()), None)
    if wrong is not None:
        raise ValueError(f"axis {name!r} takes whole numbers, its range gives {wrong:g}")
    return [int(number) for number in numbers]


def _sample(study: StudyDescription, num_points: int) -> Iterator[Values]:
    # A seed, because the samplers spawn generators, which one with a key cannot.
    seed = int(keyed_generator(study.seed, "study", study.sampling.method).integers(2**63))
    if isinstance(study.sampling, Sobol):
        shares = scipy.stats.qmc.Sobol(len(study.axes), scramble=True, rng=seed).random(num_points)
    else:
        shares = scipy.stats.qmc.LatinHypercube(len(study.axes), rng=seed).random(num_points)
    columns = [
        sampled_values(name, values, column)
        for (name, values), column in zip(study.axes.items(), shares.T, strict=True)
    ]
    for point in zip(*columns, strict=True):
        yield dict(zip(study.axes, point, strict=True))


def sampled_values(
    name: str, values: AxisValues, shares: NDArray[np.float64]
) -> Sequence[AxisValue]:
    """Values of one axis at given shares of its range, equally likely in its scale.

    Args:
        name: of the axis.
        values: its range, or a list of which each entry is equally likely.
        shares: (P,) in [0, 1).
    """
    if not isinstance(values, Range):
        return [values[int(share * len(values))] for share in shares]
    if swept_fields()[name].kind == "number":
        numbers = _between(values.start, values.to, shares, values.scale)
        return [float(number) for number in numbers.clip(values.start, values.to)]
    # Half a step more on both sides gives the outermost whole numbers their full share.
    low, high = math.ceil(values.start), math.floor(values.to)
    numbers = np.floor(_between(low - 0.5, high + 0.5, shares, values.scale) + 0.5)
    return [int(number) for number in numbers.clip(low, high)]


def _between(
    low: float, high: float, shares: NDArray[np.float64], scale: str
) -> NDArray[np.float64]:
    return low + (high - low) * shares if scale == "lin" else low * (high / low) ** shares
