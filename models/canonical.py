"""The canonical cell: one primitive, reduced, right-handed description per crystal.

Whatever cell, origin or site order a crystal is given in, the network sees the same primitive
cell and the same set of equally good bases. All work is done in float64. Bases are 3 x 3 integer
matrices acting on lattice *columns*, ``A_k = A U_k`` with ``A = lattice.T``.
"""

from __future__ import annotations

import functools
import itertools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import spglib
from numpy.typing import NDArray

from models.crystal import Crystal, CrystalError

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
        is_primitive_certain: False if the symmetry search failed and the cell was kept as given.
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
def _reduction_costs() -> NDArray[np.float64]:
    """(3480, 9) matrices U U^T, flattened: tr((A U)^T (A U)) = sum of U U^T times the metric."""
    steps = unimodular_matrices()
    return (steps @ np.swapaxes(steps, 1, 2)).reshape(-1, 9).astype(np.float64)


def primitive_cell(crystal: Crystal, symprec: float) -> tuple[Crystal, bool]:
    """A primitive cell in the crystal's own orientation, and whether the search succeeded.

    Args:
        crystal: any cell.
        symprec: [Angstrom] distance within which atoms count as equivalent.
    """
    found = _search(
        spglib.standardize_cell,
        (crystal.lattice, crystal.frac_coords, crystal.numbers),
        to_primitive=True,
        no_idealize=True,
        symprec=symprec,
    )
    if found is None:
        return crystal, False
    lattice, frac_coords, numbers = found
    return Crystal(numbers, lattice, frac_coords), True


def _search(find: Callable[..., Any], *args: object, **options: object) -> Any:
    """Result of a spglib search, None if it fails.

    Releases from 2.7 on warn at every call that failures will be raised in place of returning
    None; both ways mean the same here.
    """
    failures = getattr(spglib, "SpglibError", ())
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Set OLD_ERROR_HANDLING")
        try:
            return find(*args, **options)
        except failures:
            return None


def right_handed(crystal: Crystal) -> Crystal:
    """The same crystal with all three lattice vectors negated if they are left-handed.

    Negating all three, never one, turns the canonical vectors c of a mirror image into -c, under
    which the network is even: this is what makes predictions exactly invariant to reflections.
    """
    if np.linalg.det(crystal.lattice) > 0:
        return crystal
    return Crystal(crystal.numbers, -crystal.lattice, -crystal.frac_coords)


def change_basis(crystal: Crystal, basis: NDArray[np.int64]) -> Crystal:
    """The same crystal in lattice vectors (columns) ``lattice.T @ basis``, ``basis`` unimodular."""
    inverse = np.rint(np.linalg.inv(basis))
    return Crystal(crystal.numbers, basis.T @ crystal.lattice, crystal.frac_coords @ inverse.T)


def pairwise_reduced(crystal: Crystal) -> Crystal:
    """The same crystal without long skews: no vector reaches over more than half of another.

    Lagrange's reduction of one pair after the other, with rounded steps, so that a cell sheared a
    thousand times over needs few of them. Handedness is kept.
    """
    for _ in range(MAX_REDUCTION_STEPS):
        metric = crystal.lattice @ crystal.lattice.T
        overlaps = metric / np.diag(metric)
        np.fill_diagonal(overlaps, 0.0)
        i, j = np.unravel_index(np.abs(overlaps).argmax(), overlaps.shape)
        if abs(overlaps[i, j]) <= 0.5 + REDUCTION_MARGIN:
            return crystal
        basis = np.eye(3, dtype=np.int64)
        basis[j, i] = -np.rint(overlaps[i, j])
        crystal = change_basis(crystal, basis)
    raise CrystalError("the lattice is too skewed to be reduced")


def minkowski_reduced(crystal: Crystal) -> Crystal:
    """The same crystal on the shortest possible lattice vectors, handedness kept.

    After ``pairwise_reduced``, repeatedly applies the matrix of ``unimodular_matrices`` that gives
    the smallest trace of the metric; a basis that none of them shortens satisfies Minkowski's
    conditions, whose coefficients in three dimensions are all in {-1, 0, 1}.

    Raises:
        CrystalError: if the lattice is so skewed that rounding keeps it from being reduced.
    """
    crystal = pairwise_reduced(crystal)
    steps = unimodular_matrices()
    for _ in range(MAX_REDUCTION_STEPS):
        metric = crystal.lattice @ crystal.lattice.T
        traces = _reduction_costs() @ metric.ravel()
        best = int(np.argmin(traces))
        if traces[best] > np.trace(metric) * (1 - REDUCTION_MARGIN):
            return crystal
        crystal = change_basis(crystal, steps[best])
    raise CrystalError("the lattice is too skewed to be reduced")


def shortest_bases(lattice: NDArray[np.float64], tolerance: float) -> NDArray[np.int64]:
    """(K, 3, 3) the canonical bases of a reduced lattice.

    Of all bases A U with U from ``unimodular_matrices`` those with the lexicographically smallest
    (G11, G22, G33, -G23, -G13, -G12), where G is their metric.

    Args:
        lattice: (3, 3) [Angstrom] Minkowski-reduced vectors as rows.
        tolerance: entries closer than ``tolerance * tr(G) / 3`` count as equal.
    """
    candidates = unimodular_matrices()
    metric = lattice @ lattice.T
    metrics = np.swapaxes(candidates, 1, 2) @ metric @ candidates
    margin = tolerance * np.trace(metric) / 3
    for row, column, sign in ((0, 0, 1), (1, 1, 1), (2, 2, 1), (1, 2, -1), (0, 2, -1), (0, 1, -1)):
        key = sign * metrics[:, row, column]
        kept = key <= key.min() + margin
        candidates, metrics = candidates[kept], metrics[kept]
    return candidates


def basis_representatives(
    bases: NDArray[np.int64], crystal: Crystal, tolerance: float
) -> NDArray[np.int64]:
    """One basis of each class that the crystal's point operations, up to sign, connect.

    With fractional operations W, bases k and l are equivalent if ``U_l U_k^{-1}`` is W or -W.

    Args:
        bases: (K, 3, 3) equally good bases.
        crystal: the cell that they refer to.
        tolerance: [Angstrom] of the operations. Bases that an operation connects only roughly give
            different predictions and are kept, so this is much finer than that of the primitive
            cell.
    """
    if len(bases) == 1:
        return bases
    cell = (crystal.lattice, crystal.frac_coords, crystal.numbers)
    symmetry = _search(spglib.get_symmetry, cell, symprec=tolerance)
    if symmetry is None:
        return bases
    operations = {tuple(w.ravel()) for w in symmetry["rotations"].astype(np.int64)}
    inverses = np.rint(np.linalg.inv(bases)).astype(np.int64)
    representatives: list[int] = []
    for k in range(len(bases)):
        connections = (bases[k] @ inverses[r] for r in representatives)
        if not any(
            tuple(w.ravel()) in operations or tuple(-w.ravel()) in operations for w in connections
        ):
            representatives.append(k)
    return bases[representatives]


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
        CrystalError: if the lattice is too skewed to be reduced.
    """
    # The symmetry search loses its way in very skewed cells, so it is given a reduced one.
    reduced = minkowski_reduced(right_handed(crystal))
    primitive, is_certain = primitive_cell(reduced, symprec)
    reduced = minkowski_reduced(right_handed(primitive))
    tied = shortest_bases(reduced.lattice, metric_tolerance)
    bases = basis_representatives(tied, reduced, class_tolerance)
    return CanonicalCell(reduced, bases, len(tied), is_certain)
