"""What a crystal's structure alone says about how far a prediction for it can be trusted."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from models.crystal.crystal import Crystal
from models.neighbours import neighbours_within

MAX_GAP = 6.0
"""[Angstrom] of a layer without atoms, beyond which it is taken for vacuum; layers of crystals
are 3 to 4 Angstrom apart."""
BOND_FACTOR = 1.3
"""Distance of bonded atoms over the sum of their covalent radii, at most."""
_MAX_BOND = 7.0  # Angstrom; 1.3 times two francium atoms
_IMAGES = 3  # cells along each axis in which molecules are told from chains
# Elements that are no metals, metalloids included: compounds of the others conduct, with few
# exceptions.
_NOT_METALS = {*range(1, 3), *range(5, 11), *range(14, 19), *range(32, 37), *range(51, 55), 85, 86}


def structure_remarks(crystal: Crystal) -> list[str]:
    """Lines on vacuum in the cell and on molecules; empty for a solid through and through."""
    remarks = []
    gap, axis = empty_layer(crystal)
    if gap > MAX_GAP:
        remarks.append(
            f"{gap:.1f} Angstrom without atoms along {'abc'[axis]}: a slab or chain in vacuum, and "
            "no bulk crystal"
        )
    if number := num_molecules(crystal):
        what = "a molecule" if number == 1 else f"{number} molecules"
        remarks.append(f"holds {what} and no bonded solid")
    return remarks


def is_likely_metal(numbers: NDArray[np.int64]) -> bool:
    """True if all elements are metals: their compounds seldom have a gap."""
    return not _NOT_METALS & set(numbers.tolist())


def empty_layer(crystal: Crystal) -> tuple[float, int]:
    """Thickness [Angstrom] of the widest layer between lattice planes that holds no atom, and the
    lattice vector (0, 1, 2) that crosses it.
    """
    heights = crystal.volume / np.linalg.norm(
        np.cross(crystal.lattice[[1, 2, 0]], crystal.lattice[[2, 0, 1]]), axis=1
    )
    places = np.sort(crystal.frac_coords % 1.0, axis=0)
    steps = np.diff(places, axis=0, append=places[:1] + 1.0)
    widths = steps.max(axis=0) * heights
    axis = int(np.argmax(widths))
    return float(widths[axis]), axis


def num_molecules(crystal: Crystal) -> int:
    """Number of molecules in the cell; 0 if bonds connect atoms through the whole crystal.

    Bonds are pairs nearer than ``BOND_FACTOR`` times the sum of covalent radii. Bonded groups are
    molecules if a block of 3 x 3 x 3 cells holds 27 times as many of them as one cell.
    """
    radii = _covalent_radii()[crystal.numbers]
    cutoff = min(2 * BOND_FACTOR * float(radii.max()), _MAX_BOND)
    pairs, vectors, lengths = neighbours_within(crystal, cutoff)
    is_bond = lengths < BOND_FACTOR * (radii[pairs[0]] + radii[pairs[1]])
    (first, second), vectors = pairs[:, is_bond], vectors[is_bond]
    num = crystal.num_sites

    num_groups = _num_groups(num, first, second)
    # Cells between the two ends of each bond.
    steps = np.linalg.solve(crystal.lattice.T, vectors.T).T
    shifts = np.rint(steps - crystal.frac_coords[second] + crystal.frac_coords[first])
    grid = np.stack(np.meshgrid(*[np.arange(_IMAGES)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    weights = np.array([_IMAGES**2, _IMAGES, 1])
    ends = ((grid[:, None] + shifts.astype(np.int64)) % _IMAGES) @ weights
    starts = np.broadcast_to((grid @ weights)[:, None], ends.shape)
    num_images = _num_groups(
        num * len(grid), (starts * num + first).ravel(), (ends * num + second).ravel()
    )
    return num_groups if num_images == len(grid) * num_groups else 0


def _num_groups(num_atoms: int, first: NDArray[np.int64], second: NDArray[np.int64]) -> int:
    """Number of groups of atoms that bonds connect; atoms without bonds are groups too."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(first)), (first, second)), shape=(num_atoms, num_atoms))
    return int(connected_components(graph, directed=False)[0])


@functools.cache
def _covalent_radii() -> NDArray[np.float64]:
    """(119,) [Angstrom] covalent radii by atomic number."""
    import gemmi

    return np.array([0.0, *(gemmi.Element(number).covalent_r for number in range(1, 119))])
