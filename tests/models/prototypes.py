"""Named exact crystals, each with the reason why it is here, and ways to describe them anew.

Lattice vectors are rows [Angstrom]. Sites follow from generators of the space group, closed here
without the symmetry library that the package uses. Every transformation returns a new crystal;
all but ``distorted`` describe the same one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

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
P3_1_21 = (
    _operation(_THREEFOLD_HEX, (0, 0, 1 / 3)),
    _operation(((0, 1, 0), (1, 0, 0), (0, 0, -1))),
)
P_3BAR = (_operation(_THREEFOLD_HEX), _INVERSION)
R_3BAR = (*P_3BAR, _operation(_IDENTITY, (2 / 3, 1 / 3, 1 / 3)))
I4_1_A = (
    _operation(_FOURFOLD, (0, 1 / 2, 1 / 4)),
    _operation(-np.eye(3), (0, 1 / 2, 1 / 4)),
    _operation(_IDENTITY, (1 / 2, 1 / 2, 1 / 2)),
)
PA_3BAR = (
    _operation(((-1, 0, 0), (0, -1, 0), (0, 0, 1)), (1 / 2, 0, 1 / 2)),
    _operation(_THREEFOLD_CUBIC),
    _INVERSION,
)
FACE_CENTRING = (
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


def _crystal(
    lattice: Array,
    sites: Sequence[tuple[int, Sequence[float]]],
    generators: Sequence[Operation] = (),
) -> Crystal:
    """The crystal with the orbits of the given (atomic number, position) pairs."""
    orbits = [(number, orbit_of(position, generators)) for number, position in sites]
    numbers = np.concatenate([np.full(len(orbit), number) for number, orbit in orbits])
    return Crystal(numbers, lattice, np.concatenate([orbit for _, orbit in orbits]))


def _hexagonal(a: float, c: float) -> Array:
    return np.array([[a, 0, 0], [-a / 2, a * np.sqrt(3) / 2, 0], [0, 0, c]])


def _face_centred(a: float) -> Array:
    return np.array([[0, a / 2, a / 2], [a / 2, 0, a / 2], [a / 2, a / 2, 0]])


# Polar axis; both sites of symmetry 3m: sensitive to a wrong frame, frames equal in an orbit.
WURTZITE = _crystal(
    _hexagonal(3.25, 5.207),
    [
        (30, (1 / 3, 2 / 3, 0)),
        (30, (2 / 3, 1 / 3, 1 / 2)),
        (8, (1 / 3, 2 / 3, 0.382)),
        (8, (2 / 3, 1 / 3, 0.882)),
    ],
)
# Tetragonal, two orbits of mmm and mm2 sites: equivalent sites differ after the first block.
RUTILE = _crystal(
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
QUARTZ = _crystal(
    _hexagonal(4.9134, 5.4052),
    [(14, (0.4699, 0, 1 / 3)), (8, (0.4141, 0.2681, 0.2145))],
    P3_1_21,
)
# Body-centred conventional cell, 4/m in a 4/mmm lattice: two canonical bases.
SCHEELITE = _crystal(
    np.diag([5.243, 5.243, 11.376]),
    [(74, (0, 0, 0)), (20, (0, 0, 1 / 2)), (8, (0.2415, 0.1504, 0.0861))],
    I4_1_A,
)
# Rhombohedrally centred hexagonal cell, -3 in a -3m lattice: two canonical bases.
ILMENITE = _crystal(
    _hexagonal(5.088, 14.093),
    [(26, (0, 0, 0.3553)), (22, (0, 0, 0.1464)), (8, (0.3174, 0.0233, 0.2451))],
    R_3BAR,
)
# Cubic, but oxygen sites of symmetry 4/mmm: the frame acts although the lattice has 24 bases.
PEROVSKITE = _crystal(
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
ROCKSALT = _crystal(_face_centred(5.64), [(11, (0, 0, 0)), (17, (1 / 2, 1 / 2, 1 / 2))])
# As rocksalt, without inversion centre.
ZINC_BLENDE = _crystal(_face_centred(5.41), [(30, (0, 0, 0)), (16, (1 / 4, 1 / 4, 1 / 4))])
# One orbit: exact no-op; given as the conventional cell of four primitive ones.
FCC = _crystal(3.615 * np.eye(3), [(29, (0, 0, 0))], FACE_CENTRING)
# One orbit of sites that are not cubic: a no-op for another reason.
HCP = _crystal(_hexagonal(3.209, 5.211), [(12, (1 / 3, 2 / 3, 1 / 4)), (12, (2 / 3, 1 / 3, 3 / 4))])
# m-3 in a cubic lattice: two canonical bases out of 24.
PYRITE = _crystal(5.418 * np.eye(3), [(26, (0, 0, 0)), (16, (0.3848, 0.3848, 0.3848))], PA_3BAR)
# -3 in a hexagonal lattice, a general site: four canonical bases, the most without accident.
HEXAGONAL_3BAR = _crystal(_hexagonal(6.1, 5.3), [(56, (0, 0, 0)), (9, (0.37, 0.11, 0.23))], P_3BAR)
# No symmetry at all: every component of every vector counts.
TRICLINIC = _crystal(
    np.array([[4.1, 0.3, -0.2], [-0.9, 5.2, 0.4], [1.1, -1.3, 6.3]]),
    [
        (3, (0.03, 0.11, 0.07)),
        (15, (0.52, 0.41, 0.18)),
        (8, (0.27, 0.83, 0.61)),
        (8, (0.79, 0.29, 0.66)),
        (22, (0.44, 0.62, 0.91)),
    ],
)

PROTOTYPES = {
    "wurtzite": WURTZITE,
    "rutile": RUTILE,
    "quartz": QUARTZ,
    "scheelite": SCHEELITE,
    "ilmenite": ILMENITE,
    "perovskite": PEROVSKITE,
    "rocksalt": ROCKSALT,
    "zinc_blende": ZINC_BLENDE,
    "fcc": FCC,
    "hcp": HCP,
    "pyrite": PYRITE,
    "hexagonal_3bar": HEXAGONAL_3BAR,
    "triclinic": TRICLINIC,
}


def random_rotation(rng: np.random.Generator) -> Array:
    """(3, 3) rotation drawn uniformly."""
    return Rotation.random(rng=rng).as_matrix()


def random_unimodular(rng: np.random.Generator, num_steps: int = 5) -> NDArray[np.int64]:
    """(3, 3) integer matrix of det +1 or -1, a product of shears, exchanges and sign changes."""
    matrix = np.eye(3, dtype=np.int64)
    for _ in range(num_steps):
        first, second = rng.permutation(3)[:2]
        step = np.eye(3, dtype=np.int64)
        kind = rng.choice(["shear", "exchange", "sign"], p=[0.6, 0.2, 0.2])
        if kind == "shear":
            step[first, second] = rng.choice([-2, -1, 1, 2])
        elif kind == "exchange":
            step[[first, second]] = step[[second, first]]
        else:
            step[first, first] = -1
        matrix = matrix @ step
    return matrix


def rotated(crystal: Crystal, rotation: Array) -> Crystal:
    """Turned in space by an orthogonal (3, 3) matrix; det -1 gives a mirror image."""
    return Crystal(crystal.numbers, crystal.lattice @ rotation.T, crystal.frac_coords)


def reflected(crystal: Crystal, rng: np.random.Generator) -> Crystal:
    """Mirror image, randomly oriented."""
    return rotated(crystal, random_rotation(rng) @ np.diag([-1.0, 1.0, 1.0]))


def translated(crystal: Crystal, shift: Array) -> Crystal:
    """Origin moved by a fractional (3,) shift, wrapped into the cell."""
    return Crystal(crystal.numbers, crystal.lattice, (crystal.frac_coords + shift) % 1.0)


def permuted(crystal: Crystal, order: NDArray[np.int64]) -> Crystal:
    """Sites listed in another order: new site s is old site ``order[s]``."""
    return Crystal(crystal.numbers[order], crystal.lattice, crystal.frac_coords[order])


def image_shifted(crystal: Crystal, shifts: NDArray[np.int64]) -> Crystal:
    """Each site moved by its own (S, 3) integer lattice vector."""
    return Crystal(crystal.numbers, crystal.lattice, crystal.frac_coords + shifts)


def recelled(crystal: Crystal, basis: NDArray[np.int64]) -> Crystal:
    """On other lattice vectors (columns) ``lattice.T @ basis``; |det basis| = 1."""
    frac_coords = np.linalg.solve(basis.astype(np.float64), crystal.frac_coords.T).T
    return Crystal(crystal.numbers, basis.T @ crystal.lattice, frac_coords)


def supercell(crystal: Crystal, counts: tuple[int, int, int]) -> Crystal:
    """The cell repeated ``counts`` times along its vectors, original sites first."""
    offsets = np.array(list(product(*(range(count) for count in counts))), dtype=np.float64)
    frac_coords = (offsets[:, None] + crystal.frac_coords).reshape(-1, 3) / np.array(counts)
    numbers = np.tile(crystal.numbers, len(offsets))
    return Crystal(numbers, crystal.lattice * np.array(counts)[:, None], frac_coords)


def distorted(crystal: Crystal, amplitude: float, rng: np.random.Generator) -> Crystal:
    """Another crystal: every site moved by up to ``amplitude`` [Angstrom] along each axis."""
    moves = rng.uniform(-amplitude, amplitude, (crystal.num_sites, 3))
    frac_coords = crystal.frac_coords + moves @ np.linalg.inv(crystal.lattice)
    return Crystal(crystal.numbers, crystal.lattice, frac_coords)
