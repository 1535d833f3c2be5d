"""SPFrameNetwork: the frame-aligned crystal property network.

h = Lin(element properties); repeat: attention, frame block, framed equivariant update; the mean
over sites goes through Lin - SiLU - Lin to one number per label. Inputs are canonical vectors, so
that everything here is invariant to how the crystal is described.
"""

from __future__ import annotations

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from models.attention import FrameBlock, NodeAttention
from models.batch import GraphBatch
from models.edge_ops import Edges
from models.edges import EdgeEmbedding
from models.linear import LinearFactory, SiluMLP, digital_linear
from models.update import EquivariantUpdate


class NetworkConfig(BaseModel):
    """Size of the network; stored in every checkpoint."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int = Field(default=64, ge=1, le=1024)
    """d: features per site and per edge."""
    num_layers: int = Field(default=2, ge=1, le=16)
    """Number of (attention, frame block, update) layers."""
    num_scalars: int = Field(default=64, ge=1, le=1024)
    """Scalar channels of the equivariant update."""
    num_vectors: int = Field(default=8, ge=1, le=256)
    """Vector and rank-2 channels of the equivariant update."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of pooled features dropped in training, before the head."""


class FrameLayer(nn.Module):
    """Attention, invariant frames, framed update."""

    def __init__(self, config: NetworkConfig, linear: LinearFactory) -> None:
        super().__init__()
        self.attention = NodeAttention(config.width, linear)
        self.frame = FrameBlock(config.width, linear)
        self.update = EquivariantUpdate(
            config.width, config.num_scalars, config.num_vectors, linear
        )

    def forward(self, h: Tensor, lengths: Tensor, edges: Edges, direction: Tensor) -> Tensor:
        """(S, d) updated site features.

        Args:
            h: (S, d) site features.
            lengths: (U, d) features of the distinct edge lengths.
            edges: which sites and lengths belong to each of E edges.
            direction: (E, 3) canonical unit vectors.
        """
        h = self.attention(h, lengths, edges)
        frames = edges.of_receiver(self.frame(h, lengths, edges))
        framed = (frames * direction[:, None, :]).sum(-1)
        return self.update(h, lengths, edges, framed)


class SPFrameNetwork(nn.Module):
    """Network from canonical graphs to standardised labels.

    Args:
        config: sizes.
        element_features: (Z, F) input features by atomic number.
        num_labels: outputs per crystal.
        linear: factory of every dense layer.

    Source: Hua & Lin, SPFrame, NeurIPS 2025 (arXiv 2505.15315), quaternion frames on the
    eComFormer backbone (ICLR 2024).
    """

    def __init__(
        self,
        config: NetworkConfig,
        element_features: Tensor,
        num_labels: int,
        linear: LinearFactory = digital_linear,
    ) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("element_features", element_features.clone())
        self.embed = linear(element_features.shape[1], config.width)
        self.edge_embedding = EdgeEmbedding(config.width, linear)
        self.layers = nn.ModuleList(FrameLayer(config, linear) for _ in range(config.num_layers))
        self.dropout = nn.Dropout(config.dropout)
        self.head = SiluMLP(config.width, config.width, num_labels, linear)

    def site_features(self, batch: GraphBatch) -> Tensor:
        """(S, d) features of every site after the last layer."""
        length = batch.edge_vector.norm(dim=-1)
        direction = batch.edge_vector / length[:, None]
        distinct, length_index = torch.unique(length, return_inverse=True)
        edges = Edges(batch.edge_index, length_index, batch.numbers.numel())
        h = self.embed(self.element_features[batch.numbers])
        lengths = self.edge_embedding(distinct)
        for layer in self.layers:
            h = layer(h, lengths, edges, direction)
        return h

    def forward(self, batch: GraphBatch) -> Tensor:
        """(B, num_labels) standardised labels, averaged over the canonical bases of a crystal."""
        h = self.site_features(batch)
        pooled = mean_by_group(h, batch.site_to_graph, batch.num_graphs)
        outputs = self.head(self.dropout(pooled))
        return mean_by_group(outputs, batch.graph_to_crystal, batch.num_crystals)


def mean_by_group(values: Tensor, group: Tensor, num_groups: int) -> Tensor:
    """(num_groups, ...) means of the rows of each group."""
    total = values.new_zeros(num_groups, *values.shape[1:]).index_add(0, group, values)
    counts = torch.bincount(group, minlength=num_groups).to(values.dtype)
    return total / counts.unsqueeze(-1)
