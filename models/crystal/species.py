"""Atomic numbers of the species that files name: element symbols, charges, isotopes and labels.

The table is strict: a name that is no element (``OH``, ``Va``, ``X``, ``Wat``) is refused. What was
read other than literally comes with a note.
"""

from __future__ import annotations

import re
import reprlib
from dataclasses import dataclass

from models.crystal.crystal import CrystalError

_TABLE = (
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se "
    "Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb "
    "Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm "
    "Bk Cf Es Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og"
)
SYMBOLS = tuple(_TABLE.split())
"""Symbols of the elements in the order of atomic numbers 1 to 118."""
ATOMIC_NUMBERS = {symbol: number for number, symbol in enumerate(SYMBOLS, start=1)}
_HYDROGEN_ISOTOPES = {"D": "deuterium", "T": "tritium"}
_SPECIES = re.compile(
    r"(?P<mass>\d{1,3})?(?P<symbol>[A-Za-z]{1,2})"
    r"(?P<rest>|\d*\.?\d*[+\-]|[+\-]\d*\.?\d*|\((?:[IVX]+|\d?[+\-]|[+\-]\d)\)|\d{1,3})"
)
_LABEL = re.compile(r"(?P<letters>[A-Za-z]+)(?P<rest>.*)", re.DOTALL)


@dataclass(frozen=True)
class Species:
    """An element as a file names it.

    Attributes:
        number: atomic number, 1 to 118.
        note: how the name was read if not literally, mostly empty.
        is_irregular: the name is none that a standard knows, and was repaired.
    """

    number: int
    note: str = ""
    is_irregular: bool = False

    @property
    def symbol(self) -> str:
        """Symbol of the element."""
        return SYMBOLS[self.number - 1]


def symbol_of(number: int) -> str:
    """Symbol of the element with an atomic number, 1 to 118."""
    return SYMBOLS[number - 1]


def species_of(name: object) -> Species:
    """The element of a species such as ``Ti``, ``Ti4+``, ``Ti(IV)``, ``18O`` or ``D``.

    Charges are dropped without a note: the models know elements only. Isotopes, numbers behind a
    symbol (``Li7``) and irregular case (``TI``) are noted.

    Raises:
        CrystalError: if it names no element.
    """
    match = _SPECIES.fullmatch(name.strip()) if isinstance(name, str) else None
    if match is not None:
        written, mass, rest = match["symbol"], match["mass"], match["rest"]
        if written in _HYDROGEN_ISOTOPES and mass is None:
            return Species(1, f"{written} ({_HYDROGEN_ISOTOPES[written]}) read as H")
        number = ATOMIC_NUMBERS.get(written) or _of_irregular_case(written)
        if number is not None:
            symbol = symbol_of(number)
            is_irregular = written != symbol or rest.isdigit()
            note = f"{name.strip()} read as {symbol}" if is_irregular or mass else ""
            return Species(number, note, is_irregular)
    raise CrystalError(f"{reprlib.repr(name)} is no element")


def species_of_label(label: str) -> Species:
    """The element of a site label such as ``Na1``, ``O2A`` or ``Cl(3)``, where no type is stated.

    The symbol ends before the first character that is no letter. One capital letter may follow it
    (``FeA``), and a ``w`` behind oxygen (water); both are noted, as is a symbol in capitals
    (``CO1``, cobalt).

    Raises:
        CrystalError: if the label does not start with the symbol of an element (``T1``, ``Va1``,
            ``OH1``, ``Wat``).
    """
    match = _LABEL.fullmatch(label.strip())
    letters = match["letters"] if match is not None else ""
    if letters in ATOMIC_NUMBERS:
        return Species(ATOMIC_NUMBERS[letters])
    if letters == "D":
        return species_of("D")
    number = _of_irregular_case(letters) if letters.isupper() else None
    if number is None and (
        letters == "Ow" or (letters[-1:].isupper() and letters[-1:] != "H" and len(letters) > 1)
    ):
        number = ATOMIC_NUMBERS.get(letters[:-1])
    if number is None:
        raise CrystalError(f"the label {reprlib.repr(label)} starts with no element")
    return Species(number, f"labels {letters} read as {symbol_of(number)}", is_irregular=True)


def _of_irregular_case(written: str) -> int | None:
    """Atomic number of a symbol in capitals or small letters; None if it is no element.

    Elements beyond Z = 103 are left out: nobody means them by ``NH`` or ``OG``.
    """
    number = ATOMIC_NUMBERS.get(written.capitalize())
    return number if number is not None and number <= 103 else None
