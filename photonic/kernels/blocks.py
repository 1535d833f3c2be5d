"""Blocks of interferometers from their phases, and gradients of phases from those of blocks.

One block, with half-angle sines S, c of theta and the losses g of its six pieces of waveguide:

    M_ij = g2_i P_ij d_j,   d = (g0_u exp(i phi), g0_l),   P = k (p Q - i q Q'),   k = -S + i c,
    Q  = [[A + i B, C + i D], [C - i D, -A + i B]],
    A = S cos(a - b),  B = c sin(a + b),  C = c cos(a + b),  D = S sin(a - b),

p, q = (g1_u +- g1_l) / 2; Q' is Q for theta + pi, that is with (c, -S) in place of (S, c). So the
arms between the couplers may differ. The closed form is that of ``photonic.mzi``; its cos(theta/2)
is 0 for the float nearest to pi.

Interferometers are handled one vector at a time in planes: stretches of a scratch array, one
quantity each. A plane holds one segment of a mesh, so that scratch memory does not grow with it.
"""

import math
from typing import Any

from photonic.kernels.compile import device
from photonic.kernels.scratch import copy, zeros
from photonic.kernels.simd import constant, load, store, where_equal
from photonic.kernels.trigonometry import sines

SEGMENT = 64
"""Interferometers per segment and elements of a plane, a multiple of the lanes of a vector."""
_HALF_THETA, _SIN_THETA, _COS_THETA = 0, SEGMENT, 2 * SEGMENT
_PHI, _SIN_PHI, _COS_PHI = 3 * SEGMENT, 4 * SEGMENT, 5 * SEGMENT
_DIFFERENCE, _SIN_DIFFERENCE, _COS_DIFFERENCE = 6 * SEGMENT, 7 * SEGMENT, 8 * SEGMENT
_TOTAL, _SIN_TOTAL, _COS_TOTAL = 9 * SEGMENT, 10 * SEGMENT, 11 * SEGMENT
_ARMS = 12 * SEGMENT  # six planes: upper and lower arm of the three sections
_SIZE = 18 * SEGMENT
NUM_ENTRIES = 8
"""Planes of a block: real and imaginary part of M00, M01, M10, M11."""

_HALF_PI = math.pi / 2


@device
def new_planes(like: Any) -> Any:
    """Scratch planes of a segment of an ideal mesh, before any phase is set."""
    planes = zeros(_SIZE, like)
    planes[_COS_DIFFERENCE : _COS_DIFFERENCE + SEGMENT] = 1.0
    planes[_COS_TOTAL : _COS_TOTAL + SEGMENT] = 1.0
    planes[_ARMS:] = 1.0
    return planes


@device
def set_planes(planes: Any, start: int, count: int, settings: Any, vectors: Any) -> None:
    """Sines and losses of the interferometers ``start .. start + count - 1`` of all meshes."""
    theta, phi, _, couplers, arms = settings
    copy(planes, _HALF_THETA, theta, start, count, vectors[0])
    copy(planes, _PHI, phi, start, count, vectors[0])
    k = 0
    while k < count:
        angle = load(planes, _HALF_THETA + k)
        store(planes, _HALF_THETA + k, angle * constant(angle, 0.5, 0.5))
        k += vectors[0]
    sines(planes, _HALF_THETA, SEGMENT, count, vectors)
    _clear_bars(planes, count, vectors[0])
    sines(planes, _PHI, SEGMENT, count, vectors)
    if couplers.size:
        for k in range(count):
            a, b = couplers[2 * (start + k)], couplers[2 * (start + k) + 1]
            planes[_DIFFERENCE + k] = a - b
            planes[_TOTAL + k] = a + b
        sines(planes, _DIFFERENCE, SEGMENT, count, vectors)
        sines(planes, _TOTAL, SEGMENT, count, vectors)
    if arms.size:
        for k in range(count):
            for arm in range(6):
                planes[_ARMS + arm * SEGMENT + k] = arms[6 * (start + k) + arm]


@device
def _clear_bars(planes: Any, count: int, lanes: int) -> None:
    """The float nearest to pi means bar: its leak, alike in every bar, would add up coherently."""
    k = 0
    while k < count:
        x, c = load(planes, _HALF_THETA + k), load(planes, _COS_THETA + k)
        bar = constant(x, _HALF_PI, _HALF_PI)
        store(planes, _COS_THETA + k, where_equal(x, bar, constant(x, 0.0, 0.0), c))
        k += lanes


@device
def set_entries(planes: Any, entries: Any, count: int, lanes: int, has_arms: bool) -> None:
    """M from the planes, into the eight planes of ``entries``."""
    k = 0
    while k < count:
        p = _internal(planes, k, has_arms)
        ur, ui = load(planes, _COS_PHI + k), load(planes, _SIN_PHI + k)
        m00, m10 = _times(p[0], p[1], ur, ui), _times(p[4], p[5], ur, ui)
        block = (m00[0], m00[1], p[2], p[3], m10[0], m10[1], p[6], p[7])
        if has_arms:
            block = _damped(planes, k, block)
        _store_block(entries, k, block)
        k += lanes


@device
def _internal(planes: Any, k: int, has_arms: bool) -> Any:
    """P, real and imaginary parts of its four entries."""
    s, c = load(planes, _SIN_THETA + k), load(planes, _COS_THETA + k)
    cd, sd = load(planes, _COS_DIFFERENCE + k), load(planes, _SIN_DIFFERENCE + k)
    ct, st = load(planes, _COS_TOTAL + k), load(planes, _SIN_TOTAL + k)
    zero = constant(s, 0.0, 0.0)
    a, b, cross, d = s * cd, c * st, c * ct, s * sd
    q = (a, b, cross, d, cross, zero - d, zero - a, b)
    if has_arms:
        half = constant(s, 0.5, 0.5)
        upper, lower = load(planes, _ARMS + 2 * SEGMENT + k), load(planes, _ARMS + 3 * SEGMENT + k)
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
    g0u, g0l = load(planes, _ARMS + k), load(planes, _ARMS + 1 * SEGMENT + k)
    g2u, g2l = load(planes, _ARMS + 4 * SEGMENT + k), load(planes, _ARMS + 5 * SEGMENT + k)
    uu, ul, lu, ll = g2u * g0u, g2u * g0l, g2l * g0u, g2l * g0l
    upper = (block[0] * uu, block[1] * uu, block[2] * ul, block[3] * ul)
    lower = (block[4] * lu, block[5] * lu, block[6] * ll, block[7] * ll)
    return upper + lower


@device
def _store_block(entries: Any, k: int, block: Any) -> None:
    store(entries, k, block[0])
    store(entries, SEGMENT + k, block[1])
    store(entries, 2 * SEGMENT + k, block[2])
    store(entries, 3 * SEGMENT + k, block[3])
    store(entries, 4 * SEGMENT + k, block[4])
    store(entries, 5 * SEGMENT + k, block[5])
    store(entries, 6 * SEGMENT + k, block[6])
    store(entries, 7 * SEGMENT + k, block[7])


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
    k = 0
    while k < count:
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
        store(gradients, k, zero - upper_i)
        store(gradients, SEGMENT + k, zero - e00[1] - e10[1])
        store(gradients, 2 * SEGMENT + k, zero - first)
        store(gradients, 3 * SEGMENT + k, zero - second)
        store(gradients, 4 * SEGMENT + k, e00[0] + e10[0])
        store(gradients, 5 * SEGMENT + k, e01[0] + e11[0])
        store(gradients, 6 * SEGMENT + k, upper_r)
        store(gradients, 7 * SEGMENT + k, lower[0])
        store(gradients, 8 * SEGMENT + k, e00[0] + e01[0])
        store(gradients, 9 * SEGMENT + k, e10[0] + e11[0])
        k += lanes


@device
def _weighted(planes: Any, k: int, h: Any, has_arms: bool) -> Any:
    """F_ij = g2_i H_ij d_j."""
    ur, ui = load(planes, _COS_PHI + k), load(planes, _SIN_PHI + k)
    f00 = _times(load(h, k), load(h, SEGMENT + k), ur, ui)
    f10 = _times(load(h, 4 * SEGMENT + k), load(h, 5 * SEGMENT + k), ur, ui)
    f01 = (load(h, 2 * SEGMENT + k), load(h, 3 * SEGMENT + k))
    f11 = (load(h, 6 * SEGMENT + k), load(h, 7 * SEGMENT + k))
    f = (f00[0], f00[1], f01[0], f01[1], f10[0], f10[1], f11[0], f11[1])
    if has_arms:
        return _damped(planes, k, f)
    return f


@device
def _through_lower_arm(planes: Any, k: int, f: Any, has_arms: bool) -> Any:
    """Z_l: g1_l times F with [[-(cd + st), i (ct - sd)], [i (ct + sd), cd - st]] / 2."""
    cd, sd = load(planes, _COS_DIFFERENCE + k), load(planes, _SIN_DIFFERENCE + k)
    ct, st = load(planes, _COS_TOTAL + k), load(planes, _SIN_TOTAL + k)
    scale = constant(cd, 0.5, 0.5)
    if has_arms:
        scale = scale * load(planes, _ARMS + 3 * SEGMENT + k)
    w00, w01, w10, w11 = cd + st, ct - sd, ct + sd, cd - st
    real = w11 * f[6] - w00 * f[0] - w01 * f[3] - w10 * f[5]
    imag = w11 * f[7] - w00 * f[1] + w01 * f[2] + w10 * f[4]
    return scale * real, scale * imag


@device
def _imaginary(p: Any, i: int, f: Any, j: int) -> Any:
    """Im of the product of the complex entries at positions i and j."""
    return p[i] * f[j + 1] + p[i + 1] * f[j]
