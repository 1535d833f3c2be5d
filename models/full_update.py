"""The equivariant update with full tensor products: a matrix of weights for every edge length.

As published. The matrices depend on lengths alone and are made a block of lengths at a time; in
training a block is made again on the way back, so that memory does not grow with the number of
edges times 5,120 weights.

Shape legend: S sites, E edges, U distinct edge lengths, d width, n scalar channels, v vector (and
rank-2) channels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from models.edge_ops import Edges
from models.edge_ops.torch_path import sum_by_receiver
from models.harmonics import harmonics_1, harmonics_2
from models.linear import LinearFactory

MAX_ENTRIES = 8_000_000
"""Matrix entries held at a time: 32 MB in float32, about 1,600 edges of 5,120."""


class EdgeMatrices(nn.Module):
    """x_e W_u with W_u = Lin - softplus - Lin of the features of the length of edge e.

    Args:
        width: d.
        rows: length of x.
        columns: length of the product.
        linear: factory of dense layers.
    """

    def __init__(self, width: int, rows: int, columns: int, linear: LinearFactory) -> None:
        super().__init__()
        self.shape = (rows, columns)
        self.inner = linear(width, width)
        self.outer = linear(width, rows * columns)

    def forward(self, x: Tensor, lengths: Tensor, edges: Edges) -> Tensor:
        """(E, columns) from (E, rows) and (U, d) features of lengths."""
        hidden = functional.softplus(self.inner(lengths))
        order = torch.argsort(edges.length_index, stable=True)
        counts = torch.bincount(edges.length_index, minlength=lengths.shape[0])
        products, start, stop = [], 0, 0
        sent = x.index_select(0, order)
        for first, last in self._blocks(counts.tolist()):
            start, stop = stop, stop + int(counts[first:last].sum())
            block = (sent[start:stop], hidden[first:last], counts[first:last])
            if torch.is_grad_enabled():
                products.append(checkpoint(self._multiply, *block, use_reentrant=False))
            else:
                products.append(self._multiply(*block))
        return torch.cat(products).index_select(0, torch.argsort(order))

    def _blocks(self, counts: list[int]) -> list[tuple[int, int]]:
        """Consecutive ranges of lengths whose edges stay below the bound (or single lengths)."""
        limit = max(1, MAX_ENTRIES // (self.shape[0] * self.shape[1]))
        bounds, held = [0], 0
        for number, count in enumerate(counts):
            if held and held + count > limit:
                bounds.append(number)
                held = 0
            held += count
        return list(zip(bounds, [*bounds[1:], len(counts)], strict=True))

    def _multiply(self, x: Tensor, hidden: Tensor, counts: Tensor) -> Tensor:
        matrices = self.outer(hidden).unflatten(-1, self.shape)
        return torch.bmm(x[:, None, :], matrices.repeat_interleave(counts, dim=0))[:, 0]


class FullUpdate(nn.Module):
    """Site update by full tensor products, in closed form.

    f_i = Lin(h_i);
    f0_i = f_i + mean_j f_j W0_ij / sqrt(n);
    f1_i = mean_j (f_j W1_ij / sqrt(n)) x Y1_ij;   f2_i = mean_j (f_j W2_ij / sqrt(n)) x Y2_ij;
    o_ij = (f0_j V0_ij + (f1_j . Y1_ij) V1_ij / sqrt(3) + (f2_j . Y2_ij) V2_ij / sqrt(5))
           / sqrt(n + 2 v);
    h_i' = softplus(Lin(softplus(BN(mean_j o_ij)))) + Lin_skip(h_i).

    The same arguments and symmetry as ``EquivariantUpdate``. Its dense layers may be mapped onto
    meshes; the products of features and weights stay digital.

    Source: eComFormer update (ICLR 2024), e3nn's FullyConnectedTensorProduct with component
    normalisation.
    """

    def __init__(
        self, width: int, num_scalars: int, num_vectors: int, linear: LinearFactory
    ) -> None:
        super().__init__()
        num_channels = num_scalars + 2 * num_vectors
        self.channels = (num_scalars, num_vectors, num_vectors)
        self.sources = linear(width, num_scalars)
        self.collect = EdgeMatrices(width, num_scalars, num_channels, linear)
        self.contract = EdgeMatrices(width, num_channels, num_scalars, linear)
        self.norm = nn.BatchNorm1d(num_scalars)
        self.outer = linear(num_scalars, width)
        self.skip = linear(width, width)

    def forward(self, h: Tensor, lengths: Tensor, edges: Edges, direction: Tensor) -> Tensor:
        """(S, d) updated site features; arguments as for ``EquivariantUpdate.forward``."""
        harmonics = harmonics_1(direction), harmonics_2(direction)
        collected = self._collected(self.sources(h), lengths, edges, harmonics)
        pooled = mean_by_receiver(self._contracted(collected, lengths, edges, harmonics), edges)
        hidden = functional.softplus(self.norm(pooled))
        return functional.softplus(self.outer(hidden)) + self.skip(h)

    def _collected(
        self, f: Tensor, lengths: Tensor, edges: Edges, harmonics: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """(S, n) scalars f0, (S, v, 3) vectors f1 and (S, v, 5) rank-2 tensors f2 of the sites."""
        y1, y2 = harmonics
        sent = f.index_select(0, edges.index[1]) / math.sqrt(f.shape[1])
        w0, w1, w2 = self.collect(sent, lengths, edges).split(self.channels, dim=-1)
        vectors = (w1[:, :, None] * y1[:, None]).flatten(1)
        tensors = (w2[:, :, None] * y2[:, None]).flatten(1)
        means = mean_by_receiver(torch.cat((w0, vectors, tensors), dim=-1), edges)
        n, v, _ = self.channels
        f0, f1, f2 = means.split((n, 3 * v, 5 * v), dim=-1)
        return f + f0, f1.unflatten(1, (v, 3)), f2.unflatten(1, (v, 5))

    def _contracted(
        self,
        collected: tuple[Tensor, Tensor, Tensor],
        lengths: Tensor,
        edges: Edges,
        harmonics: tuple[Tensor, Tensor],
    ) -> Tensor:
        """(E, n) o_ij of the edges."""
        f0, f1, f2 = (values.index_select(0, edges.index[1]) for values in collected)
        y1, y2 = harmonics
        dot1 = (f1 * y1[:, None]).sum(-1) / math.sqrt(3)
        dot2 = (f2 * y2[:, None]).sum(-1) / math.sqrt(5)
        invariants = torch.cat((f0, dot1, dot2), dim=-1)
        return self.contract(invariants / math.sqrt(invariants.shape[1]), lengths, edges)


def mean_by_receiver(values: Tensor, edges: Edges) -> Tensor:
    """(S, F) means over the edges of each receiver of (E, F) values."""
    total = sum_by_receiver(values, edges.index, edges.num_sites)
    degree = torch.bincount(edges.index[0], minlength=edges.num_sites)
    return total / degree.to(values.dtype)[:, None]
