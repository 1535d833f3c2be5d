"""The edges of a batch, and what is summed over them."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from types import ModuleType

import torch
from torch import Tensor, nn
from torch.nn import functional

import models.edge_ops.cpu_messages as cpu_messages
import models.edge_ops.cpu_products as cpu_products
import models.edge_ops.torch_path as torch_path
from models.edge_ops.paths import is_compiled, is_plain_norm


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
        """One edge for all that share receiver, sender and length, in ascending order of these.

        Images of one neighbour in a shell of it: what depends on no direction is equal for them,
        and about one edge in five of the shipped data is such a copy.
        """
        num_lengths = self.length_index.max() + 1 if self.length_index.numel() else 1
        number = self._pair_number() * num_lengths + self.length_index
        distinct, rows, counts = torch.unique(number, return_inverse=True, return_counts=True)
        # Any of the edges of a row will do: in what is asked of it they are the same.
        member = rows.new_empty(distinct.numel()).scatter_(
            0, rows, torch.arange(rows.numel(), device=rows.device)
        )
        first = torch.arange(distinct.numel() + 1, device=rows.device)
        return SharedEdges(self._chosen(member), rows, counts, first)

    @functools.cached_property
    def pairs(self) -> SharedEdges:
        """One edge for all that share receiver and sender, less than half of them; any length."""
        shared = self.distinct
        _, rows, counts = torch.unique_consecutive(
            shared.edges._pair_number(), return_inverse=True, return_counts=True
        )
        first = functional.pad(counts.cumsum(0), (1, 0))
        total = torch.zeros_like(counts).index_add_(0, rows, shared.counts)
        return SharedEdges(shared.edges._chosen(first[:-1]), rows[shared.rows], total, first)

    def _pair_number(self) -> Tensor:
        return self.index[0] * self.num_sites + self.index[1]

    def _chosen(self, edges: Tensor) -> Edges:
        return Edges(self.index[:, edges], self.length_index[edges], self.num_sites)

    def activated_sum(self, receivers: Tensor, senders: Tensor, lengths: Tensor | None) -> Tensor:
        """(E, F) SiLU(receivers_i + senders_j [+ lengths_u]) of (S, F), (S, F) and (U, F)."""
        path = cpu_messages if self._is_compiled(receivers) else torch_path
        return path.activated_sum(receivers, senders, lengths, self.index, self.length_index)

    def gated_sum(
        self, query: Tensor, keys: Tensor, values: Tensor, norm: nn.Module, alike: SharedEdges
    ) -> Tensor:
        """(S, F) sum_e sigmoid(BN(query_i keys_k)) values_t over the edges of each receiver.

        Args:
            query: (S, F).
            keys: (K, F) of the edges in ``alike``.
            values: (T, F) of the ``distinct`` edges.
            norm: batch norm, over all E edges.
            alike: those of the edges that share keys: ``distinct`` or ``pairs``.
        """
        if self._is_compiled(values) and is_plain_norm(norm, values, self.index.shape[1]):
            counts = (shared.counts.to(values.dtype) for shared in (alike, self.distinct))
            groups = cpu_messages.Groups(alike.edges.index[0], alike.first, *counts)
            return cpu_messages.gated_sum(query, keys, values, norm, groups)
        messages = self.messages(query, keys, values, norm, alike)
        return torch_path.sum_by_receiver(messages, self.index, self.num_sites)

    def messages(
        self, query: Tensor, keys: Tensor, values: Tensor, norm: nn.Module, alike: SharedEdges
    ) -> Tensor:
        """(E, F) sigmoid(BN(query_i keys_k)) values_t; arguments as of ``gated_sum``."""
        gates = torch_path.gates(query, keys, norm, self.index, alike.rows)
        return gates * values.index_select(0, self.distinct.rows)

    def turn(self, frames: Tensor, direction: Tensor) -> Tensor:
        """(E, 3) directions, each turned by the frame of its receiver.

        Args:
            frames: (S, 3, 3) axes as rows.
            direction: (E, 3).
        """
        path = cpu_products if self._is_compiled(frames) else torch_path
        return path.turn(frames, direction, self.index)

    def moments(self, direction: Tensor) -> Tensor:
        """(T, 9) sums of (1 | Y1_e | Y2_e) over the edges that each distinct one stands for.

        They are all that ``collect`` and ``contract`` need of (E, 3) unit vectors, and divided by
        the number of edges of the receiver, so that sums over edges become means.
        """
        path = cpu_products if self._is_compiled(direction) else torch_path
        shared = self.distinct
        total = path.moments(direction, shared.rows, shared.counts.numel())
        degree = torch.bincount(self.index[0], minlength=self.num_sites).to(total.dtype)
        return total / degree[shared.edges.index[0], None]

    def collect(
        self, sources: Tensor, weights: Tensor, moments: Tensor, num_scalars: int
    ) -> Tensor:
        """Means of (f_j w0_u | g_j w1_u Y1_e | t_j w2_u Y2_e) over the edges of each receiver.

        Args:
            sources: (S, n + 2 v) f, g, t.
            weights: (U, n + 2 v) w0, w1, w2.
            moments: (T, 9) of the directions.
            num_scalars: n.

        Returns:
            (S, n + 8 v): n scalars, v values for each component of Y1, v for each of Y2.
        """
        path, edges = self._products(weights)
        return path.collect(sources, weights, moments, edges.index, edges.length_index, num_scalars)

    def contract(
        self, tensors: Tensor, weights: Tensor, moments: Tensor, num_scalars: int
    ) -> Tensor:
        """Means of (f_j w0_u | (v_j . Y1_e) w1_u / sqrt 3 | (t_j . Y2_e) w2_u / sqrt 5).

        Args:
            tensors: (S, n + 8 v) f, v, t as returned by ``collect``.
            weights: (U, n + 2 v) w0, w1, w2.
            moments: (T, 9) of the directions.
            num_scalars: n.

        Returns:
            (S, n + 2 v) over the edges of each receiver.
        """
        path, edges = self._products(weights)
        return path.contract(
            tensors, weights, moments, edges.index, edges.length_index, num_scalars
        )

    def _is_compiled(self, values: Tensor) -> bool:
        return is_compiled(values, self.index.shape[1])

    def _products(self, weights: Tensor) -> tuple[ModuleType, Edges]:
        return (cpu_products if self._is_compiled(weights) else torch_path), self.distinct.edges


@dataclass(frozen=True, eq=False)
class SharedEdges:
    """Representatives of edges that are alike.

    Attributes:
        edges: K of the edges.
        rows: (E,) which of them stands for each edge.
        counts: (K,) edges that each stands for.
        first: (K + 1,) the first of the ``distinct`` edges that each stands for, and their number.
    """

    edges: Edges
    rows: Tensor
    counts: Tensor
    first: Tensor
