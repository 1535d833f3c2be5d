"""An order of equally good bases that does not depend on how the crystal was described.

Bases that an operation connects only roughly give slightly different predictions, and one of them
is kept. Which one must follow from the crystal: they are sorted by a number that is the same for
every origin, order of sites, image, cell and orientation, and for the mirror image.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from models.compiled import compiled, part
from models.crystal import Crystal

Floats = NDArray[np.float64]
WEIGHTS = np.array([[1.0, 0.11, 0.53], [0.0, 0.37, 0.23], [0.0, 0.0, 0.0]])
"""w of the key: any that no permutation and no change of signs of the axes leaves as they are."""

EQUAL_KEYS = 1e-11
"""Keys that differ by less are rounding: such bases keep the order in which they are given."""


def basis_order(bases: NDArray[np.int64], crystal: Crystal) -> NDArray[np.int64]:
    """(K,) the order of (K, 3, 3) bases of a crystal by their ``basis_keys``."""
    keys = basis_keys(bases, crystal)
    order = np.argsort(keys, kind="stable")
    group = np.cumsum(np.diff(keys[order], prepend=keys[order[0]]) > EQUAL_KEYS)
    return order[np.lexsort((order, group))]


def basis_keys(bases: NDArray[np.int64], crystal: Crystal) -> Floats:
    """(K,) numbers to sort bases by.

    key = sum_ab w_ab (G_ab / tr G + sum_h h_a h_b |F(h)|^2 / F(0)^2) with the metric G, the
    structure factors F(h) = sum_j Z_j exp(2 pi i h.x_j) of the fractional coordinates x, and
    all h with entries in {-1, 0, 1}, everything in the basis. Intensities |F|^2 know neither the
    origin nor inversion.

    Args:
        bases: (K, 3, 3) unimodular U_k: lattice A U_k, coordinates U_k^{-1} x.
        crystal: the cell that they refer to, vectors A.
    """
    inverses = np.rint(np.linalg.inv(bases))
    return _keys(
        crystal.lattice,
        crystal.frac_coords,
        crystal.numbers,
        bases.astype(np.float64),
        inverses,
        WEIGHTS,
    )


@compiled
def _keys(
    lattice: Floats,
    frac_coords: Floats,
    numbers: NDArray[np.int64],
    bases: Floats,
    inverses: Floats,
    weights: Floats,
) -> Floats:
    metric, size = np.zeros((3, 3)), 0.0
    for a in range(3):
        for b in range(3):
            for axis in range(3):
                metric[a, b] += lattice[a, axis] * lattice[b, axis]
        size += metric[a, a]
    moments, coords = np.empty((3, 3)), np.empty(frac_coords.shape)
    cos, sin = np.empty(frac_coords.shape), np.empty(frac_coords.shape)
    keys = np.zeros(len(bases))
    for k in range(len(bases)):
        for site in range(len(numbers)):
            for a in range(3):
                coords[site, a] = 0.0
                for b in range(3):
                    coords[site, a] += frac_coords[site, b] * inverses[k, a, b]
        _set_moments(coords, numbers, cos, sin, moments)
        for a in range(3):
            for b in range(3):
                turned = 0.0
                for i in range(3):
                    for j in range(3):
                        turned += bases[k, i, a] * metric[i, j] * bases[k, j, b]
                keys[k] += weights[a, b] * (turned / size + moments[a, b])
    return keys


@part
def _set_moments(
    coords: Floats, numbers: NDArray[np.int64], cos: Floats, sin: Floats, moments: Floats
) -> None:
    """(3, 3) sum_h h h^T |F(h)|^2 / F(0)^2; ``cos`` and ``sin`` are room for the phases."""
    total = 0.0
    for site in range(len(numbers)):
        total += numbers[site]
        for axis in range(3):
            cos[site, axis] = math.cos(2 * math.pi * coords[site, axis])
            sin[site, axis] = math.sin(2 * math.pi * coords[site, axis])
    for a in range(3):
        for b in range(3):
            moments[a, b] = 0.0
    for n in range(14, 27):  # one of h and -h
        h = n // 9 - 1, n // 3 % 3 - 1, n % 3 - 1
        real, imag = 0.0, 0.0
        for site in range(len(numbers)):
            re, im = float(numbers[site]), 0.0
            for axis in range(3):
                if h[axis] != 0:
                    c, s = cos[site, axis], h[axis] * sin[site, axis]
                    re, im = re * c - im * s, re * s + im * c
            real += re
            imag += im
        intensity = 2 * (real * real + imag * imag) / (total * total)
        for a in range(3):
            for b in range(3):
                moments[a, b] += h[a] * h[b] * intensity
