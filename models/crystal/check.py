"""Refuses structures that a crystal model cannot say anything about, naming the site to blame.

Atoms that overlap are found by ``models.graph``; partly occupied sites never become a ``Crystal``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.crystal.crystal import Crystal, CrystalError
from models.crystal.species import symbol_of
from models.elements import element_table
from models.graph import check_distances, neighbours_within

MAX_SITES = 1000
"""Sites of a cell as given; graphs and batches are made for unit cells."""
MAX_NEIGHBOUR_DISTANCE = 6.0
"""[Angstrom] an atom without neighbours nearer than this is isolated. CHGNet draws the same line;
the loneliest atom of the shipped data, Cs in mp-11832, has its neighbour at 5.47 Angstrom."""
MAX_IMAGES = 100_000
"""Images of the cell within that distance; flat or needle-like cells have too many to search."""
_FIRST_SEARCH = 3.0  # Angstrom; nearly every atom has a neighbour here, and the search is short


def check_usable(crystal: Crystal, max_atomic_number: int | None = None) -> None:
    """Refuse a crystal that is too large, too sparse, too dense or of unknown elements.

    Args:
        crystal: any cell of it.
        max_atomic_number: highest atomic number that the model has features for; None for that of
            the shipped element table.

    Raises:
        CrystalError: for more than 1,000 sites, an element beyond the table, a cell that is too
            flat to search, two atoms nearer than 0.5 Angstrom, or an atom without a neighbour
            within 6 Angstrom.
    """
    check_number_of_sites(crystal.num_sites)
    if max_atomic_number is None:
        max_atomic_number = element_table().max_atomic_number
    _check_elements(crystal.numbers, max_atomic_number)
    _check_cell(crystal)
    check_distances(crystal)
    _check_neighbours(crystal)


def check_number_of_sites(num_sites: int) -> None:
    """Refuse a cell with too many sites; readers ask before they build it.

    Raises:
        CrystalError: for more than 1,000 sites.
    """
    if num_sites > MAX_SITES:
        raise CrystalError(f"{num_sites} sites in the cell (at most {MAX_SITES:,})")


def _check_elements(numbers: NDArray[np.int64], max_atomic_number: int) -> None:
    unknown = np.flatnonzero(numbers > max_atomic_number)
    if unknown.size:
        site = int(unknown[0])
        raise CrystalError(
            f"site {site} ({symbol_of(numbers[site])}, Z = {numbers[site]}): no features for "
            f"elements beyond Z = {max_atomic_number}"
        )


def _check_cell(crystal: Crystal) -> None:
    """Bound the images of the cell before any search for neighbours."""
    a, b, c = crystal.lattice
    faces = np.linalg.norm([np.cross(b, c), np.cross(c, a), np.cross(a, b)], axis=1)
    heights = crystal.volume / faces
    images = float(np.prod(2 * np.ceil(MAX_NEIGHBOUR_DISTANCE / heights) + 1))
    if not images <= MAX_IMAGES:
        raise CrystalError(
            f"the cell is only {heights.min():.3g} Angstrom high along a lattice vector: wrong "
            "unit or scale, or a basis to be reduced first"
        )


def _check_neighbours(crystal: Crystal) -> None:
    for cutoff in (_FIRST_SEARCH, MAX_NEIGHBOUR_DISTANCE):
        receivers = neighbours_within(crystal, cutoff)[0][0]
        lonely = np.flatnonzero(np.bincount(receivers, minlength=crystal.num_sites) == 0)
        if not lonely.size:
            return
    site = int(lonely[0])
    raise CrystalError(
        f"site {site} ({symbol_of(crystal.numbers[site])}) has no neighbour within "
        f"{MAX_NEIGHBOUR_DISTANCE:g} Angstrom: an isolated atom is no crystal"
    )
