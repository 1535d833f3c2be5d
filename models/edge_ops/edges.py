"""The edges of a batch, and what is summed over them."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

import torch
from torch import Tensor

import models.edge_ops.cpu_path as cpu_path
import models.edge_ops.torch_path as torch_path

_COMPILED_DTYPES = (torch.float32, torch.float64)


@dataclass(frozen=True, eq=False)
class Edges:
    """Edges of a batch and the lengths they share.

    Attributes:
        index: (2, E) receiver i and sender j.
        length_index: (E,) number u of each edge's length among the U distinct ones.
        num_sites: S; every site receives at least once.
    """

    index: Tensor
    length_index: Tensor
    num_sites: int

    def of_receiver(self, sites: Tensor) -> Tensor:
        """(E, ...) values of each edge's receiver, from (S, ...)."""
        return sites.index_select(0, self.index[0])

    def gather_sum(self, receivers: Tensor, senders: Tensor, lengths: Tensor | None) -> Tensor:
        """(E, F) receivers_i + senders_j [+ lengths_u] of (S, F), (S, F) and (U, F)."""
        path = _path(receivers)
        return path.gather_sum(receivers, senders, lengths, self.index, self.length_index)

    def scale_by_receiver(self, sites: Tensor, values: Tensor) -> Tensor:
        """(E, F) sites_i values_e of (S, F) and (E, F)."""
        return _path(values).scale_by_receiver(sites, values, self.index)

    def gated_sum(self, gates: Tensor, values: Tensor) -> Tensor:
        """(S, F) sum_e gates_e values_e over the edges of each receiver, of (E, F) and (E, F)."""
        return _path(values).gated_sum(gates, values, self.index, self.num_sites)

    def collect(
        self, sources: Tensor, weights: Tensor, direction: Tensor, num_scalars: int
    ) -> Tensor:
        """Means of (f_j w0_u | g_j w1_u Y1_e | t_j w2_u Y2_e) over the edges of each receiver.

        Args:
            sources: (S, n + 2 v) f, g, t.
            weights: (U, n + 2 v) w0, w1, w2.
            direction: (E, 3) unit vectors.
            num_scalars: n.

        Returns:
            (S, n + 8 v): n scalars, v values for each component of Y1, v for each of Y2.
        """
        total = _path(sources).collect(
            sources, weights, direction, self.index, self.length_index, num_scalars
        )
        return total / self._degree(total)

    def contract(
        self, tensors: Tensor, weights: Tensor, direction: Tensor, num_scalars: int
    ) -> Tensor:
        """Means of (f_j w0_u | (v_j . Y1_e) w1_u / sqrt 3 | (t_j . Y2_e) w2_u / sqrt 5).

        Args:
            tensors: (S, n + 8 v) f, v, t as returned by ``collect``.
            weights: (U, n + 2 v) w0, w1, w2.
            direction: (E, 3) unit vectors.
            num_scalars: n.

        Returns:
            (S, n + 2 v) over the edges of each receiver.
        """
        total = _path(tensors).contract(
            tensors, weights, direction, self.index, self.length_index, num_scalars
        )
        return total / self._degree(total)

    def _degree(self, like: Tensor) -> Tensor:
        degree = torch.bincount(self.index[0], minlength=self.num_sites)
        return degree.to(like.dtype)[:, None]


def _path(values: Tensor) -> ModuleType:
    """The compiled loops for ordinary tensors of the processor, plain torch for all others."""
    in_transform = torch._C._functorch.peek_interpreter_stack() is not None
    is_plain = values.device.type == "cpu" and values.dtype in _COMPILED_DTYPES
    return cpu_path if is_plain and not in_transform else torch_path
