"""What maps a crystal onto itself: translations inside its cell, and point operations.

Compiled searches of their own, because a general symmetry search (settings, origins, space-group
types) takes ten times as long as the rest of a graph. Both follow the definition: an operation
counts if it brings every site within a tolerance of a site of the same element.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled, part
from models.crystal import MAX_ATOMIC_NUMBER, Crystal
from models.reduction import generated_lattice

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
EQUAL_MISFIT = 1e-9
"""[Angstrom] translations whose misfits differ by less are kept or left out together."""


@dataclass(frozen=True, eq=False)
class Translations:
    """Translations, other than those of the lattice, that map a crystal onto itself.

    Attributes:
        basis: (3, 3) basis of the lattice that all translations generate: vectors as columns, in
            units of the given lattice's, det > 0.
        images: (T, S) the site on which each site comes to lie.
        offsets: (T, S, 3) fractional vector from each site to that image, moved back: zero for
            exact copies.
        is_group: False if translations fit alone but not together, as happens when sites are
            displaced by about the tolerance; those that fit worst were left out.
    """

    basis: Floats
    images: Ints
    offsets: Floats
    is_group: bool

    @property
    def num_copies(self) -> int:
        """Number of primitive cells in the given one."""
        return len(self.images) + 1


def find_translations(crystal: Crystal, tolerance: float) -> Translations:
    """All translations inside the cell.

    A translation of order m is a vector of m-th parts of the lattice's. Each is therefore known
    exactly, and its misfit does not depend on the site that it was found by.

    Args:
        crystal: in a reduced cell.
        tolerance: [Angstrom] largest distance of a moved site from one of its kind.
    """
    denominator, steps, images, offsets, misfits = _translations(
        crystal.lattice, crystal.frac_coords, crystal.numbers, tolerance
    )
    order = np.argsort(misfits, kind="stable")
    is_group = True
    while len(order):
        basis = generated_lattice(steps[order], denominator)[:3]
        if np.diagonal(basis).prod() * (len(order) + 1) == denominator**3:
            return Translations(basis.T / denominator, images[order], offsets[order], is_group)
        is_group = False
        order = order[misfits[order] < misfits[order[-1]] - EQUAL_MISFIT]
    return Translations(np.eye(3), images[:0], offsets[:0], is_group)


def first_of_classes(crystal: Crystal, bases: Ints, tolerance: float) -> Bools:
    """(K,) True for each basis that is connected with no earlier one.

    Bases k and l are connected if ``U_l U_k^{-1}`` or its negative is the fractional matrix of a
    point operation: it strains the lattice by no more than the tolerance over the cube root of the
    volume, and with some translation it maps all sites onto sites of their kind.

    Args:
        crystal: in a primitive cell.
        bases: (K, 3, 3) unimodular.
        tolerance: [Angstrom] largest misfit of a site, and of the lattice over one cell.
    """
    return _first_of_classes(
        crystal.lattice, crystal.frac_coords, crystal.numbers, bases.astype(np.float64), tolerance
    )


@compiled
def _translations(
    lattice: Floats, frac_coords: Floats, numbers: Ints, tolerance: float
) -> tuple[int, Ints, Ints, Floats, Floats]:
    """Common denominator; numerators, images, offsets and largest misfits of all that fit."""
    num_sites = numbers.size
    order, first, last = _kinds(numbers)
    origin, common = _rarest(order, first, last)
    count = last[origin] - first[origin]
    steps = np.empty((count, 3), np.int64)
    images = np.empty((count, num_sites), np.int64)
    offsets = np.empty((count, num_sites, 3))
    misfits = np.empty(count)
    found = 0
    translation = np.empty(3)
    bins = _binned(lattice, frac_coords, tolerance)
    for n in range(first[origin], last[origin]):
        for axis in range(3):
            translation[axis] = frac_coords[order[n], axis] - frac_coords[origin, axis]
        if _round_to_parts(translation, lattice, common, tolerance) == 1:
            continue
        for axis in range(3):
            steps[found, axis] = int(np.rint(translation[axis] * common)) % common
        misfits[found] = _images(
            lattice, frac_coords, frac_coords, translation, first, bins, tolerance, images[found],
            offsets[found],
        )  # fmt: skip
        if misfits[found] <= tolerance:
            found += 1
    return common, steps[:found], images[:found], offsets[:found], misfits[:found]


@part
def _round_to_parts(translation: Floats, lattice: Floats, common: int, tolerance: float) -> int:
    """Order m of a translation, which is rounded in place to m-ths of the lattice vectors.

    1 if it is one of the lattice or none within the tolerance. The order divides the number of
    sites of every kind.
    """
    gap = np.empty(3)
    for parts in range(1, common + 1):
        if common % parts == 0:
            for axis in range(3):
                gap[axis] = translation[axis] - np.rint(translation[axis] * parts) / parts
            if _length(gap, lattice) <= tolerance:
                for axis in range(3):
                    translation[axis] -= gap[axis]
                return parts
    return 1


@part
def _binned(
    lattice: Floats, frac_coords: Floats, tolerance: float
) -> tuple[Ints, Floats, Ints, Ints]:
    """Sites sorted into parallelepipeds of the cell at least ``tolerance`` [Angstrom] thick.

    A large cell is compared with its moved copy thousands of times, so that looking at all pairs of
    sites would take minutes.

    Returns:
        (3,) bins along each axis, (3,) bins that the tolerance spans, (bins + 1,) where the members
        of each start, (S,) members.
    """
    num_sites = frac_coords.shape[0]
    shape, span = np.ones(3, np.int64), np.empty(3)
    volume = 0.0
    for axis in range(3):
        volume += lattice[0, axis] * _cofactor(lattice, 0, axis)
    for i in range(3):
        face = np.sqrt(
            _cofactor(lattice, i, 0) ** 2
            + _cofactor(lattice, i, 1) ** 2
            + _cofactor(lattice, i, 2) ** 2
        )
        shape[i] = max(1, int(min(np.ceil(num_sites ** (1 / 3)), abs(volume) / face / tolerance)))
        span[i] = tolerance * face / abs(volume) * shape[i] + 1e-9  # and rounding
    place = np.empty(num_sites, np.int64)
    starts = np.zeros(shape[0] * shape[1] * shape[2] + 1, np.int64)
    for site in range(num_sites):
        for i in range(3):
            x = frac_coords[site, i] - np.floor(frac_coords[site, i])
            place[site] = place[site] * shape[i] if i else 0
            place[site] += min(int(x * shape[i]), shape[i] - 1)
        starts[place[site] + 1] += 1
    for n in range(1, starts.size):
        starts[n] += starts[n - 1]
    filled, members = starts.copy(), np.empty(num_sites, np.int64)
    for site in range(num_sites):
        members[filled[place[site]]] = site
        filled[place[site]] += 1
    return shape, span, starts, members


@part
def _images(
    lattice: Floats,
    frac_coords: Floats,
    turned: Floats,
    translation: Floats,
    first: Ints,
    bins: tuple[Ints, Floats, Ints, Ints],
    tolerance: float,
    image: Ints,
    offset: Floats,
) -> float:
    """Largest distance [Angstrom] of a moved site from its image; infinite if one has none.

    Sites are moved to ``turned + translation``. Writes the (S,) nearest site of each one's kind,
    the first of several, and the (S, 3) vector to it.
    """
    shape, span, starts, members = bins
    is_taken = np.zeros(image.size, np.bool_)
    largest = 0.0
    low, high, moved = np.empty(3, np.int64), np.empty(3, np.int64), np.empty((1, 3))
    for site in range(image.size):
        best, nearest = np.inf, image.size
        for i in range(3):
            moved[0, i] = turned[site, i] + translation[i]
            x = (moved[0, i] - np.floor(moved[0, i])) * shape[i]
            low[i], high[i] = int(np.floor(x - span[i])), int(np.floor(x + span[i]))
            if high[i] - low[i] >= shape[i]:
                low[i], high[i] = 0, shape[i] - 1
        for a in range(low[0], high[0] + 1):
            for b in range(low[1], high[1] + 1):
                for c in range(low[2], high[2] + 1):
                    place = (a % shape[0] * shape[1] + b % shape[1]) * shape[2] + c % shape[2]
                    for other in members[starts[place] : starts[place + 1]]:
                        if first[other] != first[site]:
                            continue
                        distance = _distance(lattice, moved, 0, frac_coords, other)
                        if distance < best or (distance == best and other < nearest):
                            best, nearest = distance, other
        if best > tolerance or is_taken[nearest]:
            return np.inf
        image[site] = nearest
        is_taken[nearest] = True
        largest = max(largest, best)
        for axis in range(3):
            step = frac_coords[nearest, axis] - moved[0, axis]
            offset[site, axis] = step - np.rint(step)
    return largest


@compiled
def _first_of_classes(
    lattice: Floats,
    frac_coords: Floats,
    numbers: Ints,
    bases: Floats,
    tolerance: float,
) -> Bools:
    order, first, last = _kinds(numbers)
    volume = 0.0
    for axis in range(3):
        volume += lattice[0, axis] * _cofactor(lattice, 0, axis)
    size = abs(volume) ** (1 / 3)
    bins = _binned(lattice, frac_coords, 2 * tolerance)
    is_first = np.zeros(len(bases), np.bool_)
    for k in range(len(bases)):
        is_new = True
        for earlier in range(k):
            if is_first[earlier]:
                matrix = _quotient(bases[k], bases[earlier])
                if _strain(matrix, lattice) * size <= tolerance and (
                    _keeps_sites(
                        matrix, 1.0, lattice, frac_coords, order, first, last, bins, tolerance
                    )
                    or _keeps_sites(
                        matrix, -1.0, lattice, frac_coords, order, first, last, bins, tolerance
                    )
                ):
                    is_new = False
                    break
        is_first[k] = is_new
    return is_first


@part
def _strain(matrix: Floats, lattice: Floats) -> float:
    """Strain that a change of vectors A to A W means, whatever basis it is written in.

    Half the Frobenius norm of T^T T - 1 with T = A W A^{-1}: with the metric G and
    D = W^T G W - G it is half the root of tr(G^{-1} D G^{-1} D).
    """
    metric, change, ratio = np.zeros((3, 3)), np.zeros((3, 3)), np.zeros((3, 3))
    for i in range(3):
        for j in range(3):
            for axis in range(3):
                metric[i, j] += lattice[i, axis] * lattice[j, axis]
    for i in range(3):
        for j in range(3):
            change[i, j] = -metric[i, j]
            for a in range(3):
                for b in range(3):
                    change[i, j] += matrix[a, i] * metric[a, b] * matrix[b, j]
    determinant = 0.0
    for j in range(3):
        determinant += metric[0, j] * _cofactor(metric, 0, j)
    for i in range(3):
        for j in range(3):
            for k in range(3):
                ratio[i, j] += _cofactor(metric, i, k) * change[k, j] / determinant
    squared = 0.0
    for i in range(3):
        for j in range(3):
            squared += ratio[i, j] * ratio[j, i]
    return 0.5 * np.sqrt(max(squared, 0.0))


@part
def _cofactor(matrix: Floats, i: int, j: int) -> float:
    a, b, c, d = (i + 1) % 3, (i + 2) % 3, (j + 1) % 3, (j + 2) % 3
    return matrix[a, c] * matrix[b, d] - matrix[a, d] * matrix[b, c]


@part
def _keeps_sites(
    matrix: Floats,
    sign: float,
    lattice: Floats,
    frac_coords: Floats,
    order: Ints,
    first: Ints,
    last: Ints,
    bins: tuple[Ints, Floats, Ints, Ints],
    tolerance: float,
) -> bool:
    """True if x -> sign matrix x + t maps all sites onto sites of their kind for some t.

    A t that brings the first site of the rarest kind onto another is tried, then improved by the
    mean misfit, so that the answer does not depend on that site.
    """
    num_sites = len(frac_coords)
    turned = _turned(frac_coords, matrix, sign)
    translation, offset = np.empty(3), np.empty((num_sites, 3))
    image = np.empty(num_sites, np.int64)
    origin, _ = _rarest(order, first, last)
    for n in range(first[origin], last[origin]):
        for axis in range(3):
            translation[axis] = frac_coords[order[n], axis] - turned[origin, axis]
        largest = _images(
            lattice, frac_coords, turned, translation, first, bins, 2 * tolerance, image, offset
        )
        if largest <= 2 * tolerance and _scatter(offset, lattice) <= tolerance:
            return True
    return False


@part
def _scatter(offset: Floats, lattice: Floats) -> float:
    """Largest length [Angstrom] of the (S, 3) fractional offsets, after their mean was removed."""
    num_sites = offset.shape[0]
    mean, rest = np.zeros(3), np.empty(3)
    for site in range(num_sites):
        for axis in range(3):
            mean[axis] += offset[site, axis] / num_sites
    largest = 0.0
    for site in range(num_sites):
        for axis in range(3):
            rest[axis] = offset[site, axis] - mean[axis]
        largest = max(largest, _length(rest, lattice))
    return largest


@part
def _turned(frac_coords: Floats, matrix: Floats, sign: float) -> Floats:
    turned = np.zeros(frac_coords.shape)
    for site in range(frac_coords.shape[0]):
        for i in range(3):
            for j in range(3):
                turned[site, i] += sign * matrix[i, j] * frac_coords[site, j]
    return turned


@part
def _kinds(numbers: Ints) -> tuple[Ints, Ints, Ints]:
    """Sites sorted by element, and (S,) first and behind-last place of each site's kind in it."""
    starts = np.zeros(MAX_ATOMIC_NUMBER + 2, np.int64)
    for number in numbers:
        starts[number + 1] += 1
    for number in range(1, starts.size):
        starts[number] += starts[number - 1]
    filled = starts.copy()
    order = np.empty(numbers.size, np.int64)
    first, last = np.empty(numbers.size, np.int64), np.empty(numbers.size, np.int64)
    for site in range(numbers.size):
        number = numbers[site]
        order[filled[number]] = site
        filled[number] += 1
        first[site], last[site] = starts[number], starts[number + 1]
    return order, first, last


@part
def _rarest(order: Ints, first: Ints, last: Ints) -> tuple[int, int]:
    """First site of the rarest kind, and the largest common divisor of the counts of all kinds."""
    origin, common = order[0], 0
    for site in order:
        count = last[site] - first[site]
        if count < last[origin] - first[origin]:
            origin = site
        while count:
            common, count = count, common % count
    return origin, common


@part
def _distance(lattice: Floats, moved: Floats, site: int, frac_coords: Floats, other: int) -> float:
    """Distance [Angstrom] of a moved site from the nearest image of another."""
    x = frac_coords[other, 0] - moved[site, 0]
    y = frac_coords[other, 1] - moved[site, 1]
    z = frac_coords[other, 2] - moved[site, 2]
    x, y, z = x - np.rint(x), y - np.rint(y), z - np.rint(z)
    squared = 0.0
    for axis in range(3):
        squared += (x * lattice[0, axis] + y * lattice[1, axis] + z * lattice[2, axis]) ** 2
    return np.sqrt(squared)


@part
def _length(fractional: Floats, lattice: Floats) -> float:
    squared = 0.0
    for axis in range(3):
        component = 0.0
        for i in range(3):
            component += fractional[i] * lattice[i, axis]
        squared += component**2
    return np.sqrt(squared)


@part
def _quotient(left: Floats, right: Floats) -> Floats:
    """``left @ inv(right)`` of two integer matrices, exact because det(right) = 1."""
    result = np.zeros((3, 3))
    for i in range(3):
        for j in range(3):
            for k in range(3):
                result[i, j] += left[i, k] * _cofactor(right, j, k)
    return result
