"""Formats that are read through ASE if it is installed; each is named, ASE guesses nothing."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from models.crystal import Crystal, CrystalError
from models.datasets.user.skipped import one_line
from models.datasets.user.structure_records import crystal_of_positions

ASE_FORMATS = {
    ".xyz": "extxyz",
    ".extxyz": "extxyz",
    ".xsf": "xsf",
    ".gen": "gen",
    ".pwi": "espresso-in",
    ".pwo": "espresso-out",
    ".traj": "traj",
}
"""Suffix to ASE's name of the format; text, or ASE's own trajectory, none that runs code."""


def frames_of_ase(path: Path, suffix: str) -> Iterator[Any]:
    """The ``ase.Atoms`` of a file, one after the other.

    Args:
        path: the file.
        suffix: key of ``ASE_FORMATS``.

    Raises:
        CrystalError: if ASE is not installed, or cannot read the file.
    """
    try:
        from ase.io import iread
    except ImportError:
        raise CrystalError(f"{suffix} files are read by ASE: pip install ase") from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the reader's hints; what matters is checked later
        try:
            # An open file, because ASE takes an @ in a name for a range of frames.
            with open(path, "rb" if suffix == ".traj" else "r") as file:
                yield from iread(file, index=":", format=ASE_FORMATS[suffix])
        except Exception as error:  # readers of foreign formats raise whatever they meet
            raise CrystalError(f"not a readable structure ({one_line(error)})") from None


def crystal_of_frame(atoms: Any) -> Crystal:
    """The crystal of an ``ase.Atoms``.

    Raises:
        CrystalError: if it is not periodic in three directions, or is no crystal otherwise.
    """
    if not np.all(atoms.pbc):
        raise CrystalError("not periodic in three directions")
    cell, positions = np.asarray(atoms.cell), np.asarray(atoms.positions)
    return crystal_of_positions(atoms.numbers, cell, positions)
