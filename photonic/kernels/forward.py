"""Light through a batch of meshes, one block of fields at a time.

The rows of a block stay in the cache while all interferometers act on them in the order of the
layout. An item is one mesh and one chunk of its fields; items are independent.
"""

from typing import Any

import numpy as np

from photonic.kernels.blocks import NUM_ENTRIES, SEGMENT, new_planes, set_entries, set_planes
from photonic.kernels.compile import device, kernel
from photonic.kernels.fields import place, read_fields, set_identity, write_fields
from photonic.kernels.simd import constant, load, splat, store
from photonic.kernels.trigonometry import sines


@kernel
def propagate(
    items: Any, sizes: Any, wiring: Any, settings: Any, fields: Any, output: Any, vectors: Any
) -> None:
    """Output fields of the items ``items[0] .. items[1] - 1``.

    Args:
        items: (first, last, chunks per mesh).
        sizes: (N, M, R, fields per chunk, fields per block).
        wiring: upper and lower mode of each interferometer, (M,) each.
        settings: theta, phi, output phases, coupler errors, arm amplitudes; one-dimensional, mesh
            by mesh, the last two empty if absent.
        fields: real view of the input and its steps (mesh, mode, field); an empty view means the
            identity.
        output: real view of the output and its steps, to be filled.
        vectors: lanes, and the largest argument of the vectors' sine.
    """
    first, last, chunks = items
    n, m, num_fields, chunk, width = sizes
    dtype, lanes = settings[0].dtype, vectors[0]
    planes = new_planes(settings[0])
    entries = np.empty((NUM_ENTRIES, SEGMENT), dtype)
    turns = np.zeros((3, (n + lanes - 1) // lanes * lanes), dtype)
    re, im = np.empty(n * width, dtype), np.empty(n * width, dtype)
    is_dark = np.zeros(n, np.bool_)
    for item in range(first, last):
        mesh, part = item // chunks, item % chunks
        set_turns(turns, settings[2], mesh * n, n, vectors)
        for start in range(part * chunk, min(num_fields, (part + 1) * chunk), width):
            count, shape = min(width, num_fields - start), (n, width)
            if fields[0].size:
                read_fields(re, im, shape, fields[0], place(fields, mesh, start, lanes), count)
            else:
                set_identity(re, im, is_dark, shape, start)
            for k in range(0, m, SEGMENT):
                size = min(SEGMENT, m - k)
                set_planes(planes, mesh * m + k, size, settings, vectors)
                set_entries(planes, entries, size, lanes, settings[4].size > 0)
                _pass_segment(re, im, is_dark, wiring, k, size, entries, width, lanes)
            turn_rows(re, im, shape, turns[1], turns[2], lanes, 1.0)
            write_fields(re, im, shape, output[0], place(output, mesh, start, lanes), count)


@device
def set_turns(turns: Any, screen: Any, start: int, n: int, vectors: Any) -> None:
    """Phase, sine and cosine of the output screen of one mesh."""
    for y in range(n):
        turns[0, y] = screen[start + y]
    sines(turns[0], turns[1], turns[2], n, vectors)


@device
def turn_rows(re: Any, im: Any, shape: Any, sin: Any, cos: Any, lanes: int, sign: float) -> None:
    """Multiply row y by cos[y] + i sign sin[y]."""
    n, width = shape
    for y in range(n):
        c, s = splat(cos[y]), splat(sin[y])
        s = s * constant(s, sign, sign)
        for j in range(y * width, (y + 1) * width, lanes):
            real, imag = load(re, j), load(im, j)
            store(re, j, c * real - s * imag)
            store(im, j, c * imag + s * real)


@device
def _pass_segment(
    re: Any,
    im: Any,
    is_dark: Any,
    wiring: Any,
    start: int,
    size: int,
    entries: Any,
    width: int,
    lanes: int,
) -> None:
    """Interferometers of a segment in turn; those that no light reaches are passed over."""
    upper, lower = wiring
    for k in range(size):
        u, v = upper[start + k], lower[start + k]
        if is_dark[u] and is_dark[v]:
            continue
        is_dark[u] = False
        is_dark[v] = False
        couple(re, im, u * width, v * width, width, entries, k, lanes)


@device
def couple(re: Any, im: Any, u: int, v: int, width: int, entries: Any, k: int, lanes: int) -> None:
    """(upper, lower) <- M (upper, lower) on the rows that start at u and v."""
    ar, ai, br, bi = block_row(entries, 0, k)
    cr, ci, dr, di = block_row(entries, 4, k)
    for j in range(0, width, lanes):
        xr, xi, yr, yi = load(re, u + j), load(im, u + j), load(re, v + j), load(im, v + j)
        store(re, u + j, ar * xr - ai * xi + br * yr - bi * yi)
        store(im, u + j, ar * xi + ai * xr + br * yi + bi * yr)
        store(re, v + j, cr * xr - ci * xi + dr * yr - di * yi)
        store(im, v + j, cr * xi + ci * xr + dr * yi + di * yr)


@device
def block_row(entries: Any, row: int, k: int) -> Any:
    """Four real numbers of block k, in every lane."""
    return (
        splat(entries[row, k]),
        splat(entries[row + 1, k]),
        splat(entries[row + 2, k]),
        splat(entries[row + 3, k]),
    )
