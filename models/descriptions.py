"""Ways to describe a crystal anew, and two that change it.

Lattice vectors are rows [Angstrom]. Every function returns a new crystal; all but ``distorted`` and
``displaced`` describe the same one (``rotated`` and ``reflected`` up to its place in space).
"""

from __future__ import annotations

from itertools import product

import numpy as np
import scipy
from numpy.typing import NDArray

from models.crystal import Crystal

Array = NDArray[np.float64]


def random_rotation(rng: np.random.Generator) -> Array:
    """(3, 3) rotation drawn uniformly."""
    return scipy.spatial.transform.Rotation.random(rng=rng).as_matrix()


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


def displaced(crystal: Crystal, length: float, rng: np.random.Generator) -> Crystal:
    """Another crystal: every site moved by ``length`` [Angstrom] in a direction of its own."""
    moves = rng.normal(size=(crystal.num_sites, 3))
    moves *= length / np.linalg.norm(moves, axis=1, keepdims=True)
    frac_coords = crystal.frac_coords + moves @ np.linalg.inv(crystal.lattice)
    return Crystal(crystal.numbers, crystal.lattice, frac_coords)
