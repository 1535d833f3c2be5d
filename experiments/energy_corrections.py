"""Formation energies from one scheme of corrections to another.

Databases of computed energies correct what density functional theory gets wrong for all compounds
alike, by terms that depend on composition and kind of anion. The shipped formation energies follow
the scheme of 2011 to 2015, WBM's ``efc`` that of 2020: the same crystal has different labels in the
two, by up to 0.2 eV/atom for sulfides, selenides and tellurides, and no network can know that.

Sources: Jain et al., Phys. Rev. B 84, 045115 (2011); Wang et al., Sci. Rep. 11, 15496 (2021).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.crystal import Crystal

if TYPE_CHECKING:
    from pymatgen.entries.computed_entries import ComputedStructureEntry

_GASES = ("H", "N", "F", "Cl")
"""The old scheme shifts the energies of these elements, the new one those of their compounds, by
numbers that agree to about 0.03 eV: they count as equal."""
_HUBBARD_ANIONS = frozenset(("O", "F"))


def shift_to_2020(
    crystals: Sequence[Crystal], on_crystal: Callable[[], None] = lambda: None
) -> NDArray[np.float64]:
    """What is added to formation energies of the old scheme to get those of the new one.

    The corrections are those of pymatgen, of energies computed as both databases do it: with a
    Hubbard U on some transition metals in oxides and fluorides.

    Args:
        crystals: W structures; anions are told by oxidation states, peroxides by distances.
        on_crystal: called after each.

    Returns:
        (W,) [eV/atom].
    """
    from pymatgen.analysis.compatibility import MaterialsProject2020Compatibility

    shifts = np.empty(len(crystals))
    with warnings.catch_warnings():
        # The old scheme is deprecated, which is why labels are shifted away from it; oxidation
        # states that cannot be guessed leave the most electronegative element as the anion.
        warnings.simplefilter("ignore")
        new, old = MaterialsProject2020Compatibility(check_potcar=False), _old_corrections()
        hubbard = {**new.u_settings["O"], **new.u_settings["F"]}
        for number, crystal in enumerate(crystals):
            entry = _entry(crystal, hubbard)
            before = sum(correction.get_correction(entry).nominal_value for correction in old)
            after = _without_gases(new.get_adjustments(entry))
            shifts[number] = (after - before) / len(crystal.numbers)
            on_crystal()
    return shifts


def _old_corrections() -> list[Any]:
    """Those of anions and of Hubbard's U; gases have them as elements."""
    from pymatgen.analysis import compatibility

    parts = compatibility.MaterialsProjectCompatibility().corrections
    kinds = compatibility.AnionCorrection, compatibility.UCorrection
    return [part for part in parts if isinstance(part, kinds)]


def _without_gases(adjustments: Sequence[Any]) -> float:
    """[eV] sum of the corrections but those of anions that were corrected before."""
    gases = tuple(f"({gas})" for gas in _GASES)
    return sum(a.value for a in adjustments if not (a.name.endswith(gases) and "anion" in a.name))


def _entry(crystal: Crystal, hubbard: dict[str, float]) -> ComputedStructureEntry:
    """A structure as if it had been computed, with the settings that corrections go by."""
    from pymatgen.entries.computed_entries import ComputedStructureEntry

    structure = crystal.to_structure()
    elements = {element.symbol for element in structure.composition}
    values = {name: hubbard.get(name, 0.0) for name in elements}
    has_hubbard = bool(elements & _HUBBARD_ANIONS) and any(values.values())
    parameters = {
        "run_type": "GGA+U" if has_hubbard else "GGA",
        "is_hubbard": has_hubbard,
        "hubbards": values if has_hubbard else {},
    }
    return ComputedStructureEntry(structure, 0.0, parameters=parameters)
