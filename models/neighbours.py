"""Compiled periodic neighbour lists: all pairs within a radius, or the nearest with their ties.

The lattice is seen in its own triangular frame, in which the images of a site inside a sphere form
one interval per line: only neighbours are visited, however skewed the cell is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled, part
from models.crystal import Crystal

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
REACH = 1.3
"""First search radius over that of a sphere which holds k + 1 sites on average."""
MAX_START = 12.0
"""[Angstrom] largest first radius: in chains, layers and clusters in a vacuum the average says
nothing about the neighbours of a site, and the sphere would hold millions."""
GROWTH = 1.25
"""Factor to the radius of a site that has fewer than k neighbours in it."""
ROOM = 32
"""Edges per site that there is room for at first, beside twice the k nearest."""
SLACK = 1e-9
"""Relative; pairs at the very end of an interval are looked at, then measured."""


def neighbours_within(crystal: Crystal, cutoff: float) -> tuple[Ints, Floats, Floats]:
    """All directed pairs within ``cutoff`` [Angstrom], images included.

    Returns:
        (2, E) receiver and sender, sorted by receiver, then length; (E, 3) [Angstrom] vectors,
        (E,) [Angstrom] lengths.
    """
    return _find(crystal, 0, 0.0, cutoff)


def nearest_neighbours(
    crystal: Crystal, num_neighbours: int, tie_tolerance: float
) -> tuple[Ints, Floats, Floats]:
    """The k nearest neighbours of every site and all that tie with the k-th.

    Keeps every pair with length <= D_k + tie_tolerance, D_k the k-th smallest of the receiver.

    Returns:
        as ``neighbours_within``.
    """
    return _find(crystal, num_neighbours, tie_tolerance, 0.0)


def nearest_edges(
    crystal: Crystal, num_neighbours: int, tie_tolerance: float
) -> tuple[Ints, Floats]:
    """Pairs and vectors of ``nearest_neighbours``."""
    return nearest_neighbours(crystal, num_neighbours, tie_tolerance)[:2]


def _find(
    crystal: Crystal, k: int, tie_tolerance: float, radius: float
) -> tuple[Ints, Floats, Floats]:
    """Pairs, vectors and lengths, in room that is doubled until all edges fit."""
    room = crystal.num_sites * (2 * k + ROOM)
    while True:
        index, vectors, lengths = np.empty((2, room), np.int64), np.empty((room, 3)), np.empty(room)
        found = index, vectors, lengths
        n = _edges(crystal.lattice, crystal.frac_coords, k, tie_tolerance, radius, *found)
        if n <= room:
            return index[:, :n].copy(), vectors[:n].copy(), lengths[:n].copy()
        room = 2 * n


@compiled
def _edges(
    lattice: Floats,
    frac_coords: Floats,
    k: int,
    tie_tolerance: float,
    radius: float,
    index: Ints,
    all_vectors: Floats,
    all_lengths: Floats,
) -> int:
    """Number of edges; those that fit are written: receiver and sender, vectors, lengths.

    Of every receiver the k nearest and their ties; all within ``radius`` if k is 0.
    """
    num_sites = frac_coords.shape[0]
    triangle = _triangle(lattice)
    volume_per_site = triangle[0, 0] * triangle[1, 1] * triangle[2, 2] / num_sites
    average = REACH * (3 * (k + 1) * volume_per_site / (4 * np.pi)) ** (1 / 3)
    first_cutoff = min(average, MAX_START)
    senders, vectors, lengths = np.empty(4 * k + 32, np.int64), _table(4 * k + 32), _row(4 * k + 32)
    total = 0
    for receiver in range(num_sites):
        cutoff = first_cutoff if k > 0 else radius
        while True:
            found = _reach(
                triangle, lattice, frac_coords, receiver, cutoff, senders, vectors, lengths
            )
            if found > senders.size:
                senders, vectors, lengths = (
                    np.empty(2 * found, np.int64), _table(2 * found), _row(2 * found)
                )  # fmt: skip
                continue
            order, count = _smallest(lengths, found, k if k > 0 else found, tie_tolerance)
            # Beyond the radius there may be ties that were not looked at.
            if k == 0 or (found >= k and lengths[order[k - 1]] <= cutoff - tie_tolerance):
                break
            cutoff *= GROWTH
        if total + count > all_lengths.size:
            total += count
            continue
        for place in range(count):
            n = order[place]
            index[0, total] = receiver
            index[1, total] = senders[n]
            for axis in range(3):
                all_vectors[total, axis] = vectors[n, axis]
            all_lengths[total] = lengths[n]
            total += 1
    return total


@part
def _table(size: int) -> Floats:
    return np.empty((size, 3))


@part
def _row(size: int) -> Floats:
    return np.empty(size)


@part
def _triangle(lattice: Floats) -> Floats:
    """(3, 3) lower triangle with positive diagonal: the vectors (rows) in their own frame.

    Cholesky factor of the metric.
    """
    triangle = np.zeros((3, 3))
    for i in range(3):
        for j in range(i + 1):
            rest = 0.0
            for axis in range(3):
                rest += lattice[i, axis] * lattice[j, axis]
            for axis in range(j):
                rest -= triangle[i, axis] * triangle[j, axis]
            triangle[i, j] = np.sqrt(rest) if i == j else rest / triangle[j, j]
    return triangle


@part
def _reach(
    triangle: Floats,
    lattice: Floats,
    frac_coords: Floats,
    receiver: int,
    cutoff: float,
    senders: Ints,
    vectors: Floats,
    lengths: Floats,
) -> int:
    """Number of neighbours of one receiver within ``cutoff``; those that fit are written.

    In the frame of the triangle the third component of a vector depends on its third fractional
    one alone, the second on two of them, so that every loop over images has known ends.
    """
    found = 0
    radius = cutoff * (1 + SLACK)
    for sender in range(frac_coords.shape[0]):
        x = frac_coords[sender, 0] - frac_coords[receiver, 0]
        y = frac_coords[sender, 1] - frac_coords[receiver, 1]
        z = frac_coords[sender, 2] - frac_coords[receiver, 2]
        half = radius / triangle[2, 2]
        for n2 in range(int(np.ceil(-half - z)), int(np.floor(half - z)) + 1):
            c = z + n2
            rest = max(0.0, radius**2 - (c * triangle[2, 2]) ** 2)
            centre = y + c * triangle[2, 1] / triangle[1, 1]
            half_1 = np.sqrt(rest) / triangle[1, 1]
            for n1 in range(int(np.ceil(-half_1 - centre)), int(np.floor(half_1 - centre)) + 1):
                b = y + n1
                left = max(0.0, rest - (c * triangle[2, 1] + b * triangle[1, 1]) ** 2)
                middle = x + (c * triangle[2, 0] + b * triangle[1, 0]) / triangle[0, 0]
                half_0 = np.sqrt(left) / triangle[0, 0]
                for n0 in range(int(np.ceil(-half_0 - middle)), int(np.floor(half_0 - middle)) + 1):
                    is_itself = sender == receiver and n0 == 0 and n1 == 0 and n2 == 0
                    if is_itself or not _measure(
                        lattice, x + n0, b, c, cutoff, found, vectors, lengths
                    ):
                        continue
                    if found < senders.size:
                        senders[found] = sender
                    found += 1
    return found


@part
def _measure(
    lattice: Floats,
    a: float,
    b: float,
    c: float,
    cutoff: float,
    found: int,
    vectors: Floats,
    lengths: Floats,
) -> bool:
    """Whether the vector with these fractional components is within reach; written if it fits."""
    x = a * lattice[0, 0] + b * lattice[1, 0] + c * lattice[2, 0]
    y = a * lattice[0, 1] + b * lattice[1, 1] + c * lattice[2, 1]
    z = a * lattice[0, 2] + b * lattice[1, 2] + c * lattice[2, 2]
    length = np.sqrt(x * x + y * y + z * z)
    if length > cutoff:
        return False
    if found < lengths.size:
        vectors[found, 0], vectors[found, 1], vectors[found, 2] = x, y, z
        lengths[found] = length
    return True


@part
def _smallest(lengths: Floats, found: int, k: int, tie_tolerance: float) -> tuple[Ints, int]:
    """Places of the k smallest of the first ``found`` and of their ties, and how many these are.

    Insertion into a sorted list, from which everything behind the k-th and its ties is cut off as
    soon as there are k; equal lengths stay in the order in which they came.
    """
    order = np.empty(found, np.int64)
    count = 0
    for n in range(found):
        if count >= k and lengths[n] > lengths[order[k - 1]] + tie_tolerance:
            continue
        place = count
        while place > 0 and lengths[order[place - 1]] > lengths[n]:
            order[place] = order[place - 1]
            place -= 1
        order[place] = n
        count += 1
        while count > k and lengths[order[count - 1]] > lengths[order[k - 1]] + tie_tolerance:
            count -= 1
    return order, count
