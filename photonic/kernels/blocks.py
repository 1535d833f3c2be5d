"""Blocks of interferometers from their phases, and gradients of phases from those of blocks.

One block, with half-angle sines S, c of theta and the losses g of its six pieces of waveguide:

    M_ij = g2_i P_ij d_j,   d = (g0_u exp(i phi), g0_l),   P = k (p Q - i q Q'),   k = -S + i c,
    Q  = [[A + i B, C + i D], [C - i D, -A + i B]],
    A = S cos(a - b),  B = c sin(a + b),  C = c cos(a + b),  D = S sin(a - b),

p, q = (g1_u +- g1_l) / 2; Q' is Q for theta + pi, that is with (c, -S) in place of (S, c). So the
arms between the couplers may differ. The closed form is that of ``photonic.mzi``; its cos(theta/2)
is 0 for the float nearest to pi.

Interferometers are handled one vector at a time in planes: rows of a scratch array, one quantity
each. A plane holds one segment of a mesh, so that scratch memory does not grow with the mesh.
"""

import math
from typing import Any

import numpy as np

from photonic.kernels.compile import device
from photonic.kernels.simd import constant, load, store, where_equal
from photonic.kernels.trigonometry import sines

HALF_THETA, SIN_THETA, COS_THETA = 0, 1, 2
PHI, SIN_PHI, COS_PHI = 3, 4, 5
DIFFERENCE, SIN_DIFFERENCE, COS_DIFFERENCE = 6, 7, 8
TOTAL, SIN_TOTAL, COS_TOTAL = 9, 10, 11
ARMS = 12  # six planes: upper and lower arm of the three sections
NUM_PLANES = 18
SEGMENT = 64
"""Interferometers per segment, a multiple of the lanes of a vector."""
NUM_ENTRIES = 8
"""Planes of a block: real and imaginary part of M00, M01, M10, M11."""

_HALF_PI = math.pi / 2


@device
def new_planes(theta: Any) -> Any:
    """Scratch planes of a segment of an ideal mesh, before any phase is set."""
    planes = np.zeros((NUM_PLANES, SEGMENT), theta.dtype)
    planes[COS_DIFFERENCE] = 1.0
    planes[COS_TOTAL] = 1.0
    planes[ARMS:] = 1.0
    return planes


@device
def set_planes(planes: Any, start: int, count: int, settings: Any, vectors: Any) -> None:
    """Sines and losses of the interferometers ``start .. start + count - 1`` of all meshes."""
    theta, phi, _, couplers, arms = settings
    half = planes[HALF_THETA]
    for k in range(count):
        half[k] = theta[start + k] * 0.5
        planes[PHI, k] = phi[start + k]
    sines(half, planes[SIN_THETA], planes[COS_THETA], count, vectors)
    _clear_bars(half, planes[COS_THETA], count, vectors[0])
    sines(planes[PHI], planes[SIN_PHI], planes[COS_PHI], count, vectors)
    if couplers.size:
        for k in range(count):
            a, b = couplers[2 * (start + k)], couplers[2 * (start + k) + 1]
            planes[DIFFERENCE, k] = a - b
            planes[TOTAL, k] = a + b
        for x in (DIFFERENCE, TOTAL):
            sines(planes[x], planes[x + 1], planes[x + 2], count, vectors)
    if arms.size:
        for k in range(count):
            for arm in range(6):
                planes[ARMS + arm, k] = arms[6 * (start + k) + arm]


@device
def _clear_bars(half: Any, cos: Any, count: int, lanes: int) -> None:
    """The float nearest to pi means bar: its leak, alike in every bar, would add up coherently."""
    for k in range(0, count, lanes):
        x, c = load(half, k), load(cos, k)
        bar = constant(x, _HALF_PI, _HALF_PI)
        store(cos, k, where_equal(x, bar, constant(x, 0.0, 0.0), c))


@device
def set_entries(planes: Any, entries: Any, count: int, lanes: int, has_arms: bool) -> None:
    """M from the planes, into the eight planes of ``entries``."""
    for k in range(0, count, lanes):
        p = _internal(planes, k, has_arms)
        ur, ui = load(planes[COS_PHI], k), load(planes[SIN_PHI], k)
        m00, m10 = _times(p[0], p[1], ur, ui), _times(p[4], p[5], ur, ui)
        block = (m00[0], m00[1], p[2], p[3], m10[0], m10[1], p[6], p[7])
        if has_arms:
            block = _damped(planes, k, block)
        _store_block(entries, k, block)


@device
def _internal(planes: Any, k: int, has_arms: bool) -> Any:
    """P, real and imaginary parts of its four entries."""
    s, c = load(planes[SIN_THETA], k), load(planes[COS_THETA], k)
    cd, sd = load(planes[COS_DIFFERENCE], k), load(planes[SIN_DIFFERENCE], k)
    ct, st = load(planes[COS_TOTAL], k), load(planes[SIN_TOTAL], k)
    zero = constant(s, 0.0, 0.0)
    a, b, cross, d = s * cd, c * st, c * ct, s * sd
    q = (a, b, cross, d, cross, zero - d, zero - a, b)
    if has_arms:
        half = constant(s, 0.5, 0.5)
        upper, lower = load(planes[ARMS + 2], k), load(planes[ARMS + 3], k)
        p, w = half * (upper + lower), half * (upper - lower)
        e, f, g, h = c * cd, zero - s * st, zero - s * ct, c * sd
        q00r, q00i = p * a + w * f, p * b - w * e
        q01r, q01i = p * cross + w * h, p * d - w * g
        q10r, q10i = p * cross - w * h, zero - p * d - w * g
        q11r, q11i = w * f - p * a, p * b + w * e
        q = (q00r, q00i, q01r, q01i, q10r, q10i, q11r, q11i)
    kr = zero - s
    p00, p01 = _times(q[0], q[1], kr, c), _times(q[2], q[3], kr, c)
    p10, p11 = _times(q[4], q[5], kr, c), _times(q[6], q[7], kr, c)
    return (p00[0], p00[1], p01[0], p01[1], p10[0], p10[1], p11[0], p11[1])


@device
def _damped(planes: Any, k: int, block: Any) -> Any:
    """A block times the losses before the first and behind the second coupler, g2_i g0_j."""
    g0u, g0l = load(planes[ARMS], k), load(planes[ARMS + 1], k)
    g2u, g2l = load(planes[ARMS + 4], k), load(planes[ARMS + 5], k)
    uu, ul, lu, ll = g2u * g0u, g2u * g0l, g2l * g0u, g2l * g0l
    upper = (block[0] * uu, block[1] * uu, block[2] * ul, block[3] * ul)
    lower = (block[4] * lu, block[5] * lu, block[6] * ll, block[7] * ll)
    return upper + lower


@device
def _store_block(entries: Any, k: int, block: Any) -> None:
    store(entries[0], k, block[0])
    store(entries[1], k, block[1])
    store(entries[2], k, block[2])
    store(entries[3], k, block[3])
    store(entries[4], k, block[4])
    store(entries[5], k, block[5])
    store(entries[6], k, block[6])
    store(entries[7], k, block[7])


@device
def _times(ar: Any, ai: Any, br: Any, bi: Any) -> Any:
    """Complex product."""
    return ar * br - ai * bi, ar * bi + ai * br


@device
def set_gradients(
    planes: Any, h: Any, gradients: Any, count: int, lanes: int, has_arms: bool
) -> None:
    """Gradients of the settings from those of the blocks.

    With H_ij = sum conj(g_i) x_j over the fields, a change of a block changes the loss by
    Re sum dM_ij H_ij. Let F_ij = g2_i H_ij d_j, so that sum P_ij F_ij splits into the light through
    the upper arm between the couplers, Z_u, and through the lower one, Z_l. Then

        dtheta = -Im Z_u,  dphi = -Im (E_00 + E_10),   E = P F entry by entry,
        da = -Im (P_01 F_00 + P_00 F_01 + P_11 F_10 + P_10 F_11),
        db = -Im (P_10 F_00 + P_11 F_01 + P_00 F_10 + P_01 F_11),

    and the gradients of the logarithms of the six g are Re (E_00 + E_10), Re (E_01 + E_11),
    Re Z_u, Re Z_l, Re (E_00 + E_01), Re (E_10 + E_11).

    Args:
        planes: of ``set_planes``.
        h: H, eight planes.
        gradients: ten planes to fill: theta, phi, a, b, and the logarithms of g0, g1, g2.
        count: interferometers.
        lanes: elements of a vector.
        has_arms: whether the losses are to be read; without them they are 1.
    """
    for k in range(0, count, lanes):
        p = _internal(planes, k, has_arms)
        f = _weighted(planes, k, h, has_arms)
        zero = constant(p[0], 0.0, 0.0)
        e00, e01 = _times(p[0], p[1], f[0], f[1]), _times(p[2], p[3], f[2], f[3])
        e10, e11 = _times(p[4], p[5], f[4], f[5]), _times(p[6], p[7], f[6], f[7])
        lower = _through_lower_arm(planes, k, f, has_arms)
        upper_r = e00[0] + e01[0] + e10[0] + e11[0] - lower[0]
        upper_i = e00[1] + e01[1] + e10[1] + e11[1] - lower[1]
        first = _imaginary(p, 2, f, 0) + _imaginary(p, 0, f, 2)
        first = first + _imaginary(p, 6, f, 4) + _imaginary(p, 4, f, 6)
        second = _imaginary(p, 4, f, 0) + _imaginary(p, 6, f, 2)
        second = second + _imaginary(p, 0, f, 4) + _imaginary(p, 2, f, 6)
        store(gradients[0], k, zero - upper_i)
        store(gradients[1], k, zero - e00[1] - e10[1])
        store(gradients[2], k, zero - first)
        store(gradients[3], k, zero - second)
        store(gradients[4], k, e00[0] + e10[0])
        store(gradients[5], k, e01[0] + e11[0])
        store(gradients[6], k, upper_r)
        store(gradients[7], k, lower[0])
        store(gradients[8], k, e00[0] + e01[0])
        store(gradients[9], k, e10[0] + e11[0])


@device
def _weighted(planes: Any, k: int, h: Any, has_arms: bool) -> Any:
    """F_ij = g2_i H_ij d_j."""
    ur, ui = load(planes[COS_PHI], k), load(planes[SIN_PHI], k)
    f00 = _times(load(h[0], k), load(h[1], k), ur, ui)
    f10 = _times(load(h[4], k), load(h[5], k), ur, ui)
    f = (f00[0], f00[1], load(h[2], k), load(h[3], k), f10[0], f10[1], load(h[6], k), load(h[7], k))
    if has_arms:
        return _damped(planes, k, f)
    return f


@device
def _through_lower_arm(planes: Any, k: int, f: Any, has_arms: bool) -> Any:
    """Z_l: g1_l times F with [[-(cd + st), i (ct - sd)], [i (ct + sd), cd - st]] / 2."""
    cd, sd = load(planes[COS_DIFFERENCE], k), load(planes[SIN_DIFFERENCE], k)
    ct, st = load(planes[COS_TOTAL], k), load(planes[SIN_TOTAL], k)
    scale = constant(cd, 0.5, 0.5)
    if has_arms:
        scale = scale * load(planes[ARMS + 3], k)
    w00, w01, w10, w11 = cd + st, ct - sd, ct + sd, cd - st
    real = w11 * f[6] - w00 * f[0] - w01 * f[3] - w10 * f[5]
    imag = w11 * f[7] - w00 * f[1] + w01 * f[2] + w10 * f[4]
    return scale * real, scale * imag


@device
def _imaginary(p: Any, i: int, f: Any, j: int) -> Any:
    """Im of the product of the complex entries at positions i and j."""
    return p[i] * f[j + 1] + p[i + 1] * f[j]
