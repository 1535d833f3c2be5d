"""Reads the blocks of a CIF into crystals, and checks each against what it declares.

gemmi reads the grammar; atoms, symmetry and their contradictions are looked at here. Nothing is
guessed in silence: a block is read as it is written, repaired with a note, or refused.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from gemmi import cif
from numpy.typing import NDArray

from models.crystal.cif_atoms import Fields, declared_of, is_about_structure, lattice_of, rows_of
from models.crystal.cif_symmetry import Setting, Symmetry, declared_symmetry
from models.crystal.composition import Composition
from models.crystal.crystal import Crystal, CrystalError
from models.crystal.found import Getter
from models.crystal.sites import (
    MAX_IMAGES,
    SAME_SITE,
    AtomRows,
    Notes,
    Orbit,
    ReadOptions,
    check_number_of_sites,
    crystals_of_orbits,
    orbits_of_rows,
)

MAX_FAULTS = 10
"""Lines of a block outside atoms, cell and symmetry that may be no CIF."""
_HEADER = re.compile(r"(?im)^data_\S*")
_SIGNS = str.maketrans({"\u2212": "-", "\u2013": "-", "\ufeff": None, "\0": None})


def cif_structures(text: str, options: ReadOptions) -> Iterator[tuple[str | None, Getter]]:
    """The blocks of a CIF in order: name and a function that gives the crystals.

    The name is None if there is only one block. A function raises CrystalError if its block cannot
    be used; it does not take others along. Several crystals are orderings of a disordered one.

    Raises:
        CrystalError: if there is no block.
    """
    blocks = _blocks(text.translate(_SIGNS))
    if not blocks:
        raise CrystalError("not a CIF: it has no line `data_` with the name of a block")
    for number, (name, read) in enumerate(blocks):
        if options.is_strict and len(blocks) > 1 and _is_no_structure(read):
            continue
        name = name or str(number)
        shown = None if len(blocks) == 1 else name
        yield shown, lambda read=read: _crystals_of_block(read(), options)


_Reader = Callable[[], Fields]


def _blocks(text: str) -> list[tuple[str, _Reader]]:
    """Name of each block and what reads it, or raises the reason why not."""
    ascii_text = text if text.isascii() else text.encode("ascii", "replace").decode()
    try:
        document = cif.read_string(ascii_text, check_level=0)
    except (RuntimeError, ValueError, MemoryError):
        parts = _parts(ascii_text)
        return [(name, lambda part=part: _fields_of_part(*part)) for name, part in parts]
    return [(block.name.strip(), lambda block=block: Fields(block)) for block in document]


def _parts(text: str) -> list[tuple[str, tuple[str, int]]]:
    """Name, text and first line number of each block of a CIF that is not readable as a whole."""
    starts: list[tuple[int, int, str]] = []
    is_in_text, position = False, 0
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        if line.startswith(";"):
            is_in_text = not is_in_text
        elif not is_in_text and _HEADER.match(line):
            starts.append((position, number, line.split()[0][5:]))
        position += len(line)
    ends = [start for start, _, _ in starts[1:]] + [len(text)] * bool(starts)
    return [
        (name, (text[start:end], number))
        for (start, number, name), end in zip(starts, ends, strict=True)
    ]


def _fields_of_part(text: str, first_line: int) -> Fields:
    """Items of one block; faults in items that say nothing about the structure are left out.

    Raises:
        CrystalError: naming the line that is no CIF, if it belongs to atoms, cell or symmetry.
    """
    lines = text.splitlines()
    left_out: list[str] = []
    while True:
        try:
            fields = Fields(cif.read_string("\n".join(lines) + "\n", check_level=0).sole_block())
        except (RuntimeError, ValueError, MemoryError) as error:
            match = re.match(r"string:(\d+)(?::\d+\(\d+\))?\S*:? ?(.*)", str(error), re.DOTALL)
            if match is None:
                raise CrystalError(f"not a readable CIF ({error})") from None
            number = min(int(match[1]), len(lines)) - 1
            place = f"line {number + first_line}, {reprlib.repr(lines[number].strip())}"
            tag = _tag_of_line(lines, number)
            if not tag or is_about_structure(tag) or len(left_out) == MAX_FAULTS:
                reason = match[2].rstrip("_* ")
                raise CrystalError(f"not a readable CIF ({place}: {reason})") from None
            _leave_out(lines, number)
            left_out.append(f"{place} ({tag}) is no CIF and was left out")
        else:
            fields.notes += left_out
            return fields


def _tag_of_line(lines: Sequence[str], number: int) -> str:
    """The tag that a line belongs to: its own, of the loop that starts there, or the last above."""
    if lines[number].strip().lower() == "loop_":
        tags = [line.strip() for line in lines[number + 1 : number + 2]]
    else:
        tags = [line for line in reversed(lines[: number + 1]) if line.startswith("_")]
    return tags[0].split()[0] if tags and tags[0].startswith("_") else ""


def _leave_out(lines: list[str], number: int) -> None:
    """Turn a line into a comment, or a loop as far as the next item."""
    is_loop = lines[number].strip().lower() == "loop_"
    has_values = not is_loop
    while number < len(lines):
        words = lines[number].split()
        first = words[0].lower() if words else ""
        if has_values and is_loop and first.startswith(("_", "loop_", "data_")):
            return
        has_values = has_values or not first.startswith(("_", "loop_"))
        lines[number] = "#"
        number += 1
        if not is_loop:
            return


def _is_no_structure(read: _Reader) -> bool:
    """True for a block of text on journals, authors or methods."""
    try:
        columns = read().columns
    except CrystalError:
        return False
    return not any(tag.startswith(("_cell_", "_atom_site_")) for tag in columns)


def _crystals_of_block(fields: Fields, options: ReadOptions) -> tuple[Crystal, ...]:
    """The crystal of one block, or its orderings.

    Raises:
        CrystalError: if it cannot be read, or contradicts what it declares.
    """
    if not any(tag.startswith("_atom_site_") for tag in fields.columns):
        raise CrystalError("no atoms in this block (no _atom_site_ items)")
    if fields.faults:
        raise CrystalError(fields.faults[0])
    notes = Notes(options.is_strict)
    for line in fields.notes:
        notes.repair(line)
    lattice = lattice_of(fields)
    rows, composition = rows_of(fields, lattice, notes)
    symmetry = declared_symmetry(declared_of(fields), lattice)
    notes.add(symmetry.note)
    reading = _one_reading(rows, composition, symmetry, notes)
    for remark in composition.remarks(reading.content, abs(float(np.linalg.det(lattice)))):
        notes.add(remark)
    return crystals_of_orbits(reading.orbits, rows, options, notes)


@dataclass(frozen=True, eq=False)
class _Reading:
    """The atoms of a block in one setting, and what speaks against it.

    Attributes:
        setting: whose operations completed the rows.
        orbits: images of all rows.
        notes: on repairs.
        content: atomic number to number of atoms in the cell.
        faults: contradictions to the declared formula, Z and multiplicities.
    """

    setting: Setting
    orbits: list[Orbit]
    notes: Notes
    content: Mapping[int, float]
    faults: list[str]


def _one_reading(
    rows: AtomRows,
    composition: Composition,
    symmetry: Symmetry,
    notes: Notes,
) -> _Reading:
    """The reading that the declarations allow.

    What decides between settings is the declared composition alone: distances of atoms would tell
    real crystals apart, but not mistyped ones.

    Raises:
        CrystalError: if there is none, or several that make different crystals.
    """
    settings, conflict = symmetry.settings, symmetry.conflict
    num_images = len(rows.numbers) * min(len(s.operations.rotations) for s in settings)
    check_number_of_sites(len(rows.numbers))
    if num_images > MAX_IMAGES:
        raise CrystalError(
            f"{num_images:,} images of sites by symmetry (at most {MAX_IMAGES:,}); list all sites "
            "without symmetry (P1)"
        )
    if len(settings) == 1 and not conflict:
        reading = _reading(rows, composition, settings[0], notes)
        for fault in reading.faults:
            if symmetry.is_assumed or fault == composition.formula_fault(reading.content):
                raise CrystalError(fault)
            notes.add(fault)
        return reading
    if conflict and len(settings) == 1 and not composition.counts_cells:
        raise CrystalError(conflict)
    found, refusals = [], []
    for setting in settings:
        try:
            reading = _reading(rows, composition, setting, Notes(notes.is_strict))
        except CrystalError as error:
            refusals.append(str(error))
            continue
        if reading.faults:
            refusals.append(f"{setting.name}: {reading.faults[0]}")
        elif not any(_is_same_crystal(reading, other, rows.lattice) for other in found):
            found.append(reading)
    if not found:
        raise CrystalError(f"{conflict}; {refusals[0]}" if conflict else refusals[0])
    if len(found) > 1:
        names = ", ".join(reading.setting.name for reading in found[:4])
        raise CrystalError(
            f"{conflict or 'the symmetry is ambiguous'}: the atoms fit {names}"
            f"{' and others' if len(found) > 4 else ''}, which are different crystals; list the "
            "operations (_space_group_symop_operation_xyz) or all atoms (P 1)"
        )
    if conflict or len(refusals) > 0:
        reason = conflict or "the symbol leaves the setting open"
        notes.add(f"{reason}; {found[0].setting.name} was used, the one that fits the atoms")
    for line in found[0].notes.lines:
        notes.add(line)
    return found[0]


def _reading(rows: AtomRows, composition: Composition, setting: Setting, notes: Notes) -> _Reading:
    orbits = orbits_of_rows(rows, notes, setting.operations)
    content: dict[int, float] = {}
    for orbit in orbits:
        for number, occupancy in orbit.occupants.items():
            content[number] = content.get(number, 0.0) + occupancy * len(orbit.coords)
    images = {row: len(orbit.coords) for orbit in orbits for row in orbit.rows}
    multiplicities = [images.get(row, np.nan) for row in range(len(rows.numbers))]
    faults = [
        composition.formula_fault(content),
        composition.units_fault(content),
        composition.multiplicity_fault(multiplicities, rows.names),
    ]
    return _Reading(setting, orbits, notes, content, [fault for fault in faults if fault])


def _is_same_crystal(a: _Reading, b: _Reading, lattice: NDArray[np.float64]) -> bool:
    """True if both have the same atoms in the same places of the cell."""
    if sum(len(o.coords) for o in a.orbits) != sum(len(o.coords) for o in b.orbits):
        return False
    places = np.concatenate([orbit.coords for orbit in b.orbits])
    occupants = [orbit.occupants for orbit in b.orbits for _ in orbit.coords]
    for orbit in a.orbits:
        for position in orbit.coords:
            offsets = places - position
            distances = np.linalg.norm((offsets - np.rint(offsets)) @ lattice, axis=1)
            nearest = int(np.argmin(distances))
            if distances[nearest] > SAME_SITE or occupants[nearest] != orbit.occupants:
                return False
    return True
