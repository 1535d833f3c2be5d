"""The canonical cell: one primitive, reduced, right-handed description per crystal.

Whatever cell, origin or site order a crystal is given in, the network sees the same primitive
cell and the same set of equally good bases. All work is done in float64. Bases are 3 x 3 integer
matrices acting on lattice *columns*, ``A_k = A U_k`` with ``A = lattice.T``.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.basis_order import basis_order
from models.crystal import Crystal, CrystalError, check_room
from models.reduction import KEYS, reduce_lattice, smallest_metrics
from models.symmetry import find_translations, first_of_classes

MAX_REDUCTION_STEPS = 1000
REDUCTION_MARGIN = 1e-9  # relative; a step that gains less is rounding


@dataclass(frozen=True, eq=False)
class CanonicalCell:
    """A primitive cell with all its canonical bases.

    Attributes:
        crystal: primitive, Minkowski-reduced, right-handed cell.
        bases: (K, 3, 3) unimodular integer matrices U_k, det +1: the lattice (as columns) in the
            k-th canonical basis is ``crystal.lattice.T @ bases[k]``. One basis for each class of
            bases that the crystal's own point operations do not connect.
        num_tied_bases: number of equally good bases before classes were formed: the order of the
            lattice's proper point group, 1, 2, 4, 6, 8, 12 or 24.
        is_primitive_certain: False if some translations fit the sites alone but not together, and
            those that fit worst were left out.
    """

    crystal: Crystal
    bases: NDArray[np.int64]
    num_tied_bases: int
    is_primitive_certain: bool


@functools.cache
def unimodular_matrices() -> NDArray[np.int64]:
    """(3480, 3, 3) all integer matrices with entries in {-1, 0, 1} and determinant +1.

    They connect all reduced bases of a three-dimensional lattice, and every basis that is not
    Minkowski-reduced is shortened by one of them.
    """
    entries = np.array(list(itertools.product((-1, 0, 1), repeat=9))).reshape(-1, 3, 3)
    a, b, c = entries[:, 0], entries[:, 1], entries[:, 2]
    determinants = np.einsum("ni,ni->n", a, np.cross(b, c))
    return np.ascontiguousarray(entries[determinants == 1])


@functools.cache
def _reduction_steps() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(3480, 3, 3) the unimodular matrices U, and (3480, 9) their U U^T.

    tr((A U)^T (A U)) is the sum of U U^T times the metric.
    """
    steps = unimodular_matrices().astype(np.float64)
    return steps, (steps @ np.swapaxes(steps, 1, 2)).reshape(-1, 9)


def primitive_cell(crystal: Crystal, symprec: float) -> tuple[Crystal, bool]:
    """A primitive cell in the crystal's own orientation, and whether there is no doubt about it.

    Each site of it is the mean over its copies, the first of which gives its place in the list.

    Args:
        crystal: in a reduced cell.
        symprec: [Angstrom] distance within which atoms count as equivalent.
    """
    found = find_translations(crystal, symprec)
    if found.num_copies == 1:
        return crystal, found.is_group
    is_first = found.images.min(axis=0) > np.arange(crystal.num_sites)
    means = crystal.frac_coords + found.offsets.sum(axis=0) / found.num_copies
    frac_coords = means[is_first] @ np.linalg.inv(found.basis).T
    lattice = found.basis.T @ crystal.lattice
    return Crystal(crystal.numbers[is_first], lattice, frac_coords), found.is_group


def right_handed(crystal: Crystal) -> Crystal:
    """The same crystal with all three lattice vectors negated if they are left-handed.

    Negating all three, never one, turns the canonical vectors c of a mirror image into -c, under
    which the network is even: this is what makes predictions exactly invariant to reflections.
    """
    if np.linalg.det(crystal.lattice) > 0:
        return crystal
    return Crystal(crystal.numbers, -crystal.lattice, -crystal.frac_coords)


def minkowski_reduced(crystal: Crystal) -> Crystal:
    """The same crystal on the shortest possible lattice vectors, handedness kept.

    Lagrange's reduction of one pair of vectors after the other, with rounded steps, so that a cell
    sheared a thousand times over needs few of them. Then, repeatedly, the matrix of
    ``unimodular_matrices`` that gives the smallest trace of the metric; a basis that none of them
    shortens satisfies Minkowski's conditions, whose coefficients in three dimensions are all in
    {-1, 0, 1}.

    Raises:
        CrystalError: if the lattice is so skewed that rounding keeps it from being reduced.
    """
    lattice, basis, num_steps = reduce_lattice(
        crystal.lattice, *_reduction_steps(), MAX_REDUCTION_STEPS, REDUCTION_MARGIN
    )
    if num_steps < 0:
        raise CrystalError("the lattice is too skewed to be reduced")
    if num_steps == 0:
        return crystal
    inverse = np.rint(np.linalg.inv(basis))
    return Crystal(crystal.numbers, lattice, crystal.frac_coords @ inverse.T)


def shortest_bases(lattice: NDArray[np.float64], tolerance: float) -> NDArray[np.int64]:
    """(K, 3, 3) the canonical bases of a reduced lattice.

    Of all bases A U with U from ``unimodular_matrices`` those with the lexicographically smallest
    (G11, G22, G33, -G23, -G13, -G12), where G is their metric.

    Args:
        lattice: (3, 3) [Angstrom] Minkowski-reduced vectors as rows.
        tolerance: entries closer than ``tolerance * tr(G) / 3`` count as equal.
    """
    kept = smallest_metrics(lattice, _reduction_steps()[0], KEYS, tolerance)
    return unimodular_matrices()[kept]


def basis_representatives(
    bases: NDArray[np.int64], crystal: Crystal, tolerance: float
) -> NDArray[np.int64]:
    """One basis of each class that the crystal's point operations, up to sign, connect.

    With fractional operations W, bases k and l are equivalent if ``U_l U_k^{-1}`` is W or -W. Of
    each class the first in ``basis_order`` is kept: operations hold within a tolerance,
    so that its members differ a little.

    Args:
        bases: (K, 3, 3) equally good bases.
        crystal: the cell that they refer to.
        tolerance: [Angstrom] of the operations. Bases that an operation connects only roughly give
            different predictions and are kept, so this is much finer than that of the primitive
            cell.
    """
    if len(bases) == 1:
        return bases
    bases = bases[basis_order(bases, crystal)]
    return bases[first_of_classes(crystal, bases, tolerance)]


def canonical_cell(
    crystal: Crystal, *, symprec: float, metric_tolerance: float, class_tolerance: float
) -> CanonicalCell:
    """The canonical cell of a crystal with one basis per inequivalent class.

    Args:
        crystal: any cell, origin and site order.
        symprec: [Angstrom] tolerance of the symmetry search.
        metric_tolerance: relative tolerance for equal metric entries; 1e-5 for exact input, 1e-3
            for relaxed structures.
        class_tolerance: [Angstrom] tolerance of the operations that connect bases.

    Raises:
        CrystalError: if the lattice is too skewed to be reduced; as ``check_room``.
    """
    # In a reduced cell the nearest image of a site is found by rounding.
    reduced = minkowski_reduced(right_handed(crystal))
    check_room(reduced)
    primitive, is_certain = primitive_cell(reduced, symprec)
    if primitive is not reduced:
        reduced = minkowski_reduced(primitive)
    tied = shortest_bases(reduced.lattice, metric_tolerance)
    bases = basis_representatives(tied, reduced, class_tolerance)
    return CanonicalCell(reduced, bases, len(tied), is_certain)
