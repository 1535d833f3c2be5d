"""Structure files named on the command line: folders opened, structures read one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from models.crystal import Crystal, CrystalError
from models.crystal.read import DEFAULTS, is_structure_file
from models.crystal.sites import ReadOptions
from models.datasets.user import NamedCrystal, Skipped, read_structure_file


def expand(paths: Sequence[Path]) -> list[Path]:
    """The files that are meant, in order: a directory stands for its structure files, sorted.

    Raises:
        CrystalError: if a directory holds none.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if is_structure_file(p))
            if not inside:
                raise CrystalError(f"{path}: is a directory without structure files")
            files += inside
        else:
            files.append(path)
    return files


def iter_structures(
    files: Sequence[Path], options: ReadOptions = DEFAULTS
) -> Iterator[NamedCrystal | Skipped]:
    """The structures of all files in order; those that cannot be used with the reason.

    Args:
        files: from ``expand``.
        options: what to do with files that are not plain.
    """
    for path in files:
        yield from read_structure_file(path, options)


def read_structures(paths: Sequence[Path], options: ReadOptions = DEFAULTS) -> list[NamedCrystal]:
    """All structures of files and folders, in order, with their sources, notes and orderings.

    Args:
        paths: as for ``expand``.
        options: what to do with files that are not plain.

    Raises:
        CrystalError: naming the first structure that cannot be used.
    """
    structures = []
    for found in iter_structures(expand(paths), options):
        if isinstance(found, Skipped):
            raise CrystalError(str(found))
        structures.append(found)
    return structures


def read_crystals(paths: Sequence[Path], options: ReadOptions = DEFAULTS) -> list[Crystal]:
    """The one crystal in each file, in order, with its notes.

    Args:
        paths: files.
        options: what to do with files that are not plain.

    Raises:
        CrystalError: naming the file that holds no usable structure, several, or one that is to
            be averaged over several orderings.
    """
    crystals = []
    for path in paths:
        found = list(read_structure_file(path, options))
        if isinstance(found[0], Skipped):
            raise CrystalError(str(found[0]))
        if len(found) > 1:
            raise CrystalError(f"{path}: holds several structures; take read_structures")
        if found[0].others:
            raise CrystalError(f"{path}: stands for several orderings; take read_structures")
        crystals.append(found[0].crystal)
    return crystals
