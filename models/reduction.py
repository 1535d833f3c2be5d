"""Searches over lattice bases: of a generated lattice, the shortest, all as good.

Works on bare arrays; ``models.canonical`` says what the results mean.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled, part

Floats = NDArray[np.float64]
KEYS = np.array([[0, 0], [1, 1], [2, 2], [1, 2], [0, 2], [0, 1]])
"""Entries of the metric in the order in which bases are compared; the last three negated."""


@compiled
def reduce_lattice(
    lattice: Floats, steps: Floats, costs: Floats, max_steps: int, margin: float
) -> tuple[Floats, Floats, int]:
    """The shortest basis that single steps reach: first of pairs of vectors, then of all three.

    Args:
        lattice: (3, 3) [Angstrom] vectors as rows.
        steps: (M, 3, 3) integer matrices U that may shorten a basis (columns) A to A U.
        costs: (M, 9) their U U^T, so that tr((A U)^T (A U)) = costs . metric.
        max_steps: largest number of steps of each kind.
        margin: relative gain below which a step is rounding.

    Returns:
        (3, 3) reduced vectors as rows, (3, 3) integer basis that leads to them, and the number of
        steps; -1 if they were used up.
    """
    lattice = lattice.copy()
    basis = np.eye(3)
    num_pairs = _reduce_pairs(lattice, basis, max_steps, margin)
    if num_pairs < 0:
        return lattice, basis, -1
    for step in range(max_steps):
        metric = _metric(lattice)
        trace = metric[0, 0] + metric[1, 1] + metric[2, 2]
        best, lowest = 0, np.inf
        for m in range(costs.shape[0]):
            cost = 0.0
            for a in range(3):
                for b in range(3):
                    cost += costs[m, 3 * a + b] * metric[a, b]
            if cost < lowest:
                best, lowest = m, cost
        if lowest > trace * (1 - margin):
            return lattice, basis, num_pairs + step
        _step(lattice, basis, steps[best])
    return lattice, basis, -1


@part
def _reduce_pairs(lattice: Floats, basis: Floats, max_steps: int, margin: float) -> int:
    """Number of steps of Lagrange's reduction in place, largest overlap first; -1 if too many."""
    for step in range(max_steps):
        metric = _metric(lattice)
        first, second, largest = 0, 0, -1.0
        for i in range(3):
            for j in range(3):
                overlap = abs(metric[i, j] / metric[j, j])
                if i != j and overlap > largest:
                    first, second, largest = i, j, overlap
        if largest <= 0.5 + margin:
            return step
        factor = -np.rint(metric[first, second] / metric[second, second])
        for axis in range(3):
            lattice[first, axis] += factor * lattice[second, axis]
            basis[axis, first] += factor * basis[axis, second]
    return -1


@part
def _metric(lattice: Floats) -> Floats:
    metric = np.zeros((3, 3))
    for i in range(3):
        for j in range(3):
            for axis in range(3):
                metric[i, j] += lattice[i, axis] * lattice[j, axis]
    return metric


@part
def _step(lattice: Floats, basis: Floats, step: Floats) -> None:
    """Change both in place: the vectors (columns) A to A U, the basis B to B U."""
    old_lattice, old_basis = lattice.copy(), basis.copy()
    for i in range(3):
        for axis in range(3):
            lattice[i, axis], basis[axis, i] = 0.0, 0.0
            for j in range(3):
                lattice[i, axis] += step[j, i] * old_lattice[j, axis]
                basis[axis, i] += old_basis[axis, j] * step[j, i]


@compiled
def smallest_metrics(
    lattice: Floats, candidates: Floats, keys: NDArray[np.int64], tolerance: float
) -> NDArray[np.int64]:
    """(K,) the candidates U whose metric U^T G U is lexicographically smallest, in their order.

    Args:
        lattice: (3, 3) [Angstrom] vectors as rows; G is their metric.
        candidates: (M, 3, 3) integer matrices.
        keys: (P, 2) entries to compare, one after the other; off the diagonal the larger is better.
        tolerance: entries closer than ``tolerance * tr(G) / 3`` count as equal.
    """
    metric = _metric(lattice)
    margin = tolerance * (metric[0, 0] + metric[1, 1] + metric[2, 2]) / 3
    kept = np.arange(candidates.shape[0])
    count = kept.size
    values = np.empty(count)
    for row, column in keys:
        lowest = np.inf
        for n in range(count):
            u = candidates[kept[n]]
            value = 0.0
            for a in range(3):
                for b in range(3):
                    value += u[a, row] * metric[a, b] * u[b, column]
            values[n] = value if row == column else -value
            lowest = min(lowest, values[n])
        remaining = 0
        for n in range(count):
            if values[n] <= lowest + margin:
                kept[remaining] = kept[n]
                remaining += 1
        count = remaining
    return kept[:count].copy()


def generated_lattice(steps: NDArray[np.int64], denominator: int) -> NDArray[np.int64]:
    """Rows of which the first three generate the (T, 3) steps and ``denominator`` times each axis.

    Gauss's elimination with integers: they form an upper triangle with positive diagonal.
    """
    rows = np.concatenate([steps, denominator * np.eye(3, dtype=np.int64)])
    for pivot in range(3):
        while True:
            left = pivot + np.flatnonzero(rows[pivot:, pivot])
            best = left[np.abs(rows[left, pivot]).argmin()]
            rows[[pivot, best]] = rows[[best, pivot]]
            if len(left) == 1:
                break
            factors = rows[pivot + 1 :, pivot] // rows[pivot, pivot]
            rows[pivot + 1 :] -= factors[:, None] * rows[pivot]
        if rows[pivot, pivot] < 0:
            rows[pivot] *= -1
    return rows
