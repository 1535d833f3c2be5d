"""The crystal as the user gives it: species, lattice and sites, validated, nothing derived.

Lattice vectors are rows, ``cart_coords = frac_coords @ lattice``. Canonical cells, frames and
graphs are made from it elsewhere (``models.canonical``, ``models.graph``).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import reduce
from math import gcd
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pymatgen.core import PeriodicSite, Structure

MAX_ATOMIC_NUMBER = 118
MAX_LENGTH = 1e6
"""[Angstrom] of a lattice vector: a tenth of a millimetre, in the wrong unit for certain."""
MAX_CELLS = 1e6
"""Cells between a site and the origin; farther ones keep fewer than ten digits of their place."""
MIN_DISTANCE = 0.5
"""[Angstrom] of atoms; the closest pair in the shipped data is 0.75 Angstrom apart."""
MIN_VOLUME = MIN_DISTANCE**3 / np.sqrt(2)
"""[Angstrom^3] per site in the closest packing of atoms at that distance."""

ROUNDED_OCCUPANCY = 1e-3
"""Deviation of an occupancy from one, or from zero, that is rounding."""
NOT_PERIODIC = "not periodic in three directions: slabs, chains and molecules are no crystals"


class CrystalWarning(UserWarning):
    """What the user should know about a structure, or about predictions for it."""


class CrystalError(ValueError):
    """A structure that no prediction can be made for; the message says why."""


@dataclass(frozen=True, eq=False)
class Crystal:
    """One periodic structure.

    Attributes:
        numbers: (S,) atomic numbers of the sites, 1 to 118.
        lattice: (3, 3) [Angstrom] lattice vectors as rows.
        frac_coords: (S, 3) fractional coordinates, any image.
        notes: what the user should know about how the structure was read, one line each.

    Raises:
        CrystalError: for wrong shapes, numbers that are not finite or too large, unknown elements
            or a cell without volume.
    """

    numbers: NDArray[np.int64]
    lattice: NDArray[np.float64]
    frac_coords: NDArray[np.float64]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # Own arrays of one kind, whatever the given ones share or allow: compiled functions, which
        # are compiled for each kind, meet only this one.
        numbers = np.array(_number_array("numbers", self.numbers), order="C")
        lattice, frac_coords = (
            np.array(_number_array(name, getattr(self, name)), dtype=np.float64, order="C")
            for name in ("lattice", "frac_coords")
        )
        if numbers.ndim != 1 or numbers.size == 0:
            raise CrystalError(f"`numbers` must have shape (S,) with S > 0, got {numbers.shape}")
        if lattice.shape != (3, 3):
            raise CrystalError(f"`lattice` must have shape (3, 3), got {lattice.shape}")
        if frac_coords.shape != (numbers.size, 3):
            raise CrystalError(
                f"`frac_coords` must have shape ({numbers.size}, 3), got {frac_coords.shape}"
            )
        if not (np.isfinite(lattice).all() and np.isfinite(frac_coords).all()):
            raise CrystalError("lattice and coordinates must be finite numbers")
        if numbers.dtype.kind == "f" and not (numbers == np.floor(numbers)).all():
            raise CrystalError("`numbers` must be whole atomic numbers")
        if numbers.min() < 1 or numbers.max() > MAX_ATOMIC_NUMBER:
            raise CrystalError(f"atomic numbers must lie in 1..{MAX_ATOMIC_NUMBER}")
        if np.abs(frac_coords).max() > MAX_CELLS:
            raise CrystalError(f"fractional coordinates must not exceed {MAX_CELLS:g}")
        if np.abs(lattice).max() > MAX_LENGTH:
            raise CrystalError(
                f"lattice vectors must not be longer than {MAX_LENGTH:g} Angstrom: wrong unit?"
            )
        lengths = np.linalg.norm(lattice, axis=1)
        if abs(np.linalg.det(lattice)) < 1e-6 * max(float(np.prod(lengths)), 1e-30):
            raise CrystalError("the lattice vectors span no volume")
        object.__setattr__(self, "numbers", numbers.astype(np.int64))
        object.__setattr__(self, "lattice", lattice)
        object.__setattr__(self, "frac_coords", frac_coords)

    @property
    def num_sites(self) -> int:
        """Number of sites S in the cell."""
        return self.numbers.size

    @property
    def cart_coords(self) -> NDArray[np.float64]:
        """(S, 3) [Angstrom] Cartesian coordinates."""
        return self.frac_coords @ self.lattice

    @property
    def volume(self) -> float:
        """Cell volume [Angstrom^3]."""
        return float(abs(np.linalg.det(self.lattice)))

    @property
    def formula_key(self) -> str:
        """Reduced formula as ``"Z:count"`` joined by commas, ascending Z, e.g. ``"37:2,52:1"``."""
        counts = Counter(self.numbers.tolist())
        divisor = reduce(gcd, counts.values())
        return ",".join(f"{z}:{counts[z] // divisor}" for z in sorted(counts))

    @classmethod
    def from_structure(cls, structure: Structure) -> Crystal:
        """The crystal of a pymatgen structure.

        Raises:
            CrystalError: if it is no structure, it is not periodic in three directions, a site is
                partly occupied or holds no element.
        """
        if not hasattr(structure, "lattice") or not hasattr(structure, "frac_coords"):
            raise CrystalError(f"a periodic structure is needed, got {type(structure).__name__}")
        if not all(structure.lattice.pbc):
            raise CrystalError(NOT_PERIODIC)
        numbers = np.array([_number_of_site(i, site) for i, site in enumerate(structure)])
        present = {getattr(s, "name", "") for site in structure for s in site.species}
        names = {"D (deuterium)": "D", "T (tritium)": "T"}
        notes = tuple(f"{name} read as H" for name, symbol in names.items() if symbol in present)
        return cls(numbers, structure.lattice.matrix, structure.frac_coords, notes)

    def to_structure(self) -> Structure:
        """The pymatgen structure with the same sites in the same order."""
        from pymatgen.core import Structure

        return Structure(self.lattice, self.numbers.tolist(), self.frac_coords)


def _number_of_site(index: int, site: PeriodicSite) -> int:
    """Atomic number of a site that one element fills, in whatever states of oxidation."""
    from pymatgen.core import DummySpecies

    if any(isinstance(specie, DummySpecies) for specie in site.species):
        raise CrystalError(f"site {index} ({site.species_string}) holds no element")
    numbers = {specie.Z for specie in site.species}
    if len(numbers) != 1 or abs(site.species.num_atoms - 1) > ROUNDED_OCCUPANCY:
        raise CrystalError(
            f"site {index} ({site.species_string}) is partly occupied; order the structure first"
        )
    return numbers.pop()


def _number_array(name: str, values: object) -> NDArray[np.float64] | NDArray[np.int64]:
    """Real numbers of an argument; text, truth values and imaginary parts are none."""
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:  # ragged, or a tensor with a gradient
        raise CrystalError(f"`{name}` must be an array of numbers: {error}") from None
    if array.dtype.kind not in "iuf":
        raise CrystalError(f"`{name}` must hold real numbers, got {type(values).__name__}")
    return array


def check_room(crystal: Crystal) -> None:
    """Refuse a cell in which atoms must overlap, before the multitude of images is searched.

    Raises:
        CrystalError: for a volume too small for so many sites, or a lattice vector shorter than
            ``MIN_DISTANCE``.
    """
    if crystal.volume < MIN_VOLUME * crystal.num_sites:
        raise CrystalError(
            f"{crystal.num_sites} sites in {crystal.volume:.3g} Angstrom^3: atoms on top of each "
            "other, or a wrong unit or scale"
        )
    shortest = np.linalg.norm(crystal.lattice, axis=1).min()
    if shortest < MIN_DISTANCE:
        raise CrystalError(
            f"sites 0 and 0 are {shortest:.3g} Angstrom apart (at least {MIN_DISTANCE} expected): "
            "a lattice vector is so short"
        )
