"""Meshes of torchonn: real rotations and signs, their matrix, and their settings for a matrix.

A mesh of k rails performs a real orthogonal matrix by rotations [[cos p, -sin p], [sin p, cos p]]
on neighbouring rails, one phase p per interferometer, and a vector ``delta`` of +1 and -1.

``clements``: rotations where ``MeshLayout.clements`` has its interferometers; the vector of phases
holds the even columns, then the odd ones, each from the top. Of the signs only the first and the
last act: delta[-1] on the last rail behind column 0 (k even) or before it (k odd), delta[0] on
rail 0 behind the last column (k even) or before it (k odd).

``reck``: phases are the rows of a triangle, row r = k - 2 first in the light, r = 0 last; row r
rotates the rails r, r + 1, ... k - 2 with their successors, in this order; all signs act on the
outputs. Its long side is below, that of ``MeshLayout.reck`` on top.

Source: torchonn 0.0.8, op/matrix_parametrization.py and op/mzi_op.py, by its behaviour.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from photonic.layout import MeshLayout

# Shapes: T meshes, k rails, P = k (k - 1) / 2 interferometers.
FloatArray = NDArray[np.float64]
Algorithm = Literal["clements", "reck"]
ALGORITHMS: tuple[Algorithm, ...] = ("clements", "reck")


@lru_cache(maxsize=64)
def vector_places(algorithm: Algorithm, size: int) -> tuple[tuple[int, int], ...]:
    """Upper rail and place in the vector of phases of each rotation, in the order of the light.

    Args:
        algorithm: "clements" or "reck".
        size: number k of rails.
    """
    if algorithm == "reck":
        starts = np.cumsum([0, *range(size - 1, 0, -1)])
        rows = range(size - 2, -1, -1)
        return tuple((row + j, int(starts[row]) + j) for row in rows for j in range(size - 1 - row))
    layout = MeshLayout.clements(size)
    even, odd = size // 2, (size - 1) // 2
    first_odd = even * ((size + 1) // 2)
    return tuple(
        (mode, first_odd + column // 2 * odd + mode // 2)
        if column % 2
        else (mode, column // 2 * even + mode // 2)
        for column, mode in zip(layout.column.tolist(), layout.mode.tolist(), strict=True)
    )


def light_path(
    phase: FloatArray, delta: FloatArray, algorithm: Algorithm
) -> Iterator[tuple[int, FloatArray | None, FloatArray | None]]:
    """What light meets in a batch of meshes, one after the other.

    Args:
        phase: (T, P) [rad] vectors of phases.
        delta: (T, k) signs.
        algorithm: "clements" or "reck".

    Yields:
        A rail y with either the (T,) phase of a rotation of y and y + 1, or (T,) signs of y.
    """
    size = delta.shape[-1]
    if algorithm == "reck":
        for rail, place in vector_places(algorithm, size):
            yield rail, phase[:, place], None
        for rail in range(size):
            yield rail, None, delta[:, rail]
        return
    columns = MeshLayout.clements(size).column.tolist()
    is_odd = size % 2
    places = zip(columns, vector_places(algorithm, size), strict=True)
    steps = [(column + 0.5, rail, phase[:, place], None) for column, (rail, place) in places]
    # Halves of a column: rotations of column c at c + 1/2, signs at the borders between columns.
    steps.append((0.0 if is_odd else 1.0, size - 1, None, delta[:, -1]))
    steps.append((size - 1.0 if is_odd else float(size), 0, None, delta[:, 0]))
    for _, rail, angle, sign in sorted(steps, key=lambda step: step[:2]):
        yield rail, angle, sign


def mesh_matrices(phase: FloatArray, delta: FloatArray, algorithm: Algorithm) -> FloatArray:
    """(T, k, k) real orthogonal matrices of meshes.

    Args:
        phase: (T, P) [rad] vectors of phases.
        delta: (T, k) signs.
        algorithm: "clements" or "reck".
    """
    count, size = delta.shape
    total = np.broadcast_to(np.eye(size), (count, size, size)).copy()
    for rail, angle, sign in light_path(phase, delta, algorithm):
        if angle is None:
            total[:, rail] *= sign[:, None]
        else:
            _rotate_rows(total, rail, angle)
    return total


def decompose_orthogonal(
    matrices: FloatArray, algorithm: Algorithm
) -> tuple[FloatArray, FloatArray]:
    """Phases and signs with which meshes perform real orthogonal matrices.

    Args:
        matrices: (T, k, k) real orthogonal, k >= 2.
        algorithm: "clements" or "reck".

    Returns:
        (T, P) [rad] vectors of phases in [-pi, pi] and (T, k) signs.
    """
    rest = np.array(matrices, dtype=np.float64)
    angles, delta = _null_reck(rest) if algorithm == "reck" else _null_clements(rest)
    phase = np.empty_like(angles)
    places = [place for _, place in vector_places(algorithm, rest.shape[-1])]
    phase[:, places] = np.remainder(angles + np.pi, 2 * np.pi) - np.pi
    return phase, delta


def _null_reck(rest: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Angles in the order of the light; nulls the columns from the left, each from the bottom."""
    count, size = rest.shape[:2]
    delta = np.ones((count, size))
    delta[:, -1] = np.where(np.linalg.det(rest) < 0, -1.0, 1.0)
    rest[:, -1] *= delta[:, -1:]
    found = []
    for column in range(size - 1):
        for rail in range(size - 2, column - 1, -1):
            angle = np.arctan2(rest[:, rail + 1, column], rest[:, rail, column])
            _rotate_rows(rest, rail, -angle)
            found.append(angle)
    return np.stack(found[::-1], axis=-1), delta


def _null_clements(rest: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Angles in the order of the layout; nulls from both sides, then carries the signs along."""
    size = rest.shape[-1]
    first: list[tuple[int, FloatArray]] = []
    last: list[tuple[int, FloatArray]] = []
    for diagonal in range(1, size):
        for step in range(diagonal):
            if diagonal % 2:
                rail, row = diagonal - step - 1, size - 1 - step
                angle = np.arctan2(rest[:, row, rail], rest[:, row, rail + 1])
                _rotate_rows(rest.swapaxes(-1, -2), rail, angle)
                first.append((rail, angle))
            else:
                rail = size + step - diagonal - 1
                angle = np.arctan2(-rest[:, rail + 1, step], rest[:, rail, step])
                _rotate_rows(rest, rail, angle)
                last.append((rail, angle))
    signs = np.where(np.diagonal(rest, axis1=-2, axis2=-1) < 0, -1.0, 1.0)
    # L^T D = D (D L^T D): a rotation behind signs turns backwards if they differ.
    turned = [
        (rail, -angle * signs[:, rail] * signs[:, rail + 1]) for rail, angle in reversed(last)
    ]
    ordered = [*first, *turned]
    angles = np.empty((len(rest), len(ordered)))
    for (_, angle), place in zip(ordered, _layout_places(ordered, size), strict=True):
        angles[:, place] = angle
    return angles, _settle_signs(angles, signs)


def _layout_places(rotations: list[tuple[int, FloatArray]], size: int) -> Iterator[int]:
    """Place in the layout of each rotation of a list in the order of the light."""
    layout = MeshLayout.clements(size)
    sites = zip(layout.column.tolist(), layout.mode.tolist(), strict=True)
    index = {site: k for k, site in enumerate(sites)}
    depth = [0] * size
    for rail, _ in rotations:
        column = max(depth[rail], depth[rail + 1])
        depth[rail] = depth[rail + 1] = column + 1
        yield index[column, rail]


def _settle_signs(angles: FloatArray, signs: FloatArray) -> FloatArray:
    """Carry signs from the outputs to where delta acts, from the last interferometer to the first.

    Before a rotation by p, equal signs -1 are a turn by pi; a single one stays on the lower rail
    and turns p into -p, or goes there from the upper rail and turns p into pi - p. So all come
    down to the last rail, where delta[-1] is. With k even, rail 0 starts too late for that, and
    its sign is delta[0].
    """
    size = signs.shape[-1]
    layout = MeshLayout.clements(size)
    delta = np.ones_like(signs)
    signs = signs.copy()
    is_even = size % 2 == 0
    if is_even:
        delta[:, 0], signs[:, 0] = signs[:, 0], 1.0
    for place in range(layout.num_mzis - 1, -1, -1):
        rail = int(layout.mode[place])
        if layout.column[place] == 0 and is_even:
            break  # delta[-1] acts behind column 0
        upper, lower = signs[:, rail] < 0, signs[:, rail + 1] < 0
        angle = np.where(upper != lower, -angles[:, place], angles[:, place])
        angles[:, place] = np.where(upper, angle + np.pi, angle)
        signs[:, rail], signs[:, rail + 1] = 1.0, np.where(upper != lower, -1.0, 1.0)
    delta[:, -1] *= signs[:, -1]
    return delta


def _rotate_rows(matrices: FloatArray, rail: int, angle: FloatArray) -> None:
    """Multiply by the rotation of rail and rail + 1 from the left, in place."""
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    upper, lower = matrices[:, rail].copy(), matrices[:, rail + 1].copy()
    matrices[:, rail], matrices[:, rail + 1] = cos * upper - sin * lower, sin * upper + cos * lower
