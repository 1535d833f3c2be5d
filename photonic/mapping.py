"""From the weights of a dense layer to the settings of optical tiles."""

import math
from typing import Literal

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from photonic.checks import as_tensor, whole_number
from photonic.decomposition import decompose
from photonic.kernels.singular import TIE, singular_factors
from photonic.layout import UNIVERSAL_KINDS, MeshLayout
from photonic.program import Program
from photonic.singular_order import SingularOrder, reorder_factors
from photonic.threads import share

# Shapes: R, C rows and columns of tiles, m x n one tile, r = min(m, n).

SMALLEST_SHARE = 16_384
"""Matrix entries worth a thread of their own."""


def map_linear(
    weight: Tensor | ArrayLike,
    layout: str = "clements",
    tile: int | Literal["full"] | None = 16,
    name: str = "",
    order: SingularOrder = "descending",
) -> Program:
    """Ideal settings that perform a weight matrix.

    Each tile is decomposed as W = scale U[:, :r] diag(S) V^T[:r, :] with orthogonal U and V,
    S >= 0 with largest entry 1 and scale its largest singular value. The settings are those of the
    weight, with the same bits on every processor. Where singular values are zero or equal, the unit
    vectors that lie best in their space choose its basis. Signs are fixed: in each column of U
    (each row of V^T beyond r) the first entry of largest magnitude is positive. A tile of zeros has
    scale 0, S = 0 and both meshes at the identity.

    Args:
        weight: (out_features, in_features) real and finite; computed in float64.
        layout: kind of mesh, "clements" or "reck".
        tile: size K of K x K tiles, padded with zeros; "full" or None: one out x in tile.
        name: name of the layer, by which a chip draws its errors; ``realise`` needs one.
        order: which attenuator holds which singular value.

    Returns:
        A program whose ``weight()`` is ``weight`` within rounding.

    Raises:
        TypeError: if the weight is complex or does not hold numbers.
        ValueError: if the weight is not a finite, non-empty matrix or another argument is not
            valid.

    Source: Shen et al., Nat. Photon. 11, 441 (2017), for U S V^T on two meshes.
    """
    matrix = _checked_weight(weight)
    if layout not in UNIVERSAL_KINDS:
        known = " or ".join(map(repr, UNIVERSAL_KINDS))
        raise ValueError(
            f"`layout` must be {known}, got {layout!r}: other meshes have no direct decomposition"
        )
    rows, columns = tile_shape(tuple(matrix.shape), tile)
    tiles = _split(matrix, rows, columns)
    u, singular, vt = _factors(tiles)
    scale = singular[..., 0].clone()
    is_zero = scale == 0
    u, vt = _fix_signs(u, vt)
    u, singular, vt = reorder_factors(u, singular, vt, order)
    attenuation = singular / torch.where(is_zero, 1.0, scale)[..., None]
    u_layout, v_layout = MeshLayout(layout, rows), MeshLayout(layout, columns)
    return Program(
        name=name,
        out_features=matrix.shape[0],
        in_features=matrix.shape[1],
        u_layout=u_layout,
        v_layout=v_layout,
        u=decompose(u, u_layout),
        v=decompose(vt, v_layout),
        attenuation=attenuation,
        scale=scale,
    )


def _checked_weight(weight: Tensor | ArrayLike) -> Tensor:
    matrix = as_tensor("weight", weight).detach().cpu()
    if matrix.is_complex():
        raise TypeError(f"`weight` must be real, got {matrix.dtype}")
    if matrix.ndim != 2 or matrix.numel() == 0:
        shape = tuple(matrix.shape)
        raise ValueError(f"`weight` must have shape (out_features, in_features), got {shape}")
    matrix = matrix.to(torch.float64)
    num_bad = int((~matrix.isfinite()).sum())
    if num_bad:
        raise ValueError(f"`weight` has {num_bad} entries that are not finite")
    return matrix


def tile_shape(shape: tuple[int, int], tile: int | str | None) -> tuple[int, int]:
    """Outputs and inputs of a tile of a weight; ``tile`` as in ``map_linear``."""
    if tile is None or tile == "full":
        return shape
    try:
        tile = whole_number("tile", tile, 1)
    except ValueError as error:
        known = '`tile` must be an integer >= 1, "full" or None'
        raise ValueError(f"{known}, got {tile!r}") from error
    return tile, tile


def _split(matrix: Tensor, rows: int, columns: int) -> Tensor:
    """Tiles (R, C, m, n) of a matrix, the last ones padded with zeros."""
    grid_rows, grid_columns = (
        math.ceil(size / tile) for size, tile in zip(matrix.shape, (rows, columns), strict=True)
    )
    padded = matrix.new_zeros(grid_rows * rows, grid_columns * columns)
    padded[: matrix.shape[0], : matrix.shape[1]] = matrix
    return padded.reshape(grid_rows, rows, grid_columns, columns).transpose(1, 2)


def _factors(tiles: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Full U, S and V^T of (R, C, m, n) tiles, shared among threads."""
    grid, (rows, columns) = tiles.shape[:2], tiles.shape[2:]
    flat = tiles.reshape(-1, rows, columns)
    found = (
        flat.new_empty(len(flat), rows, rows),
        flat.new_empty(len(flat), min(rows, columns)),
        flat.new_empty(len(flat), columns, columns),
    )
    arrays = [part.numpy() for part in (flat.contiguous(), *found)]
    share(
        lambda first, last: singular_factors(first, last, *arrays),
        len(flat),
        grain=max(1, SMALLEST_SHARE // (rows * columns)),
    )
    return tuple(part.unflatten(0, grid) for part in found)


def _fix_signs(u: Tensor, vt: Tensor) -> tuple[Tensor, Tensor]:
    """Flip singular vectors in pairs; the rows of V^T without a partner by their own rule."""
    u_signs, v_signs = _column_signs(u), _column_signs(vt.mT)
    rank = min(u.shape[-1], vt.shape[-1])
    v_signs[..., :rank] = u_signs[..., :rank]
    return u * u_signs[..., None, :], vt * v_signs[..., :, None]


def _column_signs(matrix: Tensor) -> Tensor:
    size = matrix.abs()
    is_largest = size >= (1 - TIE) * size.amax(dim=-2, keepdim=True)
    first = is_largest.to(torch.uint8).argmax(dim=-2, keepdim=True)
    return matrix.gather(-2, first).squeeze(-2).sign()
