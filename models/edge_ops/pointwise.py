"""Functions of single numbers that are compiled where the sums over neighbours are."""

from __future__ import annotations

from torch import Tensor

import models.edge_ops.cpu_messages as cpu_messages
import models.edge_ops.torch_path as torch_path
from models.edge_ops.paths import is_compiled


def softplus(x: Tensor) -> Tensor:
    """log(1 + exp x), x itself beyond 20."""
    return (cpu_messages if is_compiled(x, x.shape[0]) else torch_path).softplus(x)


def gaussians(x: Tensor, centres: Tensor, gamma: float, smallest: float) -> Tensor:
    """(U, M) exp(max(-gamma (x_u - centre_m)^2, smallest)) of (U,) and (M,)."""
    path = cpu_messages if is_compiled(x, x.shape[0]) and not x.requires_grad else torch_path
    return path.gaussians(x, centres, gamma, smallest)
