"""Formats that are read through ASE if it is installed; each is named, ASE guesses nothing."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from models.crystal.check import check_number_of_sites
from models.crystal.crystal import NOT_PERIODIC, Crystal, CrystalError
from models.crystal.found import reason_of
from models.crystal.json_files import refuse_pickle
from models.crystal.json_records import crystal_of_positions
from models.datasets.load import DatasetError
from models.files import open_regular

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
MAX_BYTES = 500_000_000
"""Size of a file; frames are read one after the other."""


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
            with _opened(path, suffix) as file:
                yield from iread(file, index=":", format=ASE_FORMATS[suffix])
        except (CrystalError, DatasetError, OSError):
            raise
        except Exception as error:  # readers of foreign formats raise whatever they meet
            raise CrystalError(f"not a readable structure ({reason_of(error)})") from None


@contextmanager
def _opened(path: Path, suffix: str) -> Iterator[IO[Any]]:
    """The file as ASE takes it; its counts of atoms are looked at first."""
    with open_regular(path) as file:
        refuse_pickle(path, file.peek(2))
        if os.fstat(file.fileno()).st_size > MAX_BYTES:
            raise CrystalError(f"larger than {MAX_BYTES:,} bytes")
        if suffix == ".traj":
            yield file
            return
        text = io.TextIOWrapper(file, encoding="utf-8")
        if ASE_FORMATS[suffix] == "extxyz":
            _check_counts(text)
            text.seek(0)
        yield text


def _check_counts(text: io.TextIOWrapper) -> None:
    """Refuse a frame with too many atoms; ASE would read as many lines, also beyond the end."""
    while count := text.readline().strip():
        if not count.isascii() or not count.isdigit():
            raise CrystalError(f"not a readable structure (number of atoms: {count[:40]!r})")
        check_number_of_sites(int(count[:20]))
        for _ in range(int(count) + 1):
            text.readline()


def crystal_of_frame(atoms: Any) -> Crystal:
    """The crystal of an ``ase.Atoms``.

    Raises:
        CrystalError: if it is not periodic in three directions, or is no crystal otherwise.
    """
    if not np.all(atoms.pbc):
        raise CrystalError(NOT_PERIODIC)
    cell, positions = np.asarray(atoms.cell), np.asarray(atoms.positions)
    return crystal_of_positions(atoms.numbers, cell, positions)
