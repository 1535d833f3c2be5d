"""Ordered crystals in place of one with partly occupied sites."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.crystal.check import MAX_SITES
from models.crystal.crystal import ROUNDED_OCCUPANCY, Crystal
from models.crystal.species import symbol_of

NUM_ORDERINGS = 8
"""Orderings whose predictions are averaged."""
MAX_CELLS = 8
"""Cells of a supercell in which occupancies become whole numbers of atoms."""
_WHOLE = 0.02  # deviation of a number of atoms from a whole one that is accepted


@dataclass(frozen=True, eq=False)
class MixedSite:
    """One site of the cell and its occupants.

    Attributes:
        frac_coords: (3,) fractional coordinates.
        occupants: atomic number to occupancy; the rest is vacant.
        name: for messages.
    """

    frac_coords: NDArray[np.float64]
    occupants: dict[int, float]
    name: str

    @property
    def number(self) -> int | None:
        """Atomic number if the site holds one whole atom, else None."""
        if len(self.occupants) != 1:
            return None
        [(number, occupancy)] = self.occupants.items()
        return number if abs(occupancy - 1) < ROUNDED_OCCUPANCY else None

    @property
    def text(self) -> str:
        """Occupants as ``Fe:0.5, Co:0.5``."""
        return ", ".join(f"{symbol_of(z)}:{occ:.4g}" for z, occ in self.occupants.items())


def orderings(
    sites: Sequence[MixedSite],
    lattice: NDArray[np.float64],
    notes: tuple[str, ...],
    *,
    only_one: bool,
) -> tuple[Crystal, ...]:
    """Crystals whose mixed sites hold whole atoms, in the nearest composition.

    Sites with the same occupants share them out at random, by a generator that is keyed by the
    number of the ordering alone, in the smallest supercell of at most ``MAX_CELLS`` cells in which
    the numbers of atoms are whole, or nearly so.

    Args:
        sites: of the cell.
        lattice: (3, 3) [Angstrom] lattice vectors as rows.
        notes: that every ordering keeps.
        only_one: the first ordering alone.
    """
    groups: dict[tuple[tuple[int, float], ...], list[int]] = {}
    for index, site in enumerate(sites):
        if site.number is None:
            key = tuple(sorted((z, round(occ, 3)) for z, occ in site.occupants.items()))
            groups.setdefault(key, []).append(index)
    shares = [(len(members), dict(key)) for key, members in groups.items()]
    shape = _supercell(shares, len(sites), lattice)
    size = int(np.prod(shape))
    shifts = np.array(list(itertools.product(*map(range, shape))), dtype=np.float64)
    coords = np.concatenate([(site.frac_coords + shifts) / shape for site in sites])
    text = "; ".join(f"{len(members)} x ({sites[members[0]].text})" for members in groups.values())
    cells = "x".join(map(str, shape))
    crystals = []
    for ordering in range(1 if only_one else NUM_ORDERINGS):
        numbers = np.repeat([site.number or 0 for site in sites], size)
        for key, members in groups.items():
            places = np.concatenate([np.arange(m * size, (m + 1) * size) for m in members])
            numbers[places] = _shuffled(dict(key), len(places), (ordering, *members))
        is_atom = numbers > 0
        what = f"ordered at random, number {ordering} of seed 0"
        note = f"disordered sites {text}: {what}, in a {cells} cell" + _composition(
            sites, numbers[is_atom], size
        )
        crystals.append(
            Crystal(
                numbers[is_atom],
                lattice * np.array(shape)[:, None],
                coords[is_atom],
                (*notes, note),
            )
        )
    return tuple(crystals)


def _supercell(
    groups: Sequence[tuple[int, dict[int, float]]],
    num_sites: int,
    lattice: NDArray[np.float64],
) -> tuple[int, int, int]:
    """Cells along each lattice vector: the fewest that make numbers of atoms whole."""
    lengths = np.linalg.norm(lattice, axis=1)
    best, least = (1, 1, 1), np.inf
    most = max(1, min(MAX_CELLS, MAX_SITES // num_sites))
    shapes = [s for s in itertools.product(range(1, most + 1), repeat=3) if np.prod(s) <= most]
    for shape in sorted(shapes, key=lambda s: (int(np.prod(s)), np.ptp(lengths * np.array(s)), s)):
        counts = [np.prod(shape) * n * occ for n, key in groups for occ in key.values()]
        error = float(np.abs(np.array(counts) - np.rint(counts)).max())
        if error < _WHOLE:
            return shape
        if error < least - 1e-9:
            best, least = shape, error
    return best


def _shuffled(
    occupants: dict[int, float], num_places: int, key: tuple[int, ...]
) -> NDArray[np.int64]:
    """Atomic numbers of places that share occupants, 0 for a vacancy, in random order."""
    exact = {**occupants, 0: max(0.0, 1.0 - sum(occupants.values()))}
    counts = {z: int(share * num_places) for z, share in exact.items()}
    # Largest remainders get the atoms that rounding down left over.
    missing = num_places - sum(counts.values())
    by_remainder = sorted(exact, key=lambda z: (counts[z] - exact[z] * num_places, z))
    for z in by_remainder[:missing]:
        counts[z] += 1
    numbers = np.repeat(list(counts), list(counts.values()))
    digest = hashlib.sha256(repr(("lightframe ordering", key)).encode()).digest()
    generator = np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))
    return generator.permutation(numbers)


def _composition(sites: Sequence[MixedSite], numbers: NDArray[np.int64], size: int) -> str:
    """What the ordering holds beside what was listed, if it differs; else empty."""
    listed: dict[int, float] = {}
    for site in sites:
        for z, occ in site.occupants.items():
            listed[z] = listed.get(z, 0.0) + occ * size
    kept = {z: int((numbers == z).sum()) for z in listed}
    if all(abs(kept[z] - listed[z]) < 0.05 for z in listed):
        return ""
    text = ", ".join(f"{symbol_of(z)} {kept[z]} for {listed[z]:.3g}" for z in sorted(listed))
    return f" with atoms {text}"
