"""Structures inside JSON: pymatgen dictionaries, JARVIS atoms and CIF text, without pymatgen's
decoder, which imports whatever module a file names.
"""

from __future__ import annotations

import functools
import reprlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.crystal import Crystal, CrystalError
from models.crystal.check import check_number_of_sites
from models.crystal.text_formats import structures_of_cif

ID_FIELDS = ("id", "jid", "material_id", "task_id", "entry_id", "name")
"""Where the records of the usual collections keep their id."""
MAX_ID = 100
"""Characters of an id that are kept."""


def crystal_of_record(record: object) -> Crystal:
    """The crystal that a decoded JSON value describes.

    Args:
        record: a pymatgen structure (``lattice``, ``sites``), JARVIS atoms (``lattice_mat``,
            ``coords``, ``elements``, ``cartesian``), the text of a CIF, or an object that holds
            one of them as ``structure`` or ``atoms``.

    Raises:
        CrystalError: if it describes no crystal, or a site is partly occupied or holds no element.
    """
    if isinstance(record, str):
        return Crystal.from_structure(structures_of_cif(record)[0][0])
    if not isinstance(record, Mapping):
        raise CrystalError(f"holds no structure (found {type(record).__name__})")
    if "lattice_mat" in record:
        return _of_jarvis(record)
    if "sites" in record:
        return _of_pymatgen(record)
    for field in ("structure", "atoms"):
        if isinstance(record.get(field), str | Mapping):
            return crystal_of_record(record[field])
    raise CrystalError("holds no structure (no field sites, structure, atoms or lattice_mat)")


def id_of_record(record: object) -> str | None:
    """The id that a record states; None if it states none."""
    if isinstance(record, Mapping):
        for field in ID_FIELDS:
            if isinstance(record.get(field), str | int):
                return str(record[field])[:MAX_ID]
    return None


def _of_jarvis(record: Mapping[str, Any]) -> Crystal:
    """The crystal of ``{"lattice_mat", "coords", "elements", "cartesian"}``."""
    lattice = _floats(record["lattice_mat"], "lattice_mat")
    coords = _floats(record.get("coords"), "coords")
    elements = record.get("elements")
    if not isinstance(elements, list):
        raise CrystalError("`elements` must be a list of symbols")
    check_number_of_sites(len(elements))
    numbers = np.array([_number(site, e) for site, e in enumerate(elements)], dtype=np.int64)
    is_cartesian = record.get("cartesian")
    if not isinstance(is_cartesian, bool):
        raise CrystalError("`cartesian` must be true or false")
    if not is_cartesian:
        return Crystal(numbers, lattice, coords)
    return crystal_of_positions(numbers, lattice, coords)


def crystal_of_positions(
    numbers: NDArray[np.int64], lattice: NDArray[np.float64], positions: NDArray[np.float64]
) -> Crystal:
    """The crystal with sites at Cartesian coordinates.

    Args:
        numbers: (S,) atomic numbers.
        lattice: (3, 3) [Angstrom] lattice vectors as rows.
        positions: (S, 3) [Angstrom] Cartesian coordinates.

    Raises:
        CrystalError: for wrong shapes or a cell without volume.
    """
    Crystal(numbers, lattice, positions)  # shapes and volume, before the lattice is inverted
    return Crystal(numbers, lattice, np.linalg.solve(lattice.T, positions.T).T)


def _of_pymatgen(record: Mapping[str, Any]) -> Crystal:
    """The crystal of ``{"lattice": {"matrix"}, "sites": [{"species", "abc"}]}``."""
    sites = record["sites"]
    if not isinstance(sites, list) or not all(isinstance(site, Mapping) for site in sites):
        raise CrystalError("`sites` must be a list of objects")
    check_number_of_sites(len(sites))
    lattice = record.get("lattice")
    if not isinstance(lattice, Mapping):
        raise CrystalError("no `lattice`: a molecule is no crystal")
    numbers = np.array([_site_number(i, site) for i, site in enumerate(sites)], dtype=np.int64)
    coords = _floats([site.get("abc") for site in sites], "abc")
    return Crystal(numbers, _floats(lattice.get("matrix"), "matrix"), coords)


def _site_number(index: int, site: Mapping[str, Any]) -> int:
    """Atomic number of a site that holds one whole atom."""
    species = site.get("species")
    if not isinstance(species, list) or not all(isinstance(s, Mapping) for s in species):
        raise CrystalError(f"site {index}: `species` must be a list of objects")
    if len(species) != 1 or species[0].get("occu", 1) != 1:
        text = ", ".join(f"{s.get('element')}:{s.get('occu', 1)}" for s in species)
        raise CrystalError(f"site {index} ({text}) is partly occupied; order the structure first")
    return _number(index, species[0].get("element"))


def _number(site: int, symbol: object) -> int:
    known = _atomic_numbers()
    if not isinstance(symbol, str) or symbol.strip() not in known:
        raise CrystalError(f"site {site} holds no element ({reprlib.repr(symbol)})")
    return known[symbol.strip()]


@functools.cache
def _atomic_numbers() -> dict[str, int]:
    """Symbol to atomic number; deuterium and tritium are hydrogen."""
    from pymatgen.core import Element

    return {**{element.symbol: element.Z for element in Element}, "D": 1, "T": 1}


def _floats(value: object, name: str) -> NDArray[np.float64]:
    try:
        return np.array(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise CrystalError(f"`{name}` must hold numbers, in rows of three") from None
