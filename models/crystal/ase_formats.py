"""Reads crystals of further formats through ASE, if it is installed; the name tells the format."""

from __future__ import annotations

import io
import os
import re
import warnings
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from models.crystal.check import check_number_of_sites
from models.crystal.crystal import NOT_PERIODIC, Crystal, CrystalError
from models.crystal.found import Getter, reason_of
from models.crystal.json_files import refuse_pickle
from models.crystal.packed import unpacked
from models.crystal.sites import AtomRows, Notes, ReadOptions, crystals_of_rows
from models.crystal.species import species_of, symbol_of
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
MAX_LINE = 100_000
"""Characters of a line of extended XYZ."""
_PROPERTIES = re.compile(r"(?i)\bproperties=(\"[^\"]*\"|\S+)")


def ase_structures(path: Path, suffix: str, options: ReadOptions) -> Iterator[tuple[str, Getter]]:
    """Number, and a function that gives the crystals, of each frame of a file.

    Args:
        path: the file.
        suffix: key of ``ASE_FORMATS``.
        options: of the reader.

    Raises:
        CrystalError: if ASE is not installed, or cannot read the file.
    """
    try:
        import ase.io  # noqa: F401
    except ImportError:
        raise CrystalError(f"{suffix} files are read by ASE: pip install ase") from None
    with open_regular(path) as file:
        refuse_pickle(path, file.peek(2))
        if os.fstat(file.fileno()).st_size > MAX_BYTES:
            raise CrystalError(f"larger than {MAX_BYTES:,} bytes")
        if suffix == ".traj":
            frames = _frames(file, "traj")
            yield from ((str(n), lambda a=a: crystals_of_atoms(a, options)) for n, a in frames)
            return
        with unpacked(file) as stream:
            text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace")
            if ASE_FORMATS[suffix] == "extxyz":
                yield from _extended_xyz(text, options)
                return
            content = io.StringIO(text.read())
        for number, atoms in _frames(content, ASE_FORMATS[suffix]):
            yield str(number), lambda atoms=atoms: crystals_of_atoms(atoms, options)


def crystals_of_atoms(
    atoms: Any, options: ReadOptions, notes: Notes | None = None
) -> tuple[Crystal, ...]:
    """The crystal of an ``ase.Atoms``.

    Args:
        atoms: with a full cell.
        options: of the reader.
        notes: of the reader of the file.

    Raises:
        CrystalError: if it is not periodic in three directions, or is no crystal otherwise.
    """
    if not np.all(atoms.pbc):
        raise CrystalError(NOT_PERIODIC)
    numbers, cell = np.asarray(atoms.numbers), np.asarray(atoms.cell, dtype=np.float64)
    if numbers.size == 0:
        raise CrystalError("holds no atoms")
    if numbers.min() < 1:
        raise CrystalError(f"atom {int(numbers.argmin()) + 1} is no element (X)")
    positions = np.asarray(atoms.positions, dtype=np.float64)
    Crystal(numbers, cell, positions)  # finite numbers and a volume
    rows = AtomRows(
        names=[f"atom {k + 1} ({symbol_of(int(z))})" for k, z in enumerate(numbers)],
        numbers=numbers.astype(np.int64),
        occupancies=np.ones(len(numbers)),
        frac_coords=np.linalg.solve(cell.T, positions.T).T,
        lattice=cell,
    )
    return crystals_of_rows(rows, options, notes or Notes(options.is_strict))


def _frames(file: Any, form: str) -> Iterator[tuple[int, Any]]:
    """Frames of an open file, counted from 0.

    Raises:
        CrystalError: naming the frame from which on the file cannot be read.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the reader's hints; what matters is checked later
            from ase.io import iread

            yield from enumerate(iread(file, index=":", format=form))
    except (CrystalError, OSError, MemoryError):
        raise
    except Exception as error:  # readers of foreign formats raise whatever they meet
        raise CrystalError(f"not readable as {form} ({_reason(error)})") from None


def _extended_xyz(text: TextIO, options: ReadOptions) -> Iterator[tuple[str, Getter]]:
    """Frames of extended XYZ, each read by itself; blank lines end the file."""
    number = 0
    while count := text.readline(MAX_LINE).strip():
        if not count.isascii() or not count.isdigit():
            raise CrystalError(f"frame {number}: a number of atoms expected, got {count[:40]!r}")
        check_number_of_sites(int(count[:20]))
        lines = [_line(text) for _ in range(int(count) + 1)]
        yield str(number), lambda lines=lines: _crystals_of_frame(lines, options)
        number += 1


def _line(text: TextIO) -> str:
    line = text.readline(MAX_LINE)
    if len(line) == MAX_LINE:
        raise CrystalError(f"a line of more than {MAX_LINE:,} characters")
    return line.rstrip("\r\n")


def _crystals_of_frame(lines: list[str], options: ReadOptions) -> tuple[Crystal, ...]:
    """The crystal of one frame: its comment, and a line for each atom."""
    present = sum(bool(line.strip()) for line in lines[1:])
    if present < len(lines) - 1:
        raise CrystalError(f"{len(lines) - 1} atoms are declared, {present} are listed")
    notes = Notes(options.is_strict)
    rows = _with_symbols(lines[0], lines[1:], notes)
    frame = "\n".join([str(len(rows)), lines[0], *rows]) + "\n"
    [(_, atoms)] = _frames(io.StringIO(frame), "extxyz")
    return crystals_of_atoms(atoms, options, notes)


def _with_symbols(comment: str, rows: list[str], notes: Notes) -> list[str]:
    """Lines of atoms with the symbols of elements that ASE knows in place of names.

    Raises:
        CrystalError: naming the atom that is no element.
    """
    column = _species_column(comment)
    if column is None:
        return rows
    changed = []
    for number, row in enumerate(rows, start=1):
        words = row.split()
        if column < len(words):
            try:
                species = species_of(words[column])
            except CrystalError as error:
                raise CrystalError(f"atom {number}: {error}") from None
            notes.species(species)
            words[column] = species.symbol
        changed.append(" ".join(words))
    return changed


def _species_column(comment: str) -> int | None:
    """Column of the names of species; None if atoms are listed by number alone."""
    match = _PROPERTIES.search(comment)
    if match is None:
        return 0
    parts = match[1].strip('"').split(":")
    column = 0
    for name, kind, width in islice(zip(*[iter(parts)] * 3, strict=False), len(parts)):
        if kind.upper() == "S" and name.lower() in ("species", "symbols", "element"):
            return column
        column += int(width) if width.isdigit() else 1
    return None


def _reason(error: Exception) -> str:
    text = reason_of(error)
    return f"{type(error).__name__}: {text}" if isinstance(error, KeyError | IndexError) else text
