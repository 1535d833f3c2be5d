"""Gradients of a batch of meshes, from the output back to the input.

Without loss the fields behind a column determine those before it: every block is undone by its
conjugate transpose and nothing of the forward pass is stored. With loss the inverse would amplify
rounding; the forward pass of one block of fields is repeated instead, and the fields that meet each
interferometer are kept in a trail as long as that block is worked on.

The gradient of a complex number z is d/dRe z + i d/dIm z of the loss, as in torch.
"""

from typing import Any

from photonic.kernels.blocks import (
    NUM_ENTRIES,
    SEGMENT,
    new_planes,
    set_entries,
    set_gradients,
    set_planes,
)
from photonic.kernels.compile import device, kernel
from photonic.kernels.fields import place, read_fields, write_fields
from photonic.kernels.forward import block_row, couple, set_turns, turn_rows
from photonic.kernels.scratch import zeros
from photonic.kernels.simd import constant, load, store, total

NUM_GRADIENTS = 10
"""Gradients per interferometer: theta, phi, a, b, and the logarithms of six arm amplitudes."""


@kernel
def backpropagate(
    items: Any,
    sizes: Any,
    wiring: Any,
    settings: Any,
    light: Any,
    gradient: Any,
    results: Any,
    vectors: Any,
) -> None:
    """Gradients of the items ``items[0] .. items[1] - 1``.

    Args:
        items: (first, last, chunks per mesh).
        sizes: (N, M, R, fields per chunk, fields per block).
        wiring: upper and lower mode of each interferometer, (M,) each.
        settings: as in ``propagate``; with arm amplitudes the light is the input, without the
            output.
        light: real view of the fields and its steps (mesh, mode, field).
        gradient: real view of the gradient of the output, and its steps.
        results: gradients to fill: of the settings (items, rows, M), and the number of rows wanted,
            the first of ``NUM_GRADIENTS``; of the screen (items, N); both one-dimensional; of the
            input a real view, empty if not wanted, and its steps.
        vectors: lanes, and the largest argument of the vectors' sine.
    """
    first, last, chunks = items
    n, m, num_fields, chunk, width = sizes
    per_mzi, num_rows, per_output, input_gradient = results
    like, lanes, has_arms = settings[0], vectors[0], settings[4].size > 0
    planes, entries = new_planes(like), zeros(NUM_ENTRIES * SEGMENT, like)
    inner, gradients = zeros(NUM_ENTRIES * SEGMENT, like), zeros(NUM_GRADIENTS * SEGMENT, like)
    turns = zeros(3 * (n + lanes), like)
    xr, xi, gr, gi = (
        zeros(n * width, like),
        zeros(n * width, like),
        zeros(n * width, like),
        zeros(n * width, like),
    )
    rows = (xr, xi, gr, gi)  # light and gradient, real and imaginary
    trail = zeros(4 * m * width if has_arms else 0, like)
    for item in range(first, last):
        mesh, part = item // chunks, item % chunks
        set_turns(turns, settings[2], mesh * n, n, vectors)
        screen_gradient = per_output[item * n : (item + 1) * n]
        item_gradient = per_mzi[item * num_rows * m : (item + 1) * num_rows * m]
        screen_gradient[:] = 0
        item_gradient[:] = 0
        for start in range(part * chunk, min(num_fields, (part + 1) * chunk), width):
            count = min(width, num_fields - start)
            block = (count + lanes - 1) // lanes * lanes
            shape = (n, block)
            read_fields(xr, xi, shape, light[0], place(light, mesh, start, lanes), count)
            read_fields(gr, gi, shape, gradient[0], place(gradient, mesh, start, lanes), count)
            turn_rows(gr, gi, shape, turns, lanes, -1.0)
            if has_arms:
                for k in range(0, m, SEGMENT):
                    _set_segment(
                        planes, entries, mesh * m + k, min(SEGMENT, m - k), settings, vectors
                    )
                    _follow(rows, wiring, k, min(SEGMENT, m - k), entries, trail, block, lanes)
            else:
                turn_rows(xr, xi, shape, turns, lanes, -1.0)
            _add_phases(screen_gradient, rows, shape, lanes)
            for k in range((m - 1) // SEGMENT * SEGMENT, -1, -SEGMENT):
                size = min(SEGMENT, m - k)
                _set_segment(planes, entries, mesh * m + k, size, settings, vectors)
                _undo_segment(rows, wiring, k, size, entries, inner, trail, block, lanes)
                set_gradients(planes, inner, gradients, size, lanes, has_arms)
                for row in range(num_rows):
                    for i in range(size):
                        item_gradient[row * m + k + i] += gradients[row * SEGMENT + i]
            if input_gradient[0].size:
                target = place(input_gradient, mesh, start, lanes)
                write_fields(gr, gi, shape, input_gradient[0], target, count)


@device
def _set_segment(
    planes: Any, entries: Any, start: int, size: int, settings: Any, vectors: Any
) -> None:
    """Planes and entries of a segment."""
    set_planes(planes, start, size, settings, vectors)
    set_entries(planes, entries, size, vectors[0], settings[4].size > 0)


@device
def _follow(
    rows: Any,
    wiring: Any,
    start: int,
    size: int,
    entries: Any,
    trail: Any,
    width: int,
    lanes: int,
) -> None:
    """Light through a segment; the rows that meet each interferometer go into the trail."""
    re, im = rows[0], rows[1]
    for k in range(size):
        u, v = wiring[0][start + k] * width, wiring[1][start + k] * width
        t = 4 * (start + k) * width
        j = 0
        while j < width:
            store(trail, t + j, load(re, u + j))
            store(trail, t + width + j, load(im, u + j))
            store(trail, t + 2 * width + j, load(re, v + j))
            store(trail, t + 3 * width + j, load(im, v + j))
            j += lanes
        couple(re, im, u, v, width, entries, k, lanes)


@device
def _add_phases(screen_gradient: Any, rows: Any, shape: Any, lanes: int) -> None:
    """Gradient -Im sum conj(g) x of a phase on each row."""
    n, width = shape
    for y in range(n):
        phase = constant(load(rows[0], 0), 0.0, 0.0)
        j = y * width
        while j < (y + 1) * width:
            phase = phase + (
                load(rows[3], j) * load(rows[0], j) - load(rows[2], j) * load(rows[1], j)
            )
            j += lanes
        screen_gradient[y] += total(phase)


@device
def _undo_segment(
    rows: Any,
    wiring: Any,
    start: int,
    size: int,
    entries: Any,
    inner: Any,
    trail: Any,
    width: int,
    lanes: int,
) -> None:
    """Step back through a segment; H of its blocks goes into ``inner``."""
    for k in range(size - 1, -1, -1):
        u, v = wiring[0][start + k] * width, wiring[1][start + k] * width
        _undo(rows, u, v, width, entries, inner, k, trail, 4 * (start + k) * width, lanes)


@device
def _undo(
    rows: Any,
    u: int,
    v: int,
    width: int,
    entries: Any,
    inner: Any,
    k: int,
    trail: Any,
    t: int,
    lanes: int,
) -> None:
    """Step back through a block: the gradient by its conjugate transpose.

    So does the light without a loss; with one it comes from the trail, from t on.
    """
    ar, ai, br, bi = block_row(entries, 0, k)
    cr, ci, dr, di = block_row(entries, 4, k)
    zero = constant(ar, 0.0, 0.0)
    h0, h1, h2, h3, h4, h5, h6, h7 = zero, zero, zero, zero, zero, zero, zero, zero
    xre, xim, gre, gim = rows[0], rows[1], rows[2], rows[3]
    has_trail = trail.size > 0
    j = 0
    while j < width:
        if has_trail:
            pr, pi = load(trail, t + j), load(trail, t + width + j)
            qr, qi = load(trail, t + 2 * width + j), load(trail, t + 3 * width + j)
        else:
            xr, xi, yr, yi = load(xre, u + j), load(xim, u + j), load(xre, v + j), load(xim, v + j)
            pr, pi = ar * xr + ai * xi + cr * yr + ci * yi, ar * xi - ai * xr + cr * yi - ci * yr
            qr, qi = br * xr + bi * xi + dr * yr + di * yi, br * xi - bi * xr + dr * yi - di * yr
            store(xre, u + j, pr)
            store(xim, u + j, pi)
            store(xre, v + j, qr)
            store(xim, v + j, qi)
        xr, xi, yr, yi = load(gre, u + j), load(gim, u + j), load(gre, v + j), load(gim, v + j)
        store(gre, u + j, ar * xr + ai * xi + cr * yr + ci * yi)
        store(gim, u + j, ar * xi - ai * xr + cr * yi - ci * yr)
        store(gre, v + j, br * xr + bi * xi + dr * yr + di * yi)
        store(gim, v + j, br * xi - bi * xr + dr * yi - di * yr)
        h0, h1 = h0 + xr * pr + xi * pi, h1 + xr * pi - xi * pr
        h2, h3 = h2 + xr * qr + xi * qi, h3 + xr * qi - xi * qr
        h4, h5 = h4 + yr * pr + yi * pi, h5 + yr * pi - yi * pr
        h6, h7 = h6 + yr * qr + yi * qi, h7 + yr * qi - yi * qr
        j += lanes
    _set_inner(inner, k, h0, h1, h2, h3, h4, h5, h6, h7)


@device
def _set_inner(
    inner: Any, k: int, h0: Any, h1: Any, h2: Any, h3: Any, h4: Any, h5: Any, h6: Any, h7: Any
) -> None:
    inner[k] = total(h0)
    inner[1 * SEGMENT + k] = total(h1)
    inner[2 * SEGMENT + k] = total(h2)
    inner[3 * SEGMENT + k] = total(h3)
    inner[4 * SEGMENT + k] = total(h4)
    inner[5 * SEGMENT + k] = total(h5)
    inner[6 * SEGMENT + k] = total(h6)
    inner[7 * SEGMENT + k] = total(h7)
