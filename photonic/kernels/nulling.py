"""Null the off-diagonal of unitaries by interferometers; the engine of ``photonic.decompose``.

The block of conventions.py, item 5, splits into real rotation and phases:

    M(theta, phi) = k R diag(e, 1),  k = -i exp(i theta/2),  e = -exp(i phi),
    R = [[S, -c], [c, S]],           S = sin(theta/2),       c = cos(theta/2).

Two rules keep the rebuilt matrix exact to rounding. Magnitudes: S and c come from the sizes of the
pivots, so nothing small is dropped and a zero pivot gives an exact bar or cross. Phases: k and e
are recomputed from the stored, rounded angles, so the next phases absorb their rounding; otherwise
the rounding of pi, equal in every block, would add up along the mesh.

Two more make the settings those of the matrix and not of the processor. The arithmetic is exact:
every operation rounds as IEEE 754 says, so that the same matrix gives the same bits everywhere.
Where nothing but rounding would choose, a rule does: two pivots of rounding size make a bar, the
phase of a pivot of that size is 0, and an angle just below a full turn is 0.

Source: Clements et al., Optica 3, 1460 (2016), section 3; Reck et al., PRL 73, 58 (1994).
"""

import math
from typing import Any

import numpy as np

from photonic.kernels.angles import argument, length, sine_cosine
from photonic.kernels.compile import exact_device, exact_kernel

_TWO_PI = 2 * math.pi
_EPS = np.finfo(np.float64).eps
_WRAP = 8 * _EPS
"""Angles nearer than this below a full turn are 0 [rad]; the last two numbers before 2 pi."""


@exact_kernel
def null_reck(
    first: int, last: int, unitary: Any, index: Any, theta: Any, phi: Any, screen: Any
) -> None:
    """Angles of triangular meshes, by column operations alone.

    Rows are cleared from the last upwards, each from the left: U M_1^-1 M_2^-1 ... = diag.

    Args:
        first: first matrix to handle.
        last: one beyond the last.
        unitary: (B, N, N) complex128 matrices; read only.
        index: (columns, N) position of the interferometer at a column and upper mode.
        theta: (B, M) filled with internal phases in [0, pi].
        phi: (B, M) filled with external phases in [0, 2 pi).
        screen: (B, N) filled with the arguments of the diagonal in [0, 2 pi).
    """
    n = unitary.shape[1]
    work = np.empty((n, n), np.complex128)
    for item in range(first, last):
        _transpose(unitary[item], work)
        for diagonal in range(n - 1):
            for mode in range(n - 1 - diagonal):
                k = index[mode + 2 * diagonal, mode]
                theta[item, k], phi[item, k] = _null_from_right(work, n - 1 - diagonal, mode)
        for y in range(n):
            screen[item, y] = _turn(argument(work[y, y].imag, work[y, y].real))


@exact_kernel
def null_clements(
    first: int, last: int, unitary: Any, index: Any, theta: Any, phi: Any, screen: Any
) -> None:
    """Angles of rectangular meshes, by column and row operations in turn.

    The anti-diagonals are cleared from the lower left corner: even ones by M^-1 from the right,
    odd ones by G^-1 from the left, G = diag(p, 1) R: U = G_1 G_2 ... D ... M_2 M_1. Then every G D
    is rewritten as D' M, the last G first, until the diagonal stands alone at the output.

    Args:
        first: and all others as in ``null_reck``.
        last: one beyond the last.
        unitary: (B, N, N) complex128 matrices; read only.
        index: (columns, N) position of the interferometer at a column and upper mode.
        theta: (B, M) filled with internal phases.
        phi: (B, M) filled with external phases.
        screen: (B, N) filled with the arguments of the diagonal in [0, 2 pi).
    """
    n = unitary.shape[1]
    work = np.empty((n, n), np.complex128)
    size = n * (n - 1) // 2
    modes, mzis = np.empty(size, np.intp), np.empty(size, np.intp)
    sines, phases = np.empty((2, size)), np.empty(size, np.complex128)
    for item in range(first, last):
        _transpose(unitary[item], work)
        count = 0
        for diagonal in range(n - 1):
            for step in range(diagonal + 1):
                if diagonal % 2 == 0:
                    mode = diagonal - step
                    k = index[step, mode]
                    theta[item, k], phi[item, k] = _null_from_right(work, n - 1 - step, mode)
                else:
                    mode = n - 2 - diagonal + step
                    k = index[n - 1 - step, mode]
                    rotation = _null_from_left(work, mode, step)
                    theta[item, k], sines[0, count], sines[1, count], phases[count] = rotation
                    modes[count], mzis[count] = mode, k
                    count += 1
        for i in range(count - 1, -1, -1):
            k = mzis[i]
            phi[item, k] = _commute(
                work, modes[i], theta[item, k], sines[0, i], sines[1, i], phases[i]
            )
        for y in range(n):
            screen[item, y] = _turn(argument(work[y, y].imag, work[y, y].real))


@exact_device
def _transpose(matrix: Any, work: Any) -> None:
    for i in range(work.shape[0]):
        for j in range(work.shape[0]):
            work[j, i] = matrix[i, j]


@exact_device
def _null_from_right(work: Any, row: int, mode: int) -> Any:
    """Apply M^-1 to columns (mode, mode + 1) so that the entry of ``row`` and ``mode`` vanishes.

    ``work`` is the transpose, so that columns are contiguous. Only rows up to ``row`` are computed:
    those below are cleared, and no cleared entry is read. Returns theta and phi.
    """
    left, right = work[mode], work[mode + 1]
    theta, sin, cos, phase = _rotation(right[row], left[row], _negligible(work))
    phi = _external_phase(phase.conjugate())
    kr, ki = _common_phase(theta)
    sin_phi, cos_phi = sine_cosine(phi)
    er, ei = -cos_phi, sin_phi  # conj(e)
    ur, ui = er * kr + ei * ki, ei * kr - er * ki  # conj(e) conj(k)
    ar, ai, br, bi = ur * sin, ui * sin, -kr * cos, ki * cos
    cr, ci, dr, di = ur * cos, ui * cos, kr * sin, -ki * sin
    for r in range(row + 1):
        xr, xi, yr, yi = left[r].real, left[r].imag, right[r].real, right[r].imag
        left[r] = complex(
            ar * xr - ai * xi + br * yr - bi * yi, ar * xi + ai * xr + br * yi + bi * yr
        )
        right[r] = complex(
            cr * xr - ci * xi + dr * yr - di * yi, cr * xi + ci * xr + dr * yi + di * yr
        )
    return theta, phi


@exact_device
def _null_from_left(work: Any, mode: int, column: int) -> Any:
    """Apply G^-1 to rows (mode, mode + 1): the entry of row ``mode + 1`` and ``column`` vanishes.

    Returns theta, S, c and p.
    """
    theta, sin, cos, phase = _rotation(
        work[column, mode], work[column, mode + 1], _negligible(work)
    )
    pr, pi = phase.real, -phase.imag
    for j in range(column, work.shape[0]):
        upper, lower = work[j, mode], work[j, mode + 1]
        rotated = complex(pr * upper.real - pi * upper.imag, pr * upper.imag + pi * upper.real)
        work[j, mode] = sin * rotated + cos * lower
        work[j, mode + 1] = sin * lower - cos * rotated
    return theta, sin, cos, phase


@exact_device
def _commute(work: Any, mode: int, theta: float, sin: float, cos: float, phase: complex) -> float:
    """Rewrite diag(p, 1) R diag(pair) as diag(new pair) M(theta, phi); return phi.

    phi follows from the two entries of the diagonal; in a bar or cross it is free and 0.
    """
    upper, lower = work[mode, mode], work[mode + 1, mode + 1]
    ratio = complex(-1.0, 0.0)
    if min(sin, cos) > _negligible(work):
        ratio = upper * lower.conjugate()
    phi = _external_phase(ratio)
    kr, ki = _common_phase(theta)
    common = complex(kr, -ki)
    sin_phi, cos_phi = sine_cosine(phi)
    turned = upper * complex(-cos_phi, sin_phi)
    work[mode, mode] = phase * (common * (sin * sin * turned + cos * cos * lower))
    work[mode + 1, mode + 1] = common * (cos * cos * turned + sin * sin * lower)
    return phi


@exact_device
def _rotation(bar: complex, cross: complex, negligible: float) -> Any:
    """Rotation that brings two pivots into one.

    Args:
        bar: entry that the bar port carries.
        cross: entry that the cross port carries.
        negligible: size up to which they are rounding.

    Returns:
        theta, S = |bar| / h, c = |cross| / h and the phase of bar relative to cross. If both are
        negligible the rotation is a bar; if one is, the phase is free and -1.
    """
    br, bi, cr, ci = bar.real, bar.imag, cross.real, cross.imag
    bar_size, cross_size = length(br, bi), length(cr, ci)
    if cross_size == 0.0 or max(bar_size, cross_size) <= negligible:
        return math.pi, 1.0, 0.0, complex(-1.0, 0.0)
    size = length(bar_size, cross_size)
    phase = complex(-1.0, 0.0)
    if min(bar_size, cross_size) > negligible:
        br, bi, cr, ci = br / bar_size, bi / bar_size, cr / cross_size, ci / cross_size
        phase = complex(br * cr + bi * ci, bi * cr - br * ci)
    return 2 * argument(bar_size, cross_size), bar_size / size, cross_size / size, phase


@exact_device
def _negligible(work: Any) -> float:
    """Size up to which pivots are rounding; smaller for many modes, where their errors add up."""
    return min(6.0, 256.0 / work.shape[0]) * _EPS


@exact_device
def _external_phase(ratio: complex) -> float:
    """phi in [0, 2 pi) with -exp(i phi) along ``ratio``."""
    return _turn(argument(ratio.imag, ratio.real) + math.pi)


@exact_device
def _turn(angle: float) -> float:
    """An angle of [-pi, 2 pi] in [0, 2 pi)."""
    if angle < 0:
        angle += _TWO_PI
    return 0.0 if angle >= _TWO_PI - _WRAP else angle


@exact_device
def _common_phase(theta: float) -> Any:
    """k = -i exp(i theta / 2), real and imaginary part, with the exact bar of ``mzi_entries``."""
    if theta == math.pi:
        return 1.0, 0.0
    sin, cos = sine_cosine(theta / 2)
    return sin, -cos
