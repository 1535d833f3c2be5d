"""Singular factors of tiles with the same bits on every processor; for ``photonic.map_linear``.

Libraries of linear algebra choose their instructions by processor, and where singular values are
zero or equal, rounding chooses their vectors. Here the arithmetic is exact (every operation rounds
as IEEE 754 says), and where a subspace has no preferred basis a rule gives it one: the projection
of the unit vector that lies in it best, the first of these on a tie, then the next of what is left.

One-sided Jacobi rotations turn the rows of a matrix until they are orthogonal. They leave alone
what is orthogonal already, so that zero rows, blocks, permutations and identities stay exact.

Source: Hestenes, J. Soc. Ind. Appl. Math. 6, 51 (1958); Demmel and Veselic, SIAM J. Matrix Anal.
Appl. 13, 1204 (1992).
"""

import math
from typing import Any

import numpy as np

from photonic.kernels.compile import exact_kernel, exact_routine

# Shapes: T tiles of m x n; K vectors of D entries, the rows (or columns) of one tile.

_EPS = np.finfo(np.float64).eps
ORTHOGONAL = 8 * _EPS
"""Cosine up to which two vectors count as orthogonal; the square root of D in eps if D > 64."""
EQUAL = 8 * _EPS
"""Singular values that differ by less are equal, and zero below; relative to the largest."""
TIE = 1e-9
"""Projections of unit vectors whose squares differ by less are equally good."""
MAX_SWEEPS = 60
"""Sweeps over all pairs; convergence is quadratic and takes about ten."""


@exact_kernel
def singular_factors(first: int, last: int, tiles: Any, u: Any, singular: Any, vt: Any) -> None:
    """W = U[:, :r] diag(S) V^T[:r, :] of the tiles ``first .. last - 1``, r = min(m, n).

    Args:
        first: first tile.
        last: one beyond the last.
        tiles: (T, m, n) finite; read only.
        u: (T, m, m) filled with orthogonal matrices.
        singular: (T, r) filled, descending, not negative.
        vt: (T, n, n) filled with orthogonal matrices.
    """
    m, n = tiles.shape[1], tiles.shape[2]
    by_row, by_column = np.empty((m, n)), np.empty((n, m))
    for item in range(first, last):
        unit = _power_of_two(tiles[item])
        for i in range(m):
            for j in range(n):
                by_row[i, j] = tiles[item, i, j] / unit
                by_column[j, i] = by_row[i, j]
        num_rows, num_columns = _num_nonzero(by_row), _num_nonzero(by_column)
        if num_rows < num_columns or (num_rows == num_columns and m < n):
            _factor(by_row, u[item], singular[item], vt[item])
            _transpose(u[item])
        else:
            _factor(by_column, vt[item], singular[item], u[item])
            _transpose(u[item])
        for i in range(singular.shape[1]):
            singular[item, i] *= unit


@exact_routine
def _power_of_two(matrix: Any) -> float:
    """A power of two near the largest entry, 1 for a matrix of zeros."""
    largest = 0.0
    for row in matrix:
        for value in row:
            largest = max(largest, abs(value))
    # Outside of 2^-1000 .. 2^1000 the quotient of a power and an entry would not be exact.
    exponent = min(max(math.frexp(largest)[1], -1000), 1000)
    return math.ldexp(1.0, exponent)


@exact_routine
def _num_nonzero(vectors: Any) -> int:
    count = 0
    for vector in vectors:
        for value in vector:
            if value != 0.0:
                count += 1
                break
    return count


@exact_routine
def _transpose(matrix: Any) -> None:
    """Transpose a square matrix in place."""
    for i in range(matrix.shape[0]):
        for j in range(i):
            matrix[i, j], matrix[j, i] = matrix[j, i], matrix[i, j]


@exact_routine
def _factor(vectors: Any, turns: Any, singular: Any, directions: Any) -> None:
    """``vectors`` = turns^T[:, :r] diag(S) directions[:r, :].

    Args:
        vectors: (K, D) read only.
        turns: (K, K) filled with an orthogonal matrix, its rows the combinations of the vectors.
        singular: (min(K, D),) filled, descending.
        directions: (D, D) filled with an orthogonal matrix.
    """
    num, size = vectors.shape
    turned, norms = np.empty((num, size)), np.empty(num)
    for i in range(num):
        for j in range(size):
            turned[i, j] = vectors[i, j]
        for j in range(num):
            turns[i, j] = 0.0
        turns[i, i] = 1.0
    _orthogonalise(turned, turns, norms)
    _sort(norms, turns)
    rank = 0
    while rank < min(num, size) and norms[rank] > EQUAL * norms[0]:
        rank += 1
    start = 0
    while start < rank:
        end = start + 1
        while end < rank and norms[start] - norms[end] <= EQUAL * norms[0]:
            end += 1
        if end - start > 1:
            _choose_basis(turns, start, end)
        start = end
    for i in range(rank):
        _normalise(turns, i, 0)
    _complete(turns, rank)
    _set_directions(vectors, turns, rank, singular, directions)
    _complete(directions, rank)
    _level(singular, norms, rank)


@exact_routine
def _sort(norms: Any, turns: Any) -> None:
    """Sort descending by insertion, rows of ``turns`` along; equal ones stay in their order."""
    for i in range(1, len(norms)):
        place = i
        while place > 0 and norms[place - 1] < norms[place]:
            norms[place - 1], norms[place] = norms[place], norms[place - 1]
            for j in range(turns.shape[1]):
                turns[place - 1, j], turns[place, j] = turns[place, j], turns[place - 1, j]
            place -= 1


@exact_routine
def _orthogonalise(vectors: Any, turns: Any, norms: Any) -> None:
    """Turn pairs of vectors until all are orthogonal, ``turns`` along; fill their lengths.

    Vectors that are rounding beside the largest are left as they are.
    """
    num, size = vectors.shape
    limit = max(ORTHOGONAL, _EPS * math.sqrt(size))
    for _ in range(MAX_SWEEPS):
        largest = 0.0
        for i in range(num):
            norms[i] = math.sqrt(_dot(vectors[i], vectors[i]))
            largest = max(largest, norms[i])
        is_done = True
        for p in range(num):
            for q in range(p + 1, num):
                if min(norms[p], norms[q]) <= EQUAL * largest:
                    continue
                overlap = _dot(vectors[p], vectors[q])
                if abs(overlap) <= limit * norms[p] * norms[q]:
                    continue
                is_done = False
                _rotate(vectors, turns, p, q, norms, overlap)
        if is_done:
            break


@exact_routine
def _rotate(vectors: Any, turns: Any, p: int, q: int, norms: Any, overlap: float) -> None:
    """Turn a pair by the smaller of the two angles that make it orthogonal."""
    ratio = (norms[q] - norms[p]) * (norms[q] + norms[p]) / (2.0 * overlap)
    tangent = 1.0 / (abs(ratio) + math.sqrt(1.0 + ratio * ratio))
    if ratio < 0:
        tangent = -tangent
    cos = 1.0 / math.sqrt(1.0 + tangent * tangent)
    sin = cos * tangent
    for rows in (vectors, turns):
        for i in range(rows.shape[1]):
            a, b = rows[p, i], rows[q, i]
            rows[p, i] = cos * a - sin * b
            rows[q, i] = sin * a + cos * b
    norms[p] = math.sqrt(_dot(vectors[p], vectors[p]))
    norms[q] = math.sqrt(_dot(vectors[q], vectors[q]))


@exact_routine
def _dot(a: Any, b: Any) -> float:
    """Inner product in four sums, an order that vector instructions can keep."""
    s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0
    whole = len(a) // 4 * 4
    for i in range(0, whole, 4):
        s0 += a[i] * b[i]
        s1 += a[i + 1] * b[i + 1]
        s2 += a[i + 2] * b[i + 2]
        s3 += a[i + 3] * b[i + 3]
    for i in range(whole, len(a)):
        s0 += a[i] * b[i]
    return (s0 + s1) + (s2 + s3)


@exact_routine
def _choose_basis(rows: Any, start: int, end: int) -> None:
    """Give the space of the orthonormal rows ``start .. end - 1`` the basis of the module's rule.

    The sum of space_i^T space_i projects onto what is left of the space.
    """
    count, size = end - start, rows.shape[1]
    space, reach = np.empty((count, size)), np.empty(size)
    is_chosen = np.zeros(size, np.bool_)
    for i in range(count):
        for j in range(size):
            space[i, j] = rows[start + i, j]
    for row in range(start, end):
        for j in range(size):
            reach[j] = 0.0
            for i in range(count):
                reach[j] += space[i, j] * space[i, j]
        best = _first_of_largest(reach)
        for j in range(size):
            rows[row, j] = 0.0
            for i in range(count):
                rows[row, j] += space[i, best] * space[i, j]
        _normalise(rows, row, start)
        _clear(rows, row, best, is_chosen)
        for i in range(count):
            overlap = _dot(space[i], rows[row])
            for j in range(size):
                space[i, j] -= overlap * rows[row, j]


@exact_routine
def _complete(rows: Any, count: int) -> None:
    """Fill a square matrix whose first ``count`` rows are orthonormal to an orthogonal one."""
    size = rows.shape[0]
    reach, is_chosen = np.empty(size), np.zeros(size, np.bool_)
    for j in range(size):
        reach[j] = 1.0
        for i in range(count):
            reach[j] -= rows[i, j] * rows[i, j]
    for row in range(count, size):
        best = _first_of_largest(reach)
        for j in range(size):
            rows[row, j] = 0.0
        rows[row, best] = 1.0
        _normalise(rows, row, 0)
        _clear(rows, row, best, is_chosen)
        for j in range(size):
            reach[j] -= rows[row, j] * rows[row, j]


@exact_routine
def _clear(rows: Any, row: int, best: int, is_chosen: Any) -> None:
    """Zero the entries at the unit vectors chosen before; without rounding they would be zero."""
    for j in range(rows.shape[1]):
        if is_chosen[j]:
            rows[row, j] = 0.0
    is_chosen[best] = True


@exact_routine
def _first_of_largest(values: Any) -> int:
    """Place of the first value that no other exceeds by more than a tie."""
    largest = values[0]
    for value in values:
        largest = max(largest, value)
    for j in range(len(values)):
        if values[j] >= largest - TIE:
            return j
    return 0


@exact_routine
def _normalise(rows: Any, row: int, start: int) -> float:
    """Make a row orthogonal to the rows from ``start`` to it, and of length one; return its length.

    Twice is enough (Kahan).
    """
    for _ in range(2):
        for i in range(start, row):
            overlap = _dot(rows[i], rows[row])
            if overlap != 0.0:
                for j in range(rows.shape[1]):
                    rows[row, j] -= overlap * rows[i, j]
    size = math.sqrt(_dot(rows[row], rows[row]))
    for j in range(rows.shape[1]):
        rows[row, j] /= size
    return size


@exact_routine
def _set_directions(vectors: Any, turns: Any, rank: int, singular: Any, directions: Any) -> None:
    """Turned vectors as lengths and orthonormal directions."""
    num, size = vectors.shape
    for i in range(rank):
        for j in range(size):
            directions[i, j] = 0.0
        for k in range(num):
            if turns[i, k] != 0.0:
                for j in range(size):
                    directions[i, j] += turns[i, k] * vectors[k, j]
        singular[i] = _normalise(directions, i, 0)


@exact_routine
def _level(singular: Any, norms: Any, rank: int) -> None:
    """Make singular values descend, and equal ones equal: their mean."""
    start = 0
    while start < rank:
        end, total = start + 1, singular[start]
        while end < rank and norms[start] - norms[end] <= EQUAL * norms[0]:
            total += singular[end]
            end += 1
        mean = total / (end - start)
        if start > 0:
            mean = min(mean, singular[start - 1])
        for i in range(start, end):
            singular[i] = mean
        start = end
    for i in range(rank, len(singular)):
        singular[i] = 0.0
