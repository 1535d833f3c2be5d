"""Crystals of whatever a Python program holds: structures of other libraries, paths, lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from models.crystal.crystal import Crystal, CrystalError
from models.crystal.found import Skipped
from models.crystal.sites import ReadOptions


def crystals_of(structures: object) -> Iterator[Crystal]:
    """The crystals that a structure, a path or a sequence of these stands for, in order.

    Args:
        structures: a ``Crystal``, a pymatgen structure, an ``ase.Atoms``, the path of a structure
            file with one or many of them, or a sequence of these.

    Raises:
        TypeError: if it is none of these.
        CrystalError: naming the number of the structure that cannot be read.
    """
    found = _crystals_of_one(structures)
    if found is not None:
        yield from found
        return
    if isinstance(structures, Mapping | bytes) or not isinstance(structures, Iterable):
        raise TypeError(
            "`structures` must be a pymatgen Structure, a Crystal, an ase.Atoms, a path, or a "
            f"sequence of these, got {type(structures).__name__}"
        )
    for number, one in enumerate(structures):
        try:
            found = _crystals_of_one(one)
            if found is None:
                raise CrystalError(f"a periodic structure is needed, got {type(one).__name__}")
            yield from found
        except CrystalError as error:
            raise CrystalError(f"structure {number}: {error}") from None


def _crystals_of_one(structure: object) -> Iterable[Crystal] | None:
    """Crystals of a single structure or file; None if it is neither."""
    if isinstance(structure, Crystal):
        return (structure,)
    if isinstance(structure, str | Path):
        return _crystals_of_file(Path(structure))
    if hasattr(structure, "lattice") and hasattr(structure, "frac_coords"):
        return (Crystal.from_structure(structure),)
    if hasattr(structure, "numbers") and hasattr(structure, "pbc"):
        from models.crystal.ase_formats import crystals_of_atoms

        return crystals_of_atoms(structure, ReadOptions())
    if hasattr(structure, "sites"):
        raise CrystalError(f"a periodic structure is needed, got {type(structure).__name__}")
    return None


def _crystals_of_file(path: Path) -> Iterator[Crystal]:
    from models.crystal.read import read_structure_file

    for found in read_structure_file(path):
        if isinstance(found, Skipped):
            raise CrystalError(str(found))
        yield found.crystal
