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
    """

    number: int
    note: str = ""

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
        symbol = written if written in ATOMIC_NUMBERS else written.capitalize()
        if symbol in _HYDROGEN_ISOTOPES and mass is None:
            return Species(1, f"{symbol} ({_HYDROGEN_ISOTOPES[symbol]}) read as H")
        number = ATOMIC_NUMBERS.get(symbol)
        if number is not None:
            is_literal = mass is None and written == symbol and not rest.isdigit()
            return Species(number, "" if is_literal else f"{name.strip()} read as {symbol}")
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
    if letters.isupper() and letters.capitalize() in ATOMIC_NUMBERS:
        symbol = letters.capitalize()
    elif letters[:-1] in ATOMIC_NUMBERS and (
        (letters[-1].isupper() and letters[-1] != "H") or letters == "Ow"
    ):
        symbol = letters[:-1]
    else:
        raise CrystalError(f"the label {reprlib.repr(label)} starts with no element")
    return Species(ATOMIC_NUMBERS[symbol], f"the label {label.strip()} read as {symbol}")
