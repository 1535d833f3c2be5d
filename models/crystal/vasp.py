"""Reads crystals from POSCAR, CONTCAR, CHGCAR and XDATCAR files.

Read by rules of our own, because other readers guess elements in silence: from flags, from labels
at the ends of lines, or from a default list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.crystal.check import check_number_of_sites
from models.crystal.crystal import Crystal, CrystalError
from models.crystal.found import Getter
from models.crystal.sites import AtomRows, Notes, ReadOptions, crystals_of_rows
from models.crystal.species import ATOMIC_NUMBERS, Species, species_of

FORM = "expected: comment, scale, three lattice vectors, symbols, counts, Direct or Cartesian"
_FRAME = re.compile(r"\s*(direct|cartesian)\s+configuration\s*=\s*(\d+)", re.IGNORECASE)
_POTENTIAL = re.compile(r"(?P<symbol>[A-Za-z0-9+\-()]+?)(?:[_./].*)?")
_COMMENT = re.compile(r"[!#].*")
_MODES = {"d": False, "c": True, "k": True}


@dataclass(frozen=True, eq=False)
class _Head:
    """What stands above the coordinates.

    Attributes:
        lattice: (3, 3) [Angstrom] lattice vectors as rows, the scale applied.
        scale: (3,) factors of Cartesian coordinates.
        symbols: words above the counts; empty in files of VASP 4.
        counts: atoms of each symbol.
        next_line: number of the line below the counts, from 0.
    """

    lattice: NDArray[np.float64]
    scale: NDArray[np.float64]
    symbols: Sequence[str]
    counts: Sequence[int]
    next_line: int


def is_trajectory(text: str) -> bool:
    """True for an XDATCAR: coordinates below lines such as ``Direct configuration=  1``."""
    return any(_FRAME.match(line) for line in text.split("\n", 40)[5:40])


def poscar_structures(text: str, options: ReadOptions) -> Iterator[tuple[str | None, Getter]]:
    """Name, and a function that gives the crystals, of each structure in a file of VASP.

    A POSCAR has one, without a name; an XDATCAR has one for each configuration, named by its
    number. Functions raise CrystalError, naming the line.
    """
    lines = text.split("\n")
    if is_trajectory(text):
        yield from _frames(lines, options)
    else:
        yield None, lambda: _crystals(lines, 0, options)


def _frames(lines: Sequence[str], options: ReadOptions) -> Iterator[tuple[str, Getter]]:
    """Configurations of an XDATCAR; the cell may be repeated above each of them."""
    head: _Head | None = None
    start = 0
    for number, line in enumerate(lines):
        match = _FRAME.match(line)
        if match is None:
            continue
        if head is None or number - start >= 7:
            head = _head(lines[:number], start)
        elif number != start and any(text.strip() for text in lines[start:number]):
            raise CrystalError(f"line {start + 1}: more than the {sum(head.counts)} atoms expected")
        is_cartesian = match[1].lower() == "cartesian"
        start = number + 1 + sum(head.counts)
        yield (
            match[2],
            lambda head=head, first=number + 1, is_cartesian=is_cartesian: _crystals_at(
                lines, head, first, options, is_cartesian=is_cartesian
            ),
        )


def _crystals(lines: Sequence[str], first: int, options: ReadOptions) -> tuple[Crystal, ...]:
    """The crystal of a POSCAR that starts at a line."""
    head = _head(lines, first)
    number = head.next_line
    word = _line(lines, number, "Direct or Cartesian").strip().lower()
    if word[:1] == "s":  # Selective dynamics
        number += 1
        word = _line(lines, number, "Direct or Cartesian").strip().lower()
    if word[:1] not in _MODES:
        raise CrystalError(
            f"line {number + 1}: Direct or Cartesian expected, got {word[:40]!r}; {FORM}"
        )
    is_selective = number > head.next_line
    return _crystals_at(
        lines,
        head,
        number + 1,
        options,
        is_cartesian=_MODES[word[0]],
        is_selective=is_selective,
        may_go_on=False,
    )


def _head(lines: Sequence[str], first: int) -> _Head:
    """Lattice, symbols and counts of a file that starts at a line.

    Raises:
        CrystalError: naming the line that is not what is expected there.
    """
    factors = _numbers(lines, first + 1, (1, 3), "one scale, or three")
    vectors = np.array([_numbers(lines, first + 2 + k, (3,), "a lattice vector") for k in range(3)])
    if not np.isfinite(vectors).all() or not all(factors):
        raise CrystalError(f"line {first + 2}: the scale must not be 0, lattice vectors finite")
    if len(factors) == 3 and min(factors) <= 0:
        raise CrystalError(f"line {first + 2}: three scales must be positive")
    if factors[0] < 0:  # the volume is given
        volume = abs(float(np.linalg.det(vectors)))
        if volume == 0.0:
            raise CrystalError("the lattice vectors span no volume")
        factors = [(-factors[0] / volume) ** (1 / 3)]
    scale = np.array(factors * 3 if len(factors) == 1 else factors)
    number = first + 5
    words = _words(_line(lines, number, "symbols or counts"))
    symbols: Sequence[str] = ()
    if not all(word.isdigit() for word in words) or not words:
        symbols, number = words, number + 1
        words = _words(_line(lines, number, "counts of atoms"))
    if not words or not all(word.isascii() and word.isdigit() for word in words):
        raise CrystalError(
            f"line {number + 1}: counts of atoms expected, got {' '.join(words)[:40]!r}; {FORM}"
        )
    counts = [int(word[:12]) for word in words]
    check_number_of_sites(sum(counts))
    if symbols and len(symbols) != len(counts):
        raise CrystalError(
            f"line {number + 1}: {len(symbols)} symbols ({' '.join(symbols)[:60]}) but "
            f"{len(counts)} counts"
        )
    return _Head(vectors * scale, scale, symbols, counts, number + 1)


def _crystals_at(
    lines: Sequence[str],
    head: _Head,
    first: int,
    options: ReadOptions,
    *,
    is_cartesian: bool,
    is_selective: bool = False,
    may_go_on: bool = True,
) -> tuple[Crystal, ...]:
    """The crystal whose coordinates start at a line.

    Args:
        lines: of the whole file.
        head: above the coordinates.
        first: line of the first coordinates, from 0.
        options: of the reader.
        is_cartesian: coordinates are in units of the scale, not of lattice vectors.
        is_selective: three flags follow the coordinates.
        may_go_on: other coordinates may follow directly.
    """
    num_atoms = sum(head.counts)
    if num_atoms == 0:
        raise CrystalError("lists no atoms")
    present = [k for k in range(first, min(first + num_atoms, len(lines))) if lines[k].strip()]
    if len(present) < num_atoms:
        raise CrystalError(
            f"{num_atoms} atoms are declared, coordinates of {len(present)} follow from line "
            f"{first + 1} on"
        )
    coords = np.array([_numbers(lines, k, (3,), "coordinates", more=True) for k in present])
    after = first + num_atoms
    if not may_go_on and after < len(lines) and _is_coordinate_line(lines[after]):
        raise CrystalError(
            f"line {after + 1}: coordinates of more than the {num_atoms} declared atoms"
        )
    tails = [_words(lines[k])[3:] for k in present]
    notes = Notes(options.is_strict)
    species = _species(head, tails, is_selective, notes)
    if is_cartesian:
        coords = np.linalg.solve(head.lattice.T, (coords * head.scale).T).T
    names = [f"atom {k + 1} ({s.symbol})" for k, s in enumerate(species)]
    rows = AtomRows(
        names=names,
        numbers=np.array([s.number for s in species], dtype=np.int64),
        occupancies=np.ones(num_atoms),
        frac_coords=coords,
        lattice=head.lattice,
    )
    Crystal(rows.numbers, rows.lattice, rows.frac_coords)  # finite, with a volume
    return crystals_of_rows(rows, options, notes)


def _species(
    head: _Head, tails: Sequence[Sequence[str]], is_selective: bool, notes: Notes
) -> list[Species]:
    """The element of every atom, from the symbols above the counts or at the ends of lines.

    Raises:
        CrystalError: if there are none, or both disagree.
    """
    written = _symbols_at_ends(tails, is_selective)
    if not head.symbols:
        if written is None:
            raise CrystalError(
                "the POSCAR names no elements; add their symbols in a line above the counts"
            )
        return [_noted(species_of(symbol), notes) for symbol in written]
    species = [
        one
        for symbol, count in zip(head.symbols, head.counts, strict=True)
        for one in [_of_potential(symbol, notes)] * count
    ]
    if written is not None:
        for k, (one, symbol) in enumerate(zip(species, written, strict=True)):
            if species_of(symbol).number != one.number:
                raise CrystalError(
                    f"atom {k + 1} is {one.symbol} by the line of symbols, but its own line ends "
                    f"in {symbol}"
                )
    return species


def _symbols_at_ends(tails: Sequence[Sequence[str]], is_selective: bool) -> list[str] | None:
    """Element symbols at the ends of all lines; None if they are flags, labels or nothing."""
    ends = [tail[3:] if is_selective else tail for tail in tails]
    if not all(len(end) == 1 and end[0] in ATOMIC_NUMBERS for end in ends):
        return None
    return [end[0] for end in ends]


def _of_potential(word: str, notes: Notes) -> Species:
    """The element of a word such as ``Ti``, ``Ti_pv``, ``O/77aa01b`` or ``H.5``."""
    match = _POTENTIAL.fullmatch(word)
    try:
        return _noted(species_of(match["symbol"] if match else word), notes)
    except CrystalError as error:
        raise CrystalError(f"the line of symbols: {error}") from None


def _noted(species: Species, notes: Notes) -> Species:
    notes.species(species)
    return species


def _line(lines: Sequence[str], number: int, what: str) -> str:
    if number >= len(lines):
        raise CrystalError(f"ends before line {number + 1} ({what}); {FORM}")
    return lines[number]


def _words(line: str) -> list[str]:
    return _COMMENT.sub("", line).replace(",", " ").split()


def _is_coordinate_line(line: str) -> bool:
    words = _words(line)
    return len(words) >= 3 and all(_number(word) is not None for word in words[:3])


def _number(word: str) -> float | None:
    """A number, also with the exponent D of Fortran; None if it is none."""
    try:
        return None if "_" in word else float(word.replace("D", "e").replace("d", "e"))
    except ValueError:
        return None


def _numbers(
    lines: Sequence[str], number: int, counts: Sequence[int], what: str, *, more: bool = False
) -> list[float]:
    """Numbers at the start of a line.

    Args:
        lines: of the file.
        number: of the line, from 0.
        counts: how many there may be.
        what: stands there, for messages.
        more: other words may follow.

    Raises:
        CrystalError: naming the line.
    """
    words = _words(_line(lines, number, what))
    values = []
    for word in words:
        value = _number(word)
        if value is None or (more and len(values) == max(counts)):
            break
        values.append(value)
    is_clean = more or len(values) == len(words)
    if len(values) not in counts or not is_clean or not np.isfinite(values).all():
        text = lines[number].strip()[:40]
        raise CrystalError(f"line {number + 1}: {what} expected, got {text!r}; {FORM}")
    return values
