"""Crystals from listed atoms: images by symmetry, repeated sites, occupancies, disorder.

All readers end here, so that a repair, its note and its limit are the same in every format.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.crystal.check import MAX_SITES, check_number_of_sites
from models.crystal.crystal import ROUNDED_OCCUPANCY, Crystal, CrystalError
from models.crystal.disorder import MixedSite, orderings
from models.crystal.species import Species
from models.printable import one_line

# R listed rows, O operations, N sites of the cell

Disorder = Literal["refuse", "order", "average"]
SAME_SITE = 0.05
"""[Angstrom] images of one site lie nearer than this, however their coordinates were rounded."""
SILENT_MOVE = 1e-3
"""[Angstrom] is the rounding of four decimals in a cell of 10 Angstrom; farther moves are noted."""
MAX_IMAGES = 30_000
"""Rows times symmetry operations: fractions of a second of work."""


@dataclass(frozen=True)
class ReadOptions:
    """What readers are to do with files that are not plain.

    Attributes:
        max_atomic_number: highest atomic number that the model knows; None for the shipped table.
        is_strict: refuse what would be repaired: merged images, moved sites, irregular symbols.
        disorder: what becomes of partly occupied sites: ``refuse``; ``order``: one ordering with
            the nearest composition; ``average``: the mean prediction of several orderings.
    """

    max_atomic_number: int | None = None
    is_strict: bool = False
    disorder: Disorder = "refuse"


@dataclass
class Notes:
    """Lines for the user about one structure; repairs are refused if they are not wanted.

    Attributes:
        is_strict: refuse the first repair.
        lines: so far.
    """

    is_strict: bool = False
    lines: list[str] = field(default_factory=list)

    def add(self, line: str) -> None:
        """Note something that changes nothing about the crystal, once."""
        shown = one_line(line)
        if shown and shown not in self.lines:
            self.lines.append(shown)

    def repair(self, line: str) -> None:
        """Note something that was read other than it is written.

        Raises:
            CrystalError: if repairs are not wanted.
        """
        if line and self.is_strict:
            raise CrystalError(f"{line} (not with --strict)")
        self.add(line)

    def species(self, species: Species) -> None:
        """Note how the name of an element was read; irregular names count as repairs."""
        (self.repair if species.is_irregular else self.add)(species.note)


@dataclass(frozen=True, eq=False)
class AtomRows:
    """Atoms as a file lists them.

    Attributes:
        names: R names for messages, such as ``row 3 (O1)``.
        numbers: (R,) atomic numbers.
        occupancies: (R,) share of the site that the atom occupies, 0 to 1.
        frac_coords: (R, 3) fractional coordinates.
        lattice: (3, 3) [Angstrom] lattice vectors as rows.
    """

    names: Sequence[str]
    numbers: NDArray[np.int64]
    occupancies: NDArray[np.float64]
    frac_coords: NDArray[np.float64]
    lattice: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Operations:
    """Symmetry operations in fractional coordinates, the identity first.

    Attributes:
        rotations: (O, 3, 3) whole numbers.
        translations: (O, 3).
    """

    rotations: NDArray[np.float64]
    translations: NDArray[np.float64]


IDENTITY = Operations(np.eye(3)[None], np.zeros((1, 3)))


@dataclass(frozen=True, eq=False)
class Orbit:
    """All images of one site by symmetry, and what occupies it.

    Attributes:
        rows: listed rows that describe it.
        occupants: atomic number to occupancy.
        coords: (M, 3) fractional coordinates of its images, in [0, 1).
    """

    rows: list[int]
    occupants: dict[int, float]
    coords: NDArray[np.float64]


def crystals_of_rows(
    rows: AtomRows, options: ReadOptions, notes: Notes, operations: Operations = IDENTITY
) -> tuple[Crystal, ...]:
    """The crystal of listed atoms, or its orderings if sites are partly occupied.

    Args:
        rows: as listed.
        options: what to do with disorder.
        notes: of the reader; repairs are added, and the crystal keeps all.
        operations: symmetry by which the rows are to be completed.

    Raises:
        CrystalError: for too many sites, two atoms on one site, an occupancy beyond one, repairs
            or disorder that are not wanted.
    """
    return crystals_of_orbits(orbits_of_rows(rows, notes, operations), rows, options, notes)


def crystals_of_orbits(
    orbits: Sequence[Orbit], rows: AtomRows, options: ReadOptions, notes: Notes
) -> tuple[Crystal, ...]:
    """The crystal of sites with all their images, or its orderings.

    Args:
        orbits: from ``orbits_of_rows``.
        rows: names and lattice are used.
        options: what to do with disorder.
        notes: that the crystal keeps.

    Raises:
        CrystalError: if a site is partly occupied and no ordering is wanted.
    """
    sites = [
        MixedSite(position, orbit.occupants, rows.names[orbit.rows[0]])
        for orbit in orbits
        for position in orbit.coords
    ]
    if all(site.number is not None for site in sites):
        numbers = np.array([site.number for site in sites], dtype=np.int64)
        coords = np.array([site.frac_coords for site in sites])
        return (Crystal(numbers, rows.lattice, coords, tuple(notes.lines)),)
    if options.disorder == "refuse":
        mixed = next(site for site in sites if site.number is None)
        raise CrystalError(
            f"{mixed.name} is partly occupied ({mixed.text}); order the structure first, or use "
            "--disorder order or average"
        )
    return orderings(sites, rows.lattice, tuple(notes.lines), only_one=options.disorder == "order")


def orbits_of_rows(rows: AtomRows, notes: Notes, operations: Operations) -> list[Orbit]:
    """Images of all rows, those of one site merged and moved to where symmetry has them.

    Raises:
        CrystalError: as ``crystals_of_rows``.
    """
    num_images = len(rows.numbers) * len(operations.rotations)
    check_number_of_sites(len(rows.numbers))
    if num_images > MAX_IMAGES:
        raise CrystalError(
            f"{num_images:,} images of sites by symmetry (at most {MAX_IMAGES:,}); list all sites "
            "without symmetry (P1)"
        )
    kept = _occupied(rows, notes)
    orbits: list[Orbit] = []
    taken = np.zeros((0, 3))
    owner = np.zeros(0, dtype=np.int64)
    repeated: list[tuple[int, int]] = []
    moved: list[tuple[float, int]] = []
    for row in kept:
        position = rows.frac_coords[row]
        distances = _distances(taken - position, rows.lattice)
        is_near = distances < SAME_SITE
        if is_near.any():
            orbit = orbits[owner[np.argmin(distances)]]
            if not _joins(rows, row, orbit):
                repeated.append((row, orbit.rows[0]))
            continue
        coords, move = _images(position, operations, rows.lattice)
        if move > SILENT_MOVE:
            moved.append((move, row))
        if len(taken) + len(coords) > MAX_SITES:
            raise CrystalError(f"more than {MAX_SITES:,} sites in the cell by symmetry")
        orbits.append(Orbit([row], {int(rows.numbers[row]): float(rows.occupancies[row])}, coords))
        taken = np.concatenate([taken, coords])
        owner = np.concatenate([owner, np.full(len(coords), len(orbits) - 1)])
    if repeated:
        row, first = repeated[0]
        notes.repair(
            f"{len(repeated)} of {len(rows.numbers)} listed sites repeat others and were merged: "
            f"first {rows.names[row]}, an image of {rows.names[first]}"
        )
    if moved:
        move, row = max(moved)
        notes.repair(
            f"images of one site by symmetry were merged: {len(moved)} sites moved by up to "
            f"{move:.3f} Angstrom ({rows.names[row]})"
        )
    return orbits


def _occupied(rows: AtomRows, notes: Notes) -> list[int]:
    """Rows that hold something; their occupancies are between 0 and 1."""
    wrong = ~((rows.occupancies > -ROUNDED_OCCUPANCY) & (rows.occupancies < 1 + ROUNDED_OCCUPANCY))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise CrystalError(
            f"{rows.names[row]}: occupancy {rows.occupancies[row]:g} (0 to 1 expected)"
        )
    is_empty = rows.occupancies < ROUNDED_OCCUPANCY
    if is_empty.any():
        empty = np.flatnonzero(is_empty)
        notes.add(f"{len(empty)} sites of occupancy 0 left out, first {rows.names[empty[0]]}")
    if is_empty.all():
        raise CrystalError("no occupied site")
    return np.flatnonzero(~is_empty).tolist()


def _joins(rows: AtomRows, row: int, orbit: Orbit) -> bool:
    """True if the atom shares the site with those listed before; False if it repeats one.

    Raises:
        CrystalError: if the site is full.
    """
    number, occupancy = int(rows.numbers[row]), float(rows.occupancies[row])
    first = orbit.rows[0]
    is_written_alike = np.abs(rows.frac_coords[row] - rows.frac_coords[first]).max() < 1e-9
    present = orbit.occupants.get(number)
    if present is not None and not is_written_alike:
        if abs(present - occupancy) > ROUNDED_OCCUPANCY:
            raise CrystalError(
                f"{rows.names[row]} and {rows.names[first]} are one site with different "
                f"occupancies ({occupancy:g} and {present:g})"
            )
        return False
    total = sum(orbit.occupants.values()) + occupancy
    if total > 1 + ROUNDED_OCCUPANCY:
        raise CrystalError(
            f"{rows.names[row]} and {rows.names[first]} lie on one site, with occupancies of "
            f"{total:g} in total"
        )
    orbit.occupants[number] = orbit.occupants.get(number, 0.0) + occupancy
    orbit.rows.append(row)
    return True


def _images(
    position: NDArray[np.float64], operations: Operations, lattice: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """(M, 3) distinct images of a site, and how far it was moved to a special position [Angstrom].

    A site within ``SAME_SITE`` of some of its images moves to their mean, which those operations
    leave in place; M times their number is the number of operations.
    """
    rotations, translations = operations.rotations, operations.translations
    if len(rotations) == 1:
        return position[None] % 1.0, 0.0
    start = position
    for _ in range(4):
        offsets = rotations @ position + translations - position
        offsets -= np.rint(offsets)
        stays = np.linalg.norm(offsets @ lattice, axis=1) < SAME_SITE
        step = offsets[stays].mean(axis=0)
        position = position + step
        if np.abs(step).max() < 1e-14:
            break
    move = float(np.linalg.norm((position - start) @ lattice))
    images = (rotations @ position + translations) % 1.0
    num_stay = int(stays.sum())
    if num_stay == 1:
        return images, move
    # Images that coincide do so to rounding; the shift keeps usual decimals away from the edges.
    cells = np.floor(images * 1e6 + 0.38196601) % 1_000_000
    _, distinct = np.unique(cells, axis=0, return_index=True)
    if len(distinct) * num_stay != len(rotations):
        distinct = _distinct(images, lattice)
    if len(distinct) * num_stay != len(rotations):
        raise CrystalError("images of a site by symmetry run into each other; list all sites (P1)")
    return images[np.sort(distinct)], move


def _distinct(images: NDArray[np.float64], lattice: NDArray[np.float64]) -> NDArray[np.int64]:
    """Indices of images that are no repeats of those before."""
    distinct = [0]
    for index in range(1, len(images)):
        if not (_distances(images[distinct] - images[index], lattice) < SAME_SITE).any():
            distinct.append(index)
    return np.array(distinct)


def _distances(offsets: NDArray[np.float64], lattice: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) [Angstrom] lengths of (N, 3) fractional offsets, each to the nearest whole cell.

    Exact for short ones, which is all that is asked.
    """
    return np.linalg.norm((offsets - np.rint(offsets)) @ lattice, axis=1)
