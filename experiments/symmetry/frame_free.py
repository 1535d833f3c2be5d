"""The same weights without frames: where frames must not act, and where they must."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from experiments.symmetry.columns import Column, Evaluator, spread
from experiments.symmetry.row import Comparison
from experiments.symmetry.structures import Named
from models.network import NetworkConfig, SPFrameNetwork

IDLE = ("fcc", "hcp", "rocksalt", "zinc_blende", "caesium_chloride", "fluorite")
"""A single orbit, or cubic sites only: frames cancel."""
SENSITIVE = ("wurtzite", "rutile", "quartz", "triclinic")
"""Frames act."""
_NO_FRAMES = {
    "frame": "none",
    "frame_source": "layer",
    "frame_key_edge": False,
    "frame_combine": False,
    "first_frame": False,
}


def why_not_idle(network: SPFrameNetwork) -> str:
    """Why there is nothing to compare with the network without frames; empty if there is."""
    config = network.config
    if config.frame in ("none", "global"):
        return f"frame {config.frame!r} has no frames to leave out"
    if config.frame == "gs_local":
        return "frame 'gs_local' differs between equivalent sites and acts everywhere"
    return why_components(network)


def why_components(network: SPFrameNetwork) -> str:
    """Why even one rotation for all sites acts; empty if it does not."""
    return "" if network.config.components == "none" else "components of vectors feel any frame"


def without_frames(evaluator: Evaluator) -> Evaluator:
    """All columns with frame blocks left out and the other weights kept, those of chips too."""
    return Evaluator(tuple(_bare(column) for column in evaluator.columns))


def _bare(column: Column) -> Column:
    model = column.model
    config = NetworkConfig.model_validate(model.network.config.model_dump() | _NO_FRAMES)
    network = SPFrameNetwork(config, model.network.element_features, len(model.labels))
    network.to(model.dtype)
    state = model.network.state_dict()
    network.load_state_dict({name: state[name] for name in network.state_dict()})
    network.eval().requires_grad_(False)
    weights = column.weights
    if weights is not None:
        own = dict(network.named_parameters())
        weights = {name: weight for name, weight in weights.items() if name in own}
    bare = dataclasses.replace(model, network=network)
    return Column(column.where, bare, weights)


def effect_of_frames(evaluator: Evaluator, crystals: Sequence[Named]) -> list[Comparison]:
    """Outputs with frames against those without, on the same graphs."""
    bare = without_frames(evaluator)
    graphs = [evaluator.graph(named.crystal) for named in crystals]
    found = spread(evaluator.outputs(graphs), bare.outputs(graphs))
    return [Comparison(n.name, evaluator.worst(found[:, i])) for i, n in enumerate(crystals)]


def effect_of_global_frame(evaluator: Evaluator, crystals: Sequence[Named]) -> list[Comparison]:
    """Without frame blocks: canonical vectors against vectors of the crystal as it lies."""
    bare = without_frames(evaluator)
    graphs = [bare.graph(named.crystal) for named in crystals]
    raw = [dataclasses.replace(graph, frames=np.eye(3)[None]) for graph in graphs]
    found = spread(bare.outputs(graphs), bare.outputs(raw))
    return [Comparison(n.name, evaluator.worst(found[:, i])) for i, n in enumerate(crystals)]
