"""Fields of a block of light: from complex arrays into planar rows of modes, and back.

A row holds the real or the imaginary parts of ``width`` fields in one mode, padded with zeros to
whole vectors. Complex arrays come as their real view: element (mode y, field r) of an item is at
offset + y * step_y + r * step_r, its imaginary part one further. step_r = 2 goes by vectors.
"""

from typing import Any

from photonic.kernels.compile import device
from photonic.kernels.simd import load, load_pairs, store, store_pairs


@device
def place(array: Any, mesh: int, start: int, lanes: int) -> Any:
    """Where the fields of a mesh begin, from ``start`` on, with the steps of mode and field.

    Args:
        array: (real view, step from mesh to mesh, from mode to mode, from field to field).
        mesh: index of the mesh.
        start: first field.
        lanes: elements of a vector.
    """
    _, step_mesh, step_mode, step_field = array
    return mesh * step_mesh + start * step_field, step_mode, step_field, lanes


@device
def set_identity(re: Any, im: Any, is_dark: Any, shape: Any, first: int) -> None:
    """Unit fields ``first``, ``first + 1`` ... of the identity; all other modes are dark."""
    n, width = shape
    re[:] = 0
    im[:] = 0
    is_dark[:] = True
    for r in range(min(width, n - first)):
        re[(first + r) * width + r] = 1
        is_dark[first + r] = False


@device
def read_fields(re: Any, im: Any, shape: Any, array: Any, at: Any, count: int) -> None:
    """Fill the rows with ``count`` fields, the rest with zeros."""
    n, width = shape
    offset, step_y, step_r, lanes = at
    whole = count // lanes * lanes if step_r == 2 else 0
    for y in range(n):
        row, start = y * width, offset + y * step_y
        r = 0
        while r < whole:
            real, imag = load_pairs(array, start + 2 * r)
            store(re, row + r, real)
            store(im, row + r, imag)
            r += lanes
        for r in range(whole, count):
            re[row + r] = array[start + r * step_r]
            im[row + r] = array[start + r * step_r + 1]
        for r in range(count, width):
            re[row + r] = 0
            im[row + r] = 0


@device
def write_fields(re: Any, im: Any, shape: Any, array: Any, at: Any, count: int) -> None:
    """Copy ``count`` fields from the rows."""
    n, width = shape
    offset, step_y, step_r, lanes = at
    whole = count // lanes * lanes if step_r == 2 else 0
    for y in range(n):
        row, start = y * width, offset + y * step_y
        r = 0
        while r < whole:
            store_pairs(array, start + 2 * r, load(re, row + r), load(im, row + r))
            r += lanes
        for r in range(whole, count):
            array[start + r * step_r] = re[row + r]
            array[start + r * step_r + 1] = im[row + r]
