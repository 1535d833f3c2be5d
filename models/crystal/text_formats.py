"""CIF and POSCAR text into crystals, through pymatgen, without what it would guess in silence.

Work is bounded before it starts: pymatgen compares every image of every site with all others.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from models.crystal import Crystal, CrystalError
from models.crystal.check import MAX_SITES, check_number_of_sites
from models.crystal.found import reason_of

if TYPE_CHECKING:
    from pymatgen.core import Structure
    from pymatgen.io.cif import CifBlock, CifParser

_Parsed = TypeVar("_Parsed")
NO_SYMMETRY_NOTE = "states no symmetry: all atoms were taken to be listed (P1)"
MAX_LINE = 10_000
"""Characters of a line; the standard of CIF has 2,048."""
MAX_IMAGES = 30_000
"""Sites times symmetry operations in all blocks of a CIF, before images that coincide are merged:
some seconds of work."""
_OPERATION = re.compile(r"[0-9xyzXYZ+\-*/., \t]{5,100}")
_COUNT = re.compile(r"\+?\d[\d_]*")  # what Python reads as a whole number
_SAME_SITE = 1e-4  # of a lattice vector, as pymatgen has it


def structures_of_cif(text: str) -> tuple[list[Structure], str]:
    """The structures in the text of a CIF, and a note that is mostly empty.

    Raises:
        CrystalError: if there is none, the text cannot be read, or it describes more sites than a
            usable crystal has.
    """
    structures, hints = _parse(lambda: _read_cif(_without_blank_lines(text)))
    if not structures:
        raise CrystalError("not a readable structure (no atoms in this CIF)")
    note = NO_SYMMETRY_NOTE if any("Defaulting to P1" in hint for hint in hints) else ""
    return structures, note


def _read_cif(text: str) -> list[Structure]:
    from pymatgen.io.cif import CifFile, CifParser

    blocks = list(CifFile.from_str(text).data.values())
    for block in blocks:
        _check_operations(block)
    parser = CifParser.from_str(text)
    num_images = sum(_check_images(parser, block) for block in blocks)
    if num_images > MAX_IMAGES:
        raise CrystalError(
            f"{num_images:,} images of sites by symmetry (at most {MAX_IMAGES:,}); list all sites "
            "without symmetry (P1)"
        )
    return parser.parse_structures(primitive=False, on_error="raise")


def _check_operations(block: CifBlock) -> None:
    """Refuse what is no symmetry operation, before a long one is searched for its parts."""
    for key, value in block.data.items():
        if ("symop" in key and "xyz" in key) or "equiv_pos_as_xyz" in key:
            for operation in [value] if isinstance(value, str) else value:
                if operation.strip() and not _OPERATION.fullmatch(operation.strip()):
                    raise CrystalError(
                        f"{operation[:40]!r} is no symmetry operation such as -x,y+1/2,-z"
                    )


def _check_images(parser: CifParser, block: CifBlock) -> int:
    """Number of images of all sites of a block.

    Raises:
        CrystalError: if more sites are listed, or follow from symmetry, than a crystal may have.
    """
    from pymatgen.io.cif import str2float

    columns = [block.data.get(f"_atom_site_fract_{axis}", ()) for axis in "xyz"]
    num_sites = min(map(len, columns))
    if num_sites == 0 or any(isinstance(column, str) for column in columns):
        return 0
    check_number_of_sites(num_sites)
    is_magnetic = parser.feature_flags["magcif"]
    operations = parser.get_magsymops(block) if is_magnetic else parser.get_symops(block)
    num_images = num_sites * len(operations)
    if MAX_SITES < num_images <= MAX_IMAGES:
        coords = np.array([[str2float(cell) for cell in row] for row in zip(*columns, strict=True)])
        matrices = np.array([operation.affine_matrix for operation in operations])
        images = np.einsum("oij,sj->osi", matrices[:, :3, :3], coords) + matrices[:, None, :3, 3]
        offsets = images - coords
        is_same = (np.abs(offsets - np.rint(offsets)) < _SAME_SITE).all(-1)
        # The operations that leave a site in place say how many of its images coincide.
        check_number_of_sites(int((len(operations) / np.maximum(is_same.sum(0), 1)).sum()))
    return num_images


def crystal_of_poscar(text: str) -> Crystal:
    """The crystal in the text of a POSCAR.

    Raises:
        CrystalError: if it cannot be read, does not name its elements, or has too many sites.
    """
    from pymatgen.io.vasp.inputs import Poscar

    _check_lines(text)
    check_number_of_sites(sum(_counts_of_poscar(text)))
    poscar, hints = _parse(lambda: Poscar.from_str(text, read_velocities=False))
    if any("cannot be determined" in hint for hint in hints):
        raise CrystalError("the POSCAR names no elements; add their symbols above the counts")
    return Crystal.from_structure(poscar.structure)


def _counts_of_poscar(text: str) -> Iterator[int]:
    """Whole numbers where the counts stand: between the lattice and the coordinates."""
    if not text.split("\n", 1)[0].strip():
        text = "\n" + text.lstrip()  # the first line is a comment, also if it is blank
    for line in text.split("\n", 30)[5:29]:
        words = line.split()
        if len(words) == 3 and not all(map(_COUNT.fullmatch, words)):
            return  # coordinates
        yield from (int(word.replace("_", "")[:20]) for word in words if _COUNT.fullmatch(word))


def _without_blank_lines(text: str) -> str:
    """A text without blank lines, each of which pymatgen would follow to the end of their run."""
    _check_lines(text)
    return "\n".join(line for line in text.splitlines() if line.strip())


def _check_lines(text: str) -> None:
    if max(map(len, text.splitlines()), default=0) > MAX_LINE:
        raise CrystalError(
            f"not a readable structure (a line of more than {MAX_LINE:,} characters)"
        )


def _parse(read: Callable[[], _Parsed]) -> tuple[_Parsed, list[str]]:
    """What a foreign reader gives, and its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            parsed = read()
        except CrystalError:
            raise
        except Exception as error:  # readers of foreign formats raise whatever they meet
            raise CrystalError(f"not a readable structure ({reason_of(error)})") from None
    return parsed, [str(warning.message) for warning in caught]
