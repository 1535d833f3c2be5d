"""Light through a batch of meshes, one block of fields at a time.

The rows of a block stay in the cache while all interferometers act on them in the order of the
layout. An item is one mesh and one chunk of its fields; items are independent.
"""

from typing import Any

import numpy as np

from photonic.kernels.blocks import NUM_ENTRIES, SEGMENT, new_planes, set_entries, set_planes
from photonic.kernels.compile import device, kernel
from photonic.kernels.fields import place, read_fields, set_identity, write_fields
from photonic.kernels.scratch import copy, zeros
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
    like, lanes = settings[0], vectors[0]
    planes, entries = new_planes(like), zeros(NUM_ENTRIES * SEGMENT, like)
    turns = zeros(3 * (n + lanes), like)
    re, im = zeros(n * width, like), zeros(n * width, like)
    is_dark = np.zeros(n, np.bool_)
    for item in range(first, last):
        mesh, part = item // chunks, item % chunks
        set_turns(turns, settings[2], mesh * n, n, vectors)
        for start in range(part * chunk, min(num_fields, (part + 1) * chunk), width):
            count = min(width, num_fields - start)
            block = (count + lanes - 1) // lanes * lanes
            shape = (n, block)
            if fields[0].size:
                read_fields(re, im, shape, fields[0], place(fields, mesh, start, lanes), count)
            else:
                set_identity(re, im, is_dark, shape, start)
            num_dark = is_dark.sum()
            for k in range(0, m, SEGMENT):
                size = min(SEGMENT, m - k)
                set_planes(planes, mesh * m + k, size, settings, vectors)
                set_entries(planes, entries, size, lanes, settings[4].size > 0)
                if num_dark:
                    _pass_dark(re, im, is_dark, wiring, k, size, entries, block, lanes)
                    num_dark = is_dark.sum()
                else:
                    _pass(re, im, wiring, k, size, entries, block, lanes)
            turn_rows(re, im, shape, turns, lanes, 1.0)
            write_fields(re, im, shape, output[0], place(output, mesh, start, lanes), count)


@device
def set_turns(turns: Any, screen: Any, start: int, n: int, vectors: Any) -> None:
    """Phases of the output screen of one mesh, their sines and their cosines."""
    copy(turns, 0, screen, start, n, vectors[0])
    sines(turns, 0, turns.size // 3, n, vectors)


@device
def turn_rows(re: Any, im: Any, shape: Any, turns: Any, lanes: int, sign: float) -> None:
    """Multiply each row by exp(i sign phase)."""
    n, width = shape
    step = turns.size // 3
    for y in range(n):
        s, c = splat(turns[step + y]), splat(turns[2 * step + y])
        s = s * constant(s, sign, sign)
        j = y * width
        while j < (y + 1) * width:
            real, imag = load(re, j), load(im, j)
            store(re, j, c * real - s * imag)
            store(im, j, c * imag + s * real)
            j += lanes


@device
def _pass(
    re: Any, im: Any, wiring: Any, start: int, size: int, entries: Any, width: int, lanes: int
) -> None:
    """Interferometers of a segment in turn."""
    upper, lower = wiring
    for k in range(size):
        u, v = upper[start + k], lower[start + k]
        couple(re, im, u * width, v * width, width, entries, k, lanes)


@device
def _pass_dark(
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
    j = 0
    while j < width:
        xr, xi, yr, yi = load(re, u + j), load(im, u + j), load(re, v + j), load(im, v + j)
        store(re, u + j, ar * xr - ai * xi + br * yr - bi * yi)
        store(im, u + j, ar * xi + ai * xr + br * yi + bi * yr)
        store(re, v + j, cr * xr - ci * xi + dr * yr - di * yi)
        store(im, v + j, cr * xi + ci * xr + dr * yi + di * yr)
        j += lanes


@device
def block_row(entries: Any, row: int, k: int) -> Any:
    """Four real numbers of block k, in every lane."""
    return (
        splat(entries[row * SEGMENT + k]),
        splat(entries[(row + 1) * SEGMENT + k]),
        splat(entries[(row + 2) * SEGMENT + k]),
        splat(entries[(row + 3) * SEGMENT + k]),
    )
