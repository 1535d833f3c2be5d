"""Builds ``elements.json``, the property table of the chemical elements, from pymatgen.

Run as ``python -m models.build_elements --out models/elements.json``. This is a tool for
maintainers: reading the table is ``models.elements``, which does not need pymatgen, so that a
model's input does not change with the version of pymatgen that a user has.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from pymatgen.core import Element

from models.files import write_atomic

MAX_ATOMIC_NUMBER = 103
_SUBSHELL = re.compile(r"\d([spdf])(\d+)")


def known_value(element: Element, attribute: str) -> float | None:
    """Value of an attribute of pymatgen's element, None if pymatgen has none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one warning per missing value
        value = getattr(element, attribute)
    return None if value is None or math.isnan(value) else float(value)


def atomic_radius(element: Element) -> float | None:
    """Calculated radius [Angstrom], else the empirical one."""
    calculated = known_value(element, "atomic_radius_calculated")
    return known_value(element, "atomic_radius") if calculated is None else calculated


def ionic_radius(element: Element) -> float | None:
    """Mean radius over the known ions [Angstrom]; pymatgen says 0 where it knows no ion."""
    return known_value(element, "average_ionic_radius") or None


def valence_count(element: Element) -> float:
    """Group number up to group 12, group number less 10 beyond it."""
    return float(element.group if element.group <= 12 else element.group - 10)


def valence_electrons(element: Element, orbital: str) -> float:
    """Electrons in the s, p, d or f subshells outside the noble-gas core of the ground state."""
    outside = element.electronic_structure.rpartition("]")[2]
    return float(sum(int(count) for kind, count in _SUBSHELL.findall(outside) if kind == orbital))


def attribute(name: str) -> Callable[[Element], float | None]:
    """Function that reads an attribute of pymatgen's element."""
    return lambda element: known_value(element, name)


def electrons_in(orbital: str) -> Callable[[Element], float]:
    """Function that counts the valence electrons in one kind of orbital."""
    return lambda element: valence_electrons(element, orbital)


def in_block(block: str) -> Callable[[Element], float]:
    """Function that is 1 for the elements of a block of the periodic table and 0 elsewhere."""
    return lambda element: float(element.block == block)


# name: (unit, description, how to read it)
FEATURES: dict[str, tuple[str, str, Callable[[Element], float | None]]] = {
    "atomic_number": ("1", "atomic number", attribute("Z")),
    "group": ("1", "group of the periodic table, 3 for the f block", attribute("group")),
    "period": ("1", "row of the periodic table", attribute("row")),
    "electronegativity": ("1", "Pauling electronegativity", attribute("X")),
    "atomic_radius": ("Angstrom", "calculated radius, else empirical", atomic_radius),
    "atomic_mass": ("u", "standard atomic mass", attribute("atomic_mass")),
    "mendeleev_number": ("1", "Mendeleev number", attribute("mendeleev_no")),
    "valence_count": ("1", "group if at most 12, else group - 10", valence_count),
    "s_electrons": ("1", "s electrons outside the noble-gas core", electrons_in("s")),
    "p_electrons": ("1", "p electrons outside the noble-gas core", electrons_in("p")),
    "d_electrons": ("1", "d electrons outside the noble-gas core", electrons_in("d")),
    "f_electrons": ("1", "f electrons outside the noble-gas core", electrons_in("f")),
    "ionization_energy": ("eV", "first ionisation energy", attribute("ionization_energy")),
    "electron_affinity": ("eV", "electron affinity", attribute("electron_affinity")),
    "van_der_waals_radius": (
        "Angstrom",
        "van der Waals radius",
        attribute("van_der_waals_radius"),
    ),
    "ionic_radius": ("Angstrom", "mean radius over the known ions", ionic_radius),
    "molar_volume": ("cm^3/mol", "molar volume of the element", attribute("molar_volume")),
    "melting_point": ("K", "melting point of the element", attribute("melting_point")),
    "s_block": ("1", "1 in the s block", in_block("s")),
    "p_block": ("1", "1 in the p block", in_block("p")),
    "d_block": ("1", "1 in the d block", in_block("d")),
    "f_block": ("1", "1 in the f block", in_block("f")),
}


def build_table() -> dict[str, object]:
    """Content of ``elements.json``: source, highest atomic number Zmax and the features.

    Each feature has a name, a unit, a description, the number of missing values and the (Zmax,)
    values for Z = 1..Zmax, null where missing.
    """
    elements = [Element.from_Z(z) for z in range(1, MAX_ATOMIC_NUMBER + 1)]
    features = []
    for name, (unit, description, read) in FEATURES.items():
        values = [read(element) for element in elements]
        head = {"name": name, "unit": unit, "description": description}
        features.append({**head, "num_missing": values.count(None), "values": values})
    return {
        "source": f"pymatgen {version('pymatgen')}, pymatgen.core.Element (MIT licence)",
        "max_atomic_number": MAX_ATOMIC_NUMBER,
        "features": features,
    }


def encode_table(table: dict[str, object]) -> str:
    """JSON text of the table, one feature a line."""
    head = {key: value for key, value in table.items() if key != "features"}
    features = ",\n".join(json.dumps(feature, allow_nan=False) for feature in table["features"])
    return f'{json.dumps(head)[:-1]}, "features": [\n{features}\n]}}\n'


def main(argv: list[str] | None = None) -> None:
    """Command line of the builder."""
    parser = argparse.ArgumentParser(prog="python -m models.build_elements", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    args = parser.parse_args(argv)
    write_atomic(args.out, encode_table(build_table()).encode())


if __name__ == "__main__":
    main()
