"""Formula, Z, multiplicities, volume, mass and density of a file, checked against its atoms."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import gemmi
import numpy as np

from models.crystal.crystal import CrystalError
from models.crystal.species import ATOMIC_NUMBERS, symbol_of

RATIO_TOLERANCE = 0.01
"""Relative difference between declared and listed numbers of an element that is rounding."""
COUNT_TOLERANCE = 0.02
"""The same in atoms of a formula unit."""
DENSITY_TOLERANCE = 0.05
"""Relative difference of densities that temperature and rounding explain."""
MASS_TOLERANCE = 0.01
"""Relative difference between stated and listed masses of a cell that is rounding."""
VOLUME_TOLERANCE = 0.02
"""Relative difference between the stated volume and that of the cell parameters."""
_GRAMS_PER_CM3 = 1.66053906892  # of one dalton per cubic Angstrom (CODATA 2022)
_TOKEN = re.compile(r"\s*(?P<symbol>[A-Z][a-z]?)(?P<count>\d*\.?\d*)(?:\(\d+\))?")


@dataclass(frozen=True, eq=False)
class Composition:
    """Declared content of a cell; None or empty where nothing is declared.

    Attributes:
        formula_text: the formula as written.
        formula: atomic number to number of atoms in one formula unit.
        num_units: formula units Z in the cell.
        unit_mass: of a formula unit [Da].
        volume: of the cell [Angstrom^3].
        density: of the crystal [g/cm^3].
        multiplicities: number of images of each listed row; NaN where none is declared.
    """

    formula_text: str = ""
    formula: Mapping[int, float] | None = None
    num_units: float | None = None
    unit_mass: float | None = None
    volume: float | None = None
    density: float | None = None
    multiplicities: Sequence[float] = ()

    @property
    def counts_cells(self) -> bool:
        """True if the number of atoms in the cell is declared, not only their ratio."""
        has_units = self.formula is not None and self.num_units is not None
        return has_units or bool(np.isfinite(self.multiplicities).any())

    def formula_fault(self, content: Mapping[int, float]) -> str:
        """Why the atoms of a cell cannot have the declared formula; empty if they can.

        Args:
            content: atomic number to number of atoms in the cell.
        """
        if self.formula is None:
            return ""
        lacking = [symbol_of(z) for z in self.formula if content.get(z, 0.0) == 0.0]
        beyond = [symbol_of(z) for z in content if z not in self.formula]
        told = f"the declared formula is {self.formula_text!r}, the listed atoms make "
        told += repr(formula_of(content))
        if lacking:
            return f"{told}: {', '.join(lacking)} not located"
        if beyond:
            return f"{told}: {', '.join(beyond)} not declared"
        units = self._units(content)
        for z, count in self.formula.items():
            if abs(content[z] / units - count) > max(RATIO_TOLERANCE * count, COUNT_TOLERANCE):
                return told
        return ""

    def units_fault(self, content: Mapping[int, float]) -> str:
        """Why the cell cannot hold the declared number of formula units; empty if it can.

        Some programs state the formula of the whole cell, and with it the number of reduced units
        (4 in Na4 Cl4, 2 in Li4 O4); both ways are accepted.
        """
        if self.formula is None or self.num_units is None:
            return ""
        units = self._units(content)
        whole = [round(count) for count in self.formula.values()]
        divisor = int(np.gcd.reduce(whole)) if all(whole) else 1
        is_whole_cell = abs(units - 1) < 0.01 and divisor % self.num_units == 0
        if is_whole_cell or abs(units - self.num_units) < 0.01 * self.num_units:
            return ""
        return (
            f"Z = {self.num_units:g} units of {self.formula_text!r} are declared, the listed atoms "
            f"make {units:g}"
        )

    def multiplicity_fault(self, images: Sequence[int], names: Sequence[str]) -> str:
        """Why images of the listed rows contradict declared multiplicities; empty if they do not.

        Args:
            images: number of images of each row in the cell.
            names: of the rows, for messages.
        """
        for declared, found, name in zip(self.multiplicities, images, names, strict=False):
            if np.isfinite(declared) and declared != found:
                return f"{name}: multiplicity {declared:g} is declared, its images are {found}"
        return ""

    def remarks(self, content: Mapping[int, float], volume: float) -> list[str]:
        """Differences in volume and density that the user should know.

        Args:
            content: atomic number to number of atoms in the cell.
            volume: of the cell parameters [Angstrom^3].
        """
        found = []
        if self.volume and abs(self.volume / volume - 1) > VOLUME_TOLERANCE:
            found.append(
                f"a volume of {self.volume:g} Angstrom^3 is stated, the cell parameters make "
                f"{volume:.5g}"
            )
        mass = sum(n * gemmi.Element(symbol_of(z)).weight for z, n in content.items())
        if self.unit_mass and self.num_units:
            declared = self.unit_mass * self.num_units
            if abs(mass / declared - 1) > MASS_TOLERANCE:
                found.append(
                    f"{self.num_units:g} units of {self.unit_mass:g} Da are stated, the listed "
                    f"atoms make {mass:.5g} Da: atoms may be missing"
                )
        if self.density:
            density = mass / volume * _GRAMS_PER_CM3
            if abs(density / self.density - 1) > DENSITY_TOLERANCE:
                found.append(
                    f"a density of {self.density:g} g/cm^3 is stated, the listed atoms make "
                    f"{density:.4g}: atoms may be missing"
                )
        return found

    def _units(self, content: Mapping[int, float]) -> float:
        """Formula units in the cell, by the element that has most of them."""
        assert self.formula is not None
        return max(content.get(z, 0.0) / count for z, count in self.formula.items())


def formula_of(content: Mapping[int, float]) -> str:
    """Text such as ``Ca H2 O2`` of atomic numbers and numbers of atoms."""
    return " ".join(f"{symbol_of(z)}{'' if n == 1 else f'{n:g}'}" for z, n in content.items())


def parse_formula(text: str) -> dict[int, float]:
    """Atomic number to number of atoms of a formula such as ``Ca H2 O2``.

    Raises:
        CrystalError: if it is no plain formula of elements; deuterium counts as hydrogen.
    """
    counts: dict[int, float] = {}
    position, stripped = 0, text.strip()
    while position < len(stripped):
        match = _TOKEN.match(stripped, position)
        number = 0 if match is None else _number_of(match["symbol"])
        if match is None or not number:
            raise CrystalError(f"the formula {text[:60]!r} was not understood")
        counts[number] = counts.get(number, 0.0) + float(match["count"] or 1)
        position = match.end()
    return {z: n for z, n in counts.items() if n > 0}


def _number_of(symbol: str) -> int:
    return 1 if symbol in ("D", "T") else ATOMIC_NUMBERS.get(symbol, 0)
