"""Frame blocks: one rotation per site, turning its surroundings before the equivariant update."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from models.frame_blocks.fixed import ElementFrames, NoFrames
from models.frame_blocks.gram_schmidt import InvariantGramSchmidt, LocalGramSchmidt
from models.frame_blocks.quaternion import QuaternionFrames
from models.linear import LinearFactory
from models.network_config import Frame, NetworkConfig

__all__ = ["FRAME_BLOCKS", "frame_block"]

FRAME_BLOCKS: dict[Frame, Callable[[NetworkConfig, LinearFactory], nn.Module]] = {
    "none": NoFrames,
    "global": NoFrames,
    "gs_local": LocalGramSchmidt,
    "gs_sp": InvariantGramSchmidt,
    "quat_sp": QuaternionFrames,
    "pca_fa": QuaternionFrames,
    "identity": QuaternionFrames,
    "random_element": ElementFrames,
}
"""Where two kinds share a block, the global frames of their graphs differ (network_graph.py)."""


def frame_block(config: NetworkConfig, linear: LinearFactory) -> nn.Module:
    """The block of a network: (S, 3, 3) = block((S, d) features, (U, d) lengths, surroundings)."""
    return FRAME_BLOCKS[config.frame](config, linear)
