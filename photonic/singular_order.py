"""Which attenuator holds which singular value: the order of the modes between meshes V and U.

A weight is the same whatever the order. A chip's errors are not: the middle modes of a mesh cross
more interferometers than the edge modes, so the order decides where the large singular values run.
"""

from typing import Literal, get_args

import torch
from torch import Tensor

from photonic.randomness import keyed_generator

SingularOrder = Literal["descending", "ascending", "centred", "random"]
"""Name of an order."""
SINGULAR_ORDERS: tuple[SingularOrder, ...] = get_args(SingularOrder)
"""All names, the usual one first."""


def singular_value_order(rank: int, order: SingularOrder) -> Tensor:
    """Which singular value each attenuator holds.

    "descending": attenuator 0 holds the largest; "ascending": the last one does; "centred": the
    middle does and the values fall to both sides, on a tie towards mode 0 first; "random": one
    fixed shuffle per rank, to compare the others with.

    Args:
        rank: number r of attenuators.
        order: name of the order.

    Returns:
        (r,) int64 permutation; entry k is the index, 0 = largest, of the singular value that
        attenuator k holds.

    Raises:
        ValueError: if the order is unknown or the rank is below 1.
    """
    if rank < 1:
        raise ValueError(f"`rank` must be an integer >= 1, got {rank}")
    if order == "descending":
        return torch.arange(rank)
    if order == "ascending":
        return torch.arange(rank - 1, -1, -1)
    if order == "centred":
        # Twice the distance from the middle, so that it is an integer; its ranking is the order.
        distance = (2 * torch.arange(rank) - (rank - 1)).abs()
        return distance.argsort(stable=True).argsort()
    if order == "random":
        shuffled = keyed_generator(0, "singular_order", rank).permutation(rank)
        return torch.from_numpy(shuffled)
    raise ValueError(f"`order` must be one of {', '.join(SINGULAR_ORDERS)}, got {order!r}")


def reorder_factors(
    u: Tensor, singular: Tensor, vt: Tensor, order: SingularOrder
) -> tuple[Tensor, Tensor, Tensor]:
    """The factors of a decomposition with its singular values in another order.

    U[:, :r] diag(S) V^T[:r, :] stays the same: the first r columns of U, the entries of S and the
    first r rows of V^T move together; columns and rows beyond r stay.

    Args:
        u: (..., m, m) left factor U.
        singular: (..., r) singular values S, descending, r = min(m, n).
        vt: (..., n, n) right factor V^T.
        order: name of the order.

    Returns:
        U, S and V^T in the new order.

    Raises:
        ValueError: if the order is unknown.
    """
    index = singular_value_order(singular.shape[-1], order).to(singular.device)
    columns, rows = (
        torch.cat([index, torch.arange(len(index), size, device=index.device)])
        for size in (u.shape[-1], vt.shape[-2])
    )
    return u[..., :, columns], singular[..., index], vt[..., rows, :]
