"""SPFrameNetwork: the frame-aligned crystal property network and its rivals.

h = Lin(element properties); repeat: attention, frame block, framed equivariant update; the mean
over sites goes through Lin - SiLU - Lin to one number per label. Inputs are canonical vectors, so
that everything here is invariant to how the crystal is described. Graphs come from
``network_graph``, which knows what global frames a variant is shown.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.attention import NodeAttention
from models.batch import GraphBatch
from models.batch_geometry import BatchGeometry
from models.component_consumer import ComponentConsumer
from models.edges import EdgeEmbedding
from models.frame_blocks import frame_block
from models.frame_blocks.surroundings import Surroundings
from models.full_update import FullUpdate
from models.linear import LinearFactory, SiluMLP, digital_linear
from models.network_config import NetworkConfig, TensorProduct
from models.update import EquivariantUpdate

__all__ = ["UPDATES", "FrameLayer", "NetworkConfig", "SPFrameNetwork", "mean_by_group"]

UPDATES: dict[TensorProduct, type[EquivariantUpdate] | type[FullUpdate]] = {
    "separable": EquivariantUpdate,
    "full": FullUpdate,
}


class FrameLayer(nn.Module):
    """Attention, frames, framed update."""

    def __init__(self, config: NetworkConfig, linear: LinearFactory) -> None:
        super().__init__()
        self.attention = NodeAttention(config.width, linear)
        self.frame = frame_block(config, linear)
        self.update = UPDATES[config.tensor_product](
            config.width, config.num_scalars, config.num_vectors, linear
        )
        has_components = config.components != "none"
        self.components = ComponentConsumer(config.width, linear) if has_components else None

    def forward(
        self, h: Tensor, lengths: Tensor, surroundings: Surroundings, source: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """(S, d) updated site features, and the (S, d) features that the frames were made from.

        Args:
            h: (S, d) site features.
            lengths: (U, d) features of the distinct edge lengths.
            surroundings: edges and their canonical directions.
            source: (S, d) features for the frame block; None for those after this attention.
        """
        h = self.attention(h, lengths, surroundings.edges)
        source = h if source is None else source
        framed = surroundings.turned(self.frame(source, lengths, surroundings))
        edges = framed.edges
        if self.components is not None:
            lengths, edges = self.components(lengths, edges, framed.direction)
        return self.update(h, lengths, edges, framed.direction), source


class SPFrameNetwork(nn.Module):
    """Network from canonical graphs to standardised labels.

    Args:
        config: sizes and variant.
        element_features: (Z, F) input features by atomic number.
        num_labels: outputs per crystal.
        linear: factory of every dense layer.

    Source: Hua & Lin, SPFrame, NeurIPS 2025 (arXiv 2505.15315), frames on the eComFormer backbone
    (ICLR 2024).
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
        num_elements, num_features = element_features.shape
        has_table, has_vectors = config.elements != "learned", config.elements != "properties"
        self.embed = linear(num_features, config.width) if has_table else None
        self.element_vectors = nn.Embedding(num_elements, config.width) if has_vectors else None
        self.edge_embedding = EdgeEmbedding(config.width, linear)
        self.first_frame = frame_block(config, linear) if config.first_frame else None
        self.layers = nn.ModuleList(FrameLayer(config, linear) for _ in range(config.num_layers))
        self.dropout = nn.Dropout(config.dropout)
        self.head = SiluMLP(config.width, config.width, num_labels, linear)

    def site_features(self, batch: GraphBatch, geometry: BatchGeometry | None = None) -> Tensor:
        """(S, d) features of every site after the last layer; arguments as of ``forward``."""
        geometry = BatchGeometry.of(batch) if geometry is None else geometry
        canonical = geometry.canonical
        lengths = self.edge_embedding(geometry.distinct_length)
        h = self._element_inputs(batch.numbers)
        seen = canonical
        if self.first_frame is not None:
            seen = canonical.turned(self.first_frame(h, lengths, canonical))
        source = None
        for layer in self.layers:
            h, used = layer(h, lengths, seen, source)
            seen = canonical
            if self.config.frame_source == "initial":
                source = used
        return h

    def _element_inputs(self, numbers: Tensor) -> Tensor:
        """(S, d) first features of sites: their element's properties, its learned vector, or both.

        Of two dense layers on (properties | one-hot element) the sum is one on both.
        """
        parts = []
        if self.embed is not None:
            parts.append(self.embed(self.element_features[numbers]))
        if self.element_vectors is not None:
            parts.append(self.element_vectors(numbers))
        return sum(parts[1:], parts[0])

    def forward(self, batch: GraphBatch, geometry: BatchGeometry | None = None) -> Tensor:
        """(B, num_labels) standardised labels, averaged over the global frames of a crystal.

        Args:
            batch: graphs of B crystals.
            geometry: of the batch, to share it between networks; None finds it.
        """
        h = self.site_features(batch, geometry)
        pooled = mean_by_group(h, batch.site_to_graph, batch.num_graphs)
        outputs = self.head(self.dropout(pooled))
        return mean_by_group(outputs, batch.graph_to_crystal, batch.num_crystals)


def mean_by_group(values: Tensor, group: Tensor, num_groups: int) -> Tensor:
    """(num_groups, ...) means of the rows of each group."""
    total = values.new_zeros(num_groups, *values.shape[1:]).index_add(0, group, values)
    counts = torch.bincount(group, minlength=num_groups).to(values.dtype)
    return total / counts.unsqueeze(-1)
