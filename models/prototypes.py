"""Named exact crystals on which symmetry can be measured, each with the reason why it is here.

Lattice vectors are rows [Angstrom]. Sites follow from generators of the space group, closed here
without a symmetry search, so that they check the one that graphs use.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.crystal import Crystal

Array = NDArray[np.float64]
Operation = tuple[Array, Array]

_SAME_SITE = 1e-6  # fractional; sites of the prototypes are at least 1e-2 apart
_MAX_ORBIT = 192  # general position of the largest space groups


def _operation(matrix: Sequence[Sequence[int]], shift: Sequence[float] = (0, 0, 0)) -> Operation:
    return np.array(matrix, dtype=np.float64), np.array(shift, dtype=np.float64)


_IDENTITY = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
_INVERSION = _operation(-np.eye(3))
_THREEFOLD_HEX = ((0, -1, 0), (1, -1, 0), (0, 0, 1))  # (-y, x - y, z)
_THREEFOLD_CUBIC = ((0, 0, 1), (1, 0, 0), (0, 1, 0))  # (z, x, y)
_FOURFOLD = ((0, -1, 0), (1, 0, 0), (0, 0, 1))  # (-y, x, z)

# Generators beyond translations of the conventional cell (International Tables, volume A).
_P3_1_21 = (
    _operation(_THREEFOLD_HEX, (0, 0, 1 / 3)),
    _operation(((0, 1, 0), (1, 0, 0), (0, 0, -1))),
)
_P_3BAR = (_operation(_THREEFOLD_HEX), _INVERSION)
_R_3BAR = (*_P_3BAR, _operation(_IDENTITY, (2 / 3, 1 / 3, 1 / 3)))
_I4_1_A = (
    _operation(_FOURFOLD, (0, 1 / 2, 1 / 4)),
    _operation(-np.eye(3), (0, 1 / 2, 1 / 4)),
    _operation(_IDENTITY, (1 / 2, 1 / 2, 1 / 2)),
)
_PA_3BAR = (
    _operation(((-1, 0, 0), (0, -1, 0), (0, 0, 1)), (1 / 2, 0, 1 / 2)),
    _operation(_THREEFOLD_CUBIC),
    _INVERSION,
)
_FACE_CENTRING = (
    _operation(_IDENTITY, (0, 1 / 2, 1 / 2)),
    _operation(_IDENTITY, (1 / 2, 0, 1 / 2)),
)


def orbit_of(position: Sequence[float], generators: Sequence[Operation]) -> Array:
    """(M, 3) all images of a position in the cell under the group that the generators make."""
    orbit = [np.mod(np.array(position, dtype=np.float64), 1.0)]
    for site in orbit:  # grows while it runs
        for matrix, shift in generators:
            image = np.mod(matrix @ site + shift, 1.0)
            gaps = np.array(orbit) - image
            if (np.abs(gaps - np.rint(gaps)).max(axis=1) > _SAME_SITE).all():
                orbit.append(image)
        assert len(orbit) <= _MAX_ORBIT, "the generators do not close"
    return np.array(orbit)


class _Recipe(NamedTuple):
    """A cell, its (atomic number, position) pairs, and what makes their orbits."""

    lattice: Array
    sites: Sequence[tuple[int, Sequence[float]]]
    generators: Sequence[Operation] = ()

    def crystal(self) -> Crystal:
        orbits = [(number, orbit_of(position, self.generators)) for number, position in self.sites]
        numbers = np.concatenate([np.full(len(orbit), number) for number, orbit in orbits])
        return Crystal(numbers, self.lattice, np.concatenate([orbit for _, orbit in orbits]))


def _hexagonal(a: float, c: float) -> Array:
    return np.array([[a, 0, 0], [-a / 2, a * np.sqrt(3) / 2, 0], [0, 0, c]])


def _face_centred(a: float) -> Array:
    return np.array([[0, a / 2, a / 2], [a / 2, 0, a / 2], [a / 2, a / 2, 0]])


# Polar axis; both sites of symmetry 3m: sensitive to a wrong frame, frames equal in an orbit.
_WURTZITE = _Recipe(
    _hexagonal(3.25, 5.207),
    [
        (30, (1 / 3, 2 / 3, 0)),
        (30, (2 / 3, 1 / 3, 1 / 2)),
        (8, (1 / 3, 2 / 3, 0.382)),
        (8, (2 / 3, 1 / 3, 0.882)),
    ],
)
# Tetragonal, two orbits of mmm and mm2 sites: equivalent sites differ after the first block.
_RUTILE = _Recipe(
    np.diag([4.594, 4.594, 2.959]),
    [
        (22, (0, 0, 0)),
        (22, (1 / 2, 1 / 2, 1 / 2)),
        (8, (0.305, 0.305, 0)),
        (8, (0.695, 0.695, 0)),
        (8, (0.195, 0.805, 1 / 2)),
        (8, (0.805, 0.195, 1 / 2)),
    ],
)
# Alpha quartz (152): chiral, and half of the lattice's rotations: two canonical bases.
_QUARTZ = _Recipe(
    _hexagonal(4.9134, 5.4052),
    [(14, (0.4699, 0, 1 / 3)), (8, (0.4141, 0.2681, 0.2145))],
    _P3_1_21,
)
# Body-centred conventional cell, 4/m in a 4/mmm lattice: two canonical bases.
_SCHEELITE = _Recipe(
    np.diag([5.243, 5.243, 11.376]),
    [(74, (0, 0, 0)), (20, (0, 0, 1 / 2)), (8, (0.2415, 0.1504, 0.0861))],
    _I4_1_A,
)
# Rhombohedrally centred hexagonal cell, -3 in a -3m lattice: two canonical bases.
_ILMENITE = _Recipe(
    _hexagonal(5.088, 14.093),
    [(26, (0, 0, 0.3553)), (22, (0, 0, 0.1464)), (8, (0.3174, 0.0233, 0.2451))],
    _R_3BAR,
)
# Cubic, but oxygen sites of symmetry 4/mmm: the frame acts although the lattice has 24 bases.
_PEROVSKITE = _Recipe(
    3.905 * np.eye(3),
    [
        (38, (0, 0, 0)),
        (22, (1 / 2, 1 / 2, 1 / 2)),
        (8, (1 / 2, 1 / 2, 0)),
        (8, (1 / 2, 0, 1 / 2)),
        (8, (0, 1 / 2, 1 / 2)),
    ],
)
# All sites of cubic symmetry: the frame is a no-op, wrong frames cannot be seen here.
_ROCKSALT = _Recipe(_face_centred(5.64), [(11, (0, 0, 0)), (17, (1 / 2, 1 / 2, 1 / 2))])
# As rocksalt, without inversion centre.
_ZINC_BLENDE = _Recipe(_face_centred(5.41), [(30, (0, 0, 0)), (16, (1 / 4, 1 / 4, 1 / 4))])
# Two sites of cubic symmetry in a primitive cubic lattice: all 24 bases tie.
_CAESIUM_CHLORIDE = _Recipe(4.123 * np.eye(3), [(55, (0, 0, 0)), (17, (1 / 2, 1 / 2, 1 / 2))])
# Cubic sites of two kinds, m-3m and -43m.
_FLUORITE = _Recipe(
    _face_centred(5.463),
    [(20, (0, 0, 0)), (9, (1 / 4, 1 / 4, 1 / 4)), (9, (3 / 4, 3 / 4, 3 / 4))],
)
# One orbit: exact no-op; given as the conventional cell of four primitive ones.
_FCC = _Recipe(3.615 * np.eye(3), [(29, (0, 0, 0))], _FACE_CENTRING)
# One orbit of sites that are not cubic: a no-op for another reason.
_HCP = _Recipe(_hexagonal(3.209, 5.211), [(12, (1 / 3, 2 / 3, 1 / 4)), (12, (2 / 3, 1 / 3, 3 / 4))])
# m-3 in a cubic lattice: two canonical bases out of 24.
_PYRITE = _Recipe(5.418 * np.eye(3), [(26, (0, 0, 0)), (16, (0.3848, 0.3848, 0.3848))], _PA_3BAR)
# -3 in a hexagonal lattice, a general site: four canonical bases, the most without accident.
_HEXAGONAL_3BAR = _Recipe(_hexagonal(6.1, 5.3), [(56, (0, 0, 0)), (9, (0.37, 0.11, 0.23))], _P_3BAR)
# No symmetry at all: every component of every vector counts.
_TRICLINIC = _Recipe(
    np.array([[4.1, 0.3, -0.2], [-0.9, 5.2, 0.4], [1.1, -1.3, 6.3]]),
    [
        (3, (0.03, 0.11, 0.07)),
        (15, (0.52, 0.41, 0.18)),
        (8, (0.27, 0.83, 0.61)),
        (8, (0.79, 0.29, 0.66)),
        (22, (0.44, 0.62, 0.91)),
    ],
)

_RECIPES = {
    "wurtzite": _WURTZITE,
    "rutile": _RUTILE,
    "quartz": _QUARTZ,
    "scheelite": _SCHEELITE,
    "ilmenite": _ILMENITE,
    "perovskite": _PEROVSKITE,
    "rocksalt": _ROCKSALT,
    "zinc_blende": _ZINC_BLENDE,
    "caesium_chloride": _CAESIUM_CHLORIDE,
    "fluorite": _FLUORITE,
    "fcc": _FCC,
    "hcp": _HCP,
    "pyrite": _PYRITE,
    "hexagonal_3bar": _HEXAGONAL_3BAR,
    "triclinic": _TRICLINIC,
}


@cache
def prototypes() -> dict[str, Crystal]:
    """Name to crystal; shared, not to be changed."""
    return {name: recipe.crystal() for name, recipe in _RECIPES.items()}
