"""Structure files of the user: CIF, POSCAR, pymatgen JSON; one line of explanation if broken."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

from models.crystal import Crystal, CrystalError


def read_crystals(paths: Sequence[Path]) -> list[Crystal]:
    """The crystal in each file, in order.

    Raises:
        CrystalError: naming the file that holds no usable structure.
    """
    return [_read(path) for path in paths]


def _read(path: Path) -> Crystal:
    from pymatgen.core import Structure

    if not path.is_file():
        raise CrystalError(f"{path}: {'is a directory' if path.is_dir() else 'no such file'}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the reader's hints; what matters is checked below
        try:
            structure = Structure.from_file(path)
        except Exception as error:  # readers of foreign formats raise whatever they meet
            reason = str(error).strip().splitlines()
            detail = reason[0] if reason else type(error).__name__
            raise CrystalError(f"{path}: not a readable structure ({detail})") from None
    try:
        return Crystal.from_structure(structure)
    except CrystalError as error:
        raise CrystalError(f"{path}: {error}") from None
