"""CIF and POSCAR text into crystals, through pymatgen, without what it would guess in silence."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from models.crystal import Crystal, CrystalError
from models.datasets.user.skipped import one_line

if TYPE_CHECKING:
    from pymatgen.core import Structure

_Parsed = TypeVar("_Parsed")
NO_SYMMETRY_NOTE = "states no symmetry: all atoms were taken to be listed (P1)"


def structures_of_cif(text: str) -> tuple[list[Structure], str]:
    """The structures in the text of a CIF, and a note that is mostly empty.

    Raises:
        CrystalError: if there is none, or the text cannot be read.
    """
    from pymatgen.io.cif import CifParser

    structures, hints = _parse(
        lambda: CifParser.from_str(text).parse_structures(primitive=False, on_error="raise")
    )
    if not structures:
        raise CrystalError("not a readable structure (no atoms in this CIF)")
    note = NO_SYMMETRY_NOTE if any("Defaulting to P1" in hint for hint in hints) else ""
    return structures, note


def crystal_of_poscar(text: str) -> Crystal:
    """The crystal in the text of a POSCAR.

    Raises:
        CrystalError: if it cannot be read, or does not name its elements.
    """
    from pymatgen.io.vasp.inputs import Poscar

    poscar, hints = _parse(lambda: Poscar.from_str(text, read_velocities=False))
    if any("cannot be determined" in hint for hint in hints):
        raise CrystalError("the POSCAR names no elements; add their symbols above the counts")
    return Crystal.from_structure(poscar.structure)


def _parse(read: Callable[[], _Parsed]) -> tuple[_Parsed, list[str]]:
    """What a foreign reader gives, and its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            parsed = read()
        except Exception as error:  # readers of foreign formats raise whatever they meet
            raise CrystalError(f"not a readable structure ({one_line(error)})") from None
    return parsed, [str(warning.message) for warning in caught]
