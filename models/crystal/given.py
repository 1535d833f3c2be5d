"""Structures as Python code hands them over: objects of pymatgen and ASE, crystals, files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from models.crystal.ase_formats import crystals_of_atoms
from models.crystal.check import check_usable
from models.crystal.crystal import Crystal, CrystalError
from models.crystal.found import NamedCrystal, Skipped
from models.crystal.read import read_structure_file
from models.crystal.sites import ReadOptions

_KINDS = "pymatgen structures, ASE atoms, crystals or paths of structure files"


def given_crystals(structures: object, options: ReadOptions) -> Iterator[NamedCrystal]:
    """The crystals of one structure or several, in order, checked as ``check_usable`` has it.

    Sources are ``structure 3``, counted from 0, or ``structure 3 (file#id)``. A file stands for all
    its structures.

    Args:
        structures: a structure, or a sequence of structures of any kinds.
        options: of the readers.

    Raises:
        TypeError: if it is neither.
        CrystalError: naming the first structure that cannot be used.
    """
    if _is_one(structures):
        structures = [structures]
    if not isinstance(structures, Iterable) or isinstance(structures, bytes | Mapping):
        raise TypeError(
            f"`structures` must be one or a sequence of {_KINDS}, got {type(structures).__name__}"
        )
    for index, structure in enumerate(structures):
        try:
            yield from _crystals(structure, f"structure {index}", options)
        except CrystalError as error:
            raise CrystalError(f"structure {index}: {error}") from None


def _is_one(structure: object) -> bool:
    """True for a single structure; those of pymatgen and ASE are sequences of sites as well."""
    return isinstance(structure, str | os.PathLike | Crystal | NamedCrystal) or (
        hasattr(structure, "lattice") or hasattr(structure, "sites") or _is_of_ase(structure)
    )


def _is_of_ase(structure: object) -> bool:
    return hasattr(structure, "get_atomic_numbers") and hasattr(structure, "pbc")


def _crystals(structure: object, name: str, options: ReadOptions) -> Iterator[NamedCrystal]:
    if isinstance(structure, str | os.PathLike):
        for found in read_structure_file(Path(structure), options):
            if isinstance(found, Skipped):
                raise CrystalError(str(found))
            yield NamedCrystal(f"{name} ({found.source})", found.crystal, found.others)
        return
    crystals: tuple[Crystal, ...]
    if isinstance(structure, NamedCrystal):
        name, crystals = f"{name} ({structure.source})", (structure.crystal, *structure.others)
    elif isinstance(structure, Crystal):
        crystals = (structure,)
    elif _is_of_ase(structure):
        crystals = crystals_of_atoms(structure, options)
    else:
        crystals = (Crystal.from_structure(structure),)  # type: ignore[arg-type]
    for crystal in crystals:
        check_usable(crystal, options.max_atomic_number)
    yield NamedCrystal(name, crystals[0], crystals[1:])
