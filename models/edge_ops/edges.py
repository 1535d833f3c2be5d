"""The edges of a batch, and what is summed over them."""

from __future__ import annotations

import functools
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

    @functools.cached_property
    def distinct(self) -> SharedEdges:
        """One edge for all that share receiver, sender and length.

        Images of one neighbour in a shell of it: what depends on no direction is equal for them,
        and about one edge in five of the shipped data is such a copy.
        """
        num_lengths = self.length_index.max() + 1 if self.length_index.numel() else 1
        return self._shared(self._pair_number() * num_lengths + self.length_index)

    @functools.cached_property
    def pairs(self) -> SharedEdges:
        """One edge for all that share receiver and sender, less than half of them; any length."""
        return self._shared(self._pair_number())

    def _pair_number(self) -> Tensor:
        return self.index[0] * self.num_sites + self.index[1]

    def _shared(self, number: Tensor) -> SharedEdges:
        """The edges with different numbers, in ascending order."""
        distinct, rows = torch.unique(number, return_inverse=True)
        # Any of the edges of a row will do: in what is asked of it they are the same.
        member = rows.new_empty(distinct.numel()).scatter_(
            0, rows, torch.arange(rows.numel(), device=rows.device)
        )
        index, length_index = self.index[:, member], self.length_index[member]
        return SharedEdges(Edges(index, length_index, self.num_sites), rows)

    def of_receiver(self, sites: Tensor) -> Tensor:
        """(E, ...) values of each edge's receiver, from (S, ...)."""
        return sites.index_select(0, self.index[0])

    def gather_sum(self, receivers: Tensor, senders: Tensor, lengths: Tensor | None) -> Tensor:
        """(E, F) receivers_i + senders_j [+ lengths_u] of (S, F), (S, F) and (U, F)."""
        path = _path(receivers)
        return path.gather_sum(receivers, senders, lengths, self.index, self.length_index)

    def scale_by_receiver(self, sites: Tensor, values: Tensor, rows: Tensor) -> Tensor:
        """(E, F) sites_i values_t of (S, F) sites and (T, F) values, t = rows_e of (E,) rows."""
        return _path(values).scale_by_receiver(sites, values, self.index, rows)

    def gated_sum(self, gates: Tensor, values: Tensor, rows: Tensor) -> Tensor:
        """(S, F) sum_e gates_e values_t over the edges of each receiver, t = rows_e.

        Args:
            gates: (E, F).
            values: (T, F).
            rows: (E,) number of each edge's value.
        """
        return _path(values).gated_sum(gates, values, self.index, rows, self.num_sites)

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


@dataclass(frozen=True, eq=False)
class SharedEdges:
    """Representatives of edges that are alike.

    Attributes:
        edges: T of the edges.
        rows: (E,) which of them stands for each edge.
    """

    edges: Edges
    rows: Tensor


def _path(values: Tensor) -> ModuleType:
    """The compiled loops for ordinary tensors of the processor, plain torch for all others."""
    in_transform = torch._C._functorch.peek_interpreter_stack() is not None
    is_plain = values.device.type == "cpu" and values.dtype in _COMPILED_DTYPES
    return cpu_path if is_plain and not in_transform else torch_path
