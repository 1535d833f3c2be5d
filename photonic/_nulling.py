"""Null the off-diagonal of a batch of unitaries by interferometers; the engine of ``decompose``.

Legend: N modes, B matrices, M interferometers. ``work`` is (N, N, B): the batch is last, so that
every update is a contiguous vector operation over all matrices.

The block of conventions.py, item 5, splits into real rotation and phases:

    M(theta, phi) = k R diag(e, 1),  k = -i exp(i theta/2),  e = -exp(i phi),
    R = [[S, -c], [c, S]],           S = sin(theta/2),       c = cos(theta/2).

Two rules keep the rebuilt matrix exact to rounding. Magnitudes: S and c come from the pivots by
hypot, so nothing small is dropped and a zero pivot gives an exact bar or cross. Phases: k and e
are recomputed from the stored, rounded angles, so the next phases absorb their rounding; otherwise
the rounding of pi, equal in every block, would add up along the mesh.

Source: Clements et al., Optica 3, 1460 (2016), section 3; Reck et al., PRL 73, 58 (1994).
"""

import numpy as np
from numpy.typing import NDArray

from photonic.conventions import TWO_PI
from photonic.layout import MeshLayout

ComplexArray = NDArray[np.complex128]
RealArray = NDArray[np.float64]
Angles = tuple[RealArray, RealArray, RealArray]

_LIFT = 2.0**1000  # exact; brings subnormal pivots into the normal range, 1 stays finite


def null_reck(work: ComplexArray, layout: MeshLayout) -> Angles:
    """Angles of a triangular mesh, by column operations alone.

    Rows are cleared from the last upwards, each from the left: U M_1^-1 M_2^-1 ... = diag.

    Args:
        work: (N, N, B) unitaries; overwritten.
        layout: triangular wiring of N modes.

    Returns:
        theta (M, B) in [0, pi], phi (M, B) in [0, 2 pi) and the argument (N, B) of the diagonal.
    """
    theta, phi = _empty_angles(work, layout)
    index = _site_index(layout)
    last = layout.num_modes - 1
    for diagonal in range(last):
        for mode in range(last - diagonal):
            mzi = index[mode + 2 * diagonal, mode]
            theta[mzi], phi[mzi] = _null_from_right(work, last - diagonal, mode)
    return theta, phi, np.angle(_diagonal(work))


def null_clements(work: ComplexArray, layout: MeshLayout) -> Angles:
    """Angles of a rectangular mesh, by column and row operations in turn.

    The anti-diagonals are cleared from the lower left corner: even ones by M^-1 from the right,
    odd ones by G^-1 from the left, U = G_1 G_2 ... D ... M_2 M_1. Then every G D is rewritten as
    D' M, the last G first, until the diagonal stands alone at the output.

    Args:
        work: (N, N, B) unitaries; overwritten.
        layout: rectangular wiring of N modes.

    Returns:
        theta (M, B) in [0, pi], phi (M, B) in [0, 2 pi) and the argument (N, B) of the diagonal.
    """
    theta, phi = _empty_angles(work, layout)
    index = _site_index(layout)
    last = layout.num_modes - 1
    rotations = []
    for diagonal in range(last):
        for step in range(diagonal + 1):
            if diagonal % 2 == 0:
                mode = diagonal - step
                mzi = index[step, mode]
                theta[mzi], phi[mzi] = _null_from_right(work, last - step, mode)
            else:
                mode = last - 1 - diagonal + step
                mzi = index[last - step, mode]
                theta[mzi], *rotation = _null_from_left(work, mode, step)
                rotations.append((mzi, mode, *rotation))
    screen = _diagonal(work)
    for mzi, mode, sin, cos, phase in reversed(rotations):
        phi[mzi] = _commute(screen[mode : mode + 2], theta[mzi], sin, cos, phase)
    return theta, phi, np.angle(_diagonal(work))


def _null_from_right(work: ComplexArray, row: int, mode: int) -> tuple[RealArray, RealArray]:
    """Apply M^-1 to columns (mode, mode + 1) so that ``work[row, mode]`` vanishes.

    Only rows up to ``row`` are computed: those below are cleared, and no cleared entry is read.
    """
    left, right = work[: row + 1, mode], work[: row + 1, mode + 1]
    theta, sin, cos, phase = _rotation(right[row], left[row])
    phi = _external_phase(phase.conj())
    common = _common_phase(theta).conj()
    upper = -np.exp(-1j * phi) * common
    left[:], right[:] = (
        (upper * sin) * left - (common * cos) * right,
        (upper * cos) * left + (common * sin) * right,
    )
    return theta, phi


def _null_from_left(
    work: ComplexArray, mode: int, column: int
) -> tuple[RealArray, RealArray, RealArray, ComplexArray]:
    """Apply G^-1 to rows (mode, mode + 1), G = diag(p, 1) R: ``work[mode + 1, column]`` vanishes.

    Returns theta, S, c and p.
    """
    upper, lower = work[mode, column:], work[mode + 1, column:]
    theta, sin, cos, phase = _rotation(upper[0], lower[0])
    rotated = phase.conj() * upper
    upper[:], lower[:] = sin * rotated + cos * lower, sin * lower - cos * rotated
    return theta, sin, cos, phase


def _commute(
    pair: ComplexArray, theta: RealArray, sin: RealArray, cos: RealArray, phase: ComplexArray
) -> RealArray:
    """Rewrite diag(p, 1) R diag(pair) as diag(new pair) M(theta, phi); return phi.

    phi follows from the two entries of the diagonal; in a bar or cross it is free and 0.
    """
    ratio = pair[0] * pair[1].conj()
    phi = _external_phase(np.where(sin * cos == 0, -1.0, ratio))
    common = _common_phase(theta).conj()
    upper = pair[0] * -np.exp(-1j * phi)
    lower = pair[1].copy()
    pair[0] = phase * common * (sin**2 * upper + cos**2 * lower)
    pair[1] = common * (cos**2 * upper + sin**2 * lower)
    return phi


def _rotation(
    bar: ComplexArray, cross: ComplexArray
) -> tuple[RealArray, RealArray, RealArray, ComplexArray]:
    """Rotation that brings two pivots into one.

    Args:
        bar: (B,) entry that the bar port carries.
        cross: (B,) entry that the cross port carries.

    Returns:
        theta, S = |bar| / h, c = |cross| / h and the phase of bar relative to cross. If both are
        zero the rotation is a bar; if one is, the phase is free and -1.
    """
    bar, cross = bar * _LIFT, cross * _LIFT
    bar_size, cross_size = np.abs(bar), np.abs(cross)
    bar_size[(bar_size == 0) & (cross_size == 0)] = 1.0
    size = np.hypot(bar_size, cross_size)
    phase = _direction(bar, bar_size) * _direction(cross, cross_size).conj()
    phase[phase == 0] = -1.0
    return 2 * np.arctan2(bar_size, cross_size), bar_size / size, cross_size / size, phase


def _direction(values: ComplexArray, sizes: RealArray) -> ComplexArray:
    return values / np.where(sizes == 0, 1.0, sizes)


def _external_phase(ratio: ComplexArray) -> RealArray:
    """phi in [0, 2 pi) with -exp(i phi) along ``ratio``."""
    phi = np.angle(ratio) + np.pi
    phi[phi >= TWO_PI] = 0.0
    return phi


def _common_phase(theta: RealArray) -> ComplexArray:
    """k = -i exp(i theta / 2), with the exact bar of ``mzi_entries``."""
    common = np.sin(theta / 2) - 1j * np.cos(theta / 2)
    common[theta == np.pi] = 1.0
    return common


def _empty_angles(work: ComplexArray, layout: MeshLayout) -> tuple[RealArray, RealArray]:
    shape = (layout.num_mzis, work.shape[-1])
    return np.empty(shape), np.empty(shape)


def _site_index(layout: MeshLayout) -> dict[tuple[int, int], int]:
    """(column, upper mode) -> position in the arrays of the layout."""
    sites = zip(layout.column.tolist(), layout.mode.tolist(), strict=True)
    return {site: index for index, site in enumerate(sites)}


def _diagonal(work: ComplexArray) -> ComplexArray:
    """(N, B) writable view of the diagonals."""
    return np.einsum("iib->ib", work)
