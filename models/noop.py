"""Crystals on which frames cannot act, whatever the weights.

Only relative rotations F_j F_i^T of sites act. On a single orbit all of them are the identity, and
at a site of cubic symmetry all vectors and rank-2 tensors vanish. Errors on such crystals say
nothing about frames and are reported apart.
"""

from __future__ import annotations

import warnings

import numpy as np
import spglib

from models.crystal import Crystal

CUBIC_GROUPS = frozenset({"23", "m-3", "432", "-43m", "m-3m"})
"""Site symmetries without an invariant vector or traceless symmetric tensor."""
SYMPREC = 1e-2  # Angstrom


def is_frame_idle(crystal: Crystal, symprec: float = SYMPREC) -> bool:
    """True if frames leave the prediction unchanged: one orbit of sites, or cubic sites only.

    Args:
        crystal: in any cell.
        symprec: [Angstrom] tolerance of the symmetry search. A crystal for which it finds none is
            taken as one that frames can act on.

    Source: spglib, ``get_symmetry_dataset``; argument in the section on what frames can change of
    the network's documentation.
    """
    cell = (crystal.lattice, crystal.frac_coords, crystal.numbers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on crystals without a symmetry within the tolerance
        symmetry = spglib.get_symmetry_dataset(cell, symprec=symprec)
    if symmetry is None:
        return False
    if np.unique(symmetry.crystallographic_orbits).size == 1:
        return True
    # Symbols are oriented ("m-3.", "4 3 2"): dots and blanks stand for axes without symmetry.
    symbols = {text.replace(".", "").replace(" ", "") for text in symmetry.site_symmetry_symbols}
    return symbols <= CUBIC_GROUPS
