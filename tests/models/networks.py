"""A small network with random weights, in which nothing is at its trivial starting value.

Affine parameters and the quaternion head are random and running statistics are those of the
prototypes: with the starting values of a fresh network the frames are near the identity and hide
every error.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from models.batch import collate
from models.crystal import Crystal
from models.frame_blocks.surroundings import Surroundings
from models.graph import CrystalGraph, GraphSettings, build_graph
from models.labels import Label
from models.model import CrystalModel
from models.network import NetworkConfig, SPFrameNetwork
from models.network_graph import network_graph
from tests.models.prototypes import PROTOTYPES

NUM_ELEMENTS = 84  # the random element table ends with polonium
CONFIG = NetworkConfig(width=12, num_layers=2, num_scalars=10, num_vectors=5)
LABELS = (
    Label(
        name="index",
        dataset="test",
        unit="1",
        description="fitted as a logarithm",
        transform="log10",
        mean=0.3,
        std=0.2,
    ),
    Label(
        name="energy",
        dataset="test",
        unit="eV/atom",
        description="fitted as it is",
        transform="identity",
        mean=-1.5,
        std=0.8,
    ),
)
SETTINGS = GraphSettings()


def config_of(**changes: object) -> NetworkConfig:
    """The small network with other switches."""
    return NetworkConfig(**(CONFIG.model_dump() | changes))


@cache
def prototype_graph(name: str) -> CrystalGraph:
    """The graph of a prototype as it is given."""
    return build_graph(PROTOTYPES[name], SETTINGS)


@cache
def variant_graph(name: str, config: NetworkConfig) -> CrystalGraph:
    """The graph of a prototype as a variant of the network is to see it."""
    return graph_of(PROTOTYPES[name], config)


def graph_of(crystal: Crystal, config: NetworkConfig) -> CrystalGraph:
    """The graph of any crystal for a variant of the network."""
    return network_graph(crystal, SETTINGS, config)


@cache
def variant_network(config: NetworkConfig) -> SPFrameNetwork:
    """The network of seed 0 in another variant; shared, not to be changed."""
    return random_network(0, config)


def random_network(seed: int = 0, config: NetworkConfig = CONFIG) -> SPFrameNetwork:
    """float64 network in evaluation mode, parameters drawn from ``seed``."""
    generator = torch.Generator().manual_seed(seed)
    elements = torch.randn(NUM_ELEMENTS + 1, 7, generator=generator, dtype=torch.float64)
    network = SPFrameNetwork(config, elements, len(LABELS)).to(torch.float64)
    for module in network.modules():
        if isinstance(module, nn.Linear):
            _randomise_linear(module, generator)
        elif isinstance(module, nn.BatchNorm1d):
            _randomise_norm(module, generator)
        elif isinstance(module, nn.Embedding):
            with torch.no_grad():
                module.weight.normal_(generator=generator)
    with torch.no_grad():
        network(collate([prototype_graph(name) for name in PROTOTYPES]))
    return network.eval().requires_grad_(False)


def _randomise_linear(layer: nn.Linear, generator: torch.Generator) -> None:
    with torch.no_grad():
        layer.weight.normal_(0.0, 1.5 / layer.in_features**0.5, generator=generator)
        if layer.bias is not None:
            layer.bias.normal_(0.0, 0.5, generator=generator)


def _randomise_norm(layer: nn.BatchNorm1d, generator: torch.Generator) -> None:
    with torch.no_grad():
        layer.weight.uniform_(0.5, 1.5, generator=generator)
        layer.bias.normal_(0.0, 0.5, generator=generator)
    layer.momentum = 1.0  # one pass in training mode sets the statistics


@cache
def random_model(dtype: torch.dtype = torch.float64) -> CrystalModel:
    """The network of seed 0 with its graph settings and labels; shared, not to be changed."""
    model = CrystalModel(random_network(), SETTINGS, LABELS, {"seed": 0})
    return model if dtype == torch.float64 else model.to(dtype)


def outputs_of(
    graphs: Sequence[CrystalGraph], network: SPFrameNetwork, dtype: torch.dtype = torch.float64
) -> Tensor:
    """(B, 2) standardised outputs of the graphs."""
    with torch.inference_mode():
        return network(collate(graphs, dtype))


def site_features_of(graph: CrystalGraph, network: SPFrameNetwork) -> Tensor:
    """(S, d) site features in the first global frame."""
    with torch.inference_mode():
        return network.site_features(collate([graph], torch.float64, frame_choice=[0]))


def relative_spread(first: Tensor, second: Tensor) -> float:
    """Largest difference of two (..., 2) outputs over the larger magnitude of the first's row."""
    scale = first.abs().amax(dim=-1, keepdim=True)
    return float(((first - second).abs() / scale).max())


def renumbered(graph: CrystalGraph, order: np.ndarray) -> CrystalGraph:
    """The same graph with new site s being old site ``order[s]``; edges keep their order."""
    old_to_new = np.argsort(order)
    return CrystalGraph(
        graph.numbers[order], old_to_new[graph.edge_index], graph.edge_vector, graph.frames
    )


class FixedFrames(nn.Module):
    """Stands in for a frame block: the same rotation on every site."""

    def __init__(self, rotation: Tensor) -> None:
        super().__init__()
        self.rotation = rotation

    def forward(self, h: Tensor, lengths: Tensor, surroundings: Surroundings) -> Tensor:
        return self.rotation.expand(h.shape[0], 3, 3)


def in_variant(network: SPFrameNetwork, config: NetworkConfig) -> SPFrameNetwork:
    """A network of another variant with all weights that both have."""
    copy = SPFrameNetwork(config, network.element_features, len(LABELS)).to(torch.float64)
    own = copy.state_dict()
    copy.load_state_dict({k: v for k, v in network.state_dict().items() if k in own}, strict=False)
    return copy.eval().requires_grad_(False)


def with_frames(network: SPFrameNetwork, rotation: Tensor | None) -> SPFrameNetwork:
    """A copy with the same weights and ``rotation`` on all sites; None keeps the frame blocks."""
    copy = SPFrameNetwork(network.config, network.element_features, len(LABELS)).to(torch.float64)
    copy.load_state_dict(network.state_dict())
    if rotation is not None:
        for layer in copy.layers:
            layer.frame = FixedFrames(rotation)
    return copy.eval().requires_grad_(False)
