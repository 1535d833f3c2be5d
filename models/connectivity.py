"""Empty layers and finite bonded groups of a crystal: slabs in vacuum, molecules, clusters."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np

from models.canonical import minkowski_reduced
from models.crystal import Crystal
from models.crystal.species import symbol_of
from models.graph import CrystalGraph

# S sites, E edges

_Point = tuple[float, float, float]
_Bond = tuple[int, _Point]  # bonded site, and vector to it

COVALENT_RADII = (
    0.31, 0.28, 1.28, 0.96, 0.84, 0.76, 0.71, 0.66, 0.57, 0.58, 1.66, 1.41, 1.21, 1.11, 1.07, 1.05,
    1.02, 1.06, 2.03, 1.76, 1.70, 1.60, 1.53, 1.39, 1.39, 1.32, 1.26, 1.24, 1.32, 1.22, 1.22, 1.20,
    1.19, 1.20, 1.20, 1.16, 2.20, 1.95, 1.90, 1.75, 1.64, 1.54, 1.47, 1.46, 1.42, 1.39, 1.45, 1.44,
    1.42, 1.39, 1.39, 1.38, 1.39, 1.40, 2.44, 2.15, 2.07, 2.04, 2.03, 2.01, 1.99, 1.98, 1.98, 1.96,
    1.94, 1.92, 1.92, 1.89, 1.90, 1.87, 1.87, 1.75, 1.70, 1.62, 1.51, 1.44, 1.41, 1.36, 1.36, 1.32,
    1.45, 1.46, 1.48, 1.40, 1.50, 1.50, 2.60, 2.21, 2.15, 2.06, 2.00, 1.96, 1.90, 1.87, 1.80, 1.69,
)  # fmt: skip
"""[Angstrom] of the elements 1 to 96; Cordero et al., Dalton Trans. 2832 (2008), Table 2, carbon
sp3, manganese, iron and cobalt in low spin."""
BOND_FACTOR = 1.3
"""Two atoms are bonded if they are nearer than this times the sum of their covalent radii."""
_SAME_PLACE = (
    0.3  # Angstrom; an atom reached by two ways is the same image, or a lattice vector off
)
_NORMALS = np.array(
    [hkl for hkl in itertools.product((1, 0, -1), repeat=3) if hkl > (0, 0, 0)], dtype=np.float64
)
"""(13, 3) Miller indices of the planes of a reduced cell that are looked between."""
_RADII = np.array([0.0, *COVALENT_RADII])


def widest_gap(crystal: Crystal) -> float:
    """[Angstrom] thickness of the widest layer between two parallel planes that holds no atom.

    Looks between the planes whose Miller indices are -1, 0 or 1 in the reduced cell, centres of
    atoms taken as points.

    Raises:
        CrystalError: if the lattice is too skewed to be reduced.
    """
    reduced = minkowski_reduced(crystal)
    heights = np.sort((_NORMALS @ reduced.frac_coords.T) % 1.0, axis=1)
    gaps = np.diff(heights, axis=1, append=heights[:, :1] + 1.0).max(axis=1)
    spacings = 1.0 / np.linalg.norm(_NORMALS @ np.linalg.inv(reduced.lattice).T, axis=1)
    return float((gaps * spacings).max())


def finite_groups(graph: CrystalGraph) -> tuple[Counter[tuple[str, int]], bool]:
    """Bonded groups that do not go on through the crystal, and whether they are all there is.

    Args:
        graph: its edges reach the bonded neighbours of every site.

    Returns:
        How often each formula with its number of atoms occurs in the primitive cell, ``("H2O", 3)``
        for instance, and True if no atom belongs to a chain, layer or framework.
    """
    receivers, senders = graph.edge_index
    radii = _RADII[np.minimum(graph.numbers, len(COVALENT_RADII))]
    longest = BOND_FACTOR * (radii[receivers] + radii[senders])
    is_bond = np.einsum("ec,ec->e", graph.edge_vector, graph.edge_vector) < longest**2
    bonds: list[list[_Bond]] = [[] for _ in range(graph.num_sites)]
    for i, j, vector in zip(
        receivers[is_bond].tolist(),
        senders[is_bond].tolist(),
        graph.edge_vector[is_bond].tolist(),
        strict=True,
    ):
        bonds[i].append((j, tuple(vector)))
    groups: Counter[tuple[str, int]] = Counter()
    places: dict[int, _Point] = {}
    has_endless = False
    for site in range(graph.num_sites):
        if site not in places:
            members, is_endless = _bonded(site, bonds, places)
            has_endless |= is_endless
            if not is_endless:
                groups[_hill_formula(graph.numbers[members].tolist()), len(members)] += 1
    return groups, not has_endless


def _bonded(
    first: int, bonds: list[list[_Bond]], places: dict[int, _Point]
) -> tuple[list[int], bool]:
    """Sites bonded to the first one, and whether an image of one of them is among them.

    Args:
        first: site to start from.
        bonds: by site.
        places: of the sites that were reached, added to.
    """
    places[first] = (0.0, 0.0, 0.0)
    members, is_endless = [first], False
    for site in members:
        x, y, z = places[site]
        for other, (dx, dy, dz) in bonds[site]:
            reached = (x + dx, y + dy, z + dz)
            if other not in places:
                places[other] = reached
                members.append(other)
            elif not is_endless:
                is_endless = math.dist(places[other], reached) > _SAME_PLACE
    return members, is_endless


def _hill_formula(numbers: list[int]) -> str:
    """Formula in Hill's order: carbon, hydrogen, the others by their symbols."""
    counts = Counter(map(symbol_of, numbers))
    organic = [symbol for symbol in ("C", "H") if symbol in counts and "C" in counts]
    order = [*organic, *sorted(counts.keys() - set(organic))]
    return "".join(symbol + (str(counts[symbol]) if counts[symbol] > 1 else "") for symbol in order)
