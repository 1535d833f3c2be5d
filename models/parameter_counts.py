"""Numbers of trained parameters, for tables of variants."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from models.network import SPFrameNetwork
from models.network_config import Frame, NetworkConfig


def num_parameters(module: nn.Module) -> int:
    """Number of trainable numbers in a module."""
    return sum(p.numel() for p in module.parameters())


def parameter_counts(
    config: NetworkConfig, num_features: int, num_labels: int, frames: Iterable[Frame]
) -> dict[Frame, int]:
    """Parameters of the network with each kind of frame, everything else as in ``config``.

    Args:
        config: sizes and switches; those that a kind of frame does not know are refused.
        num_features: columns of the element table, which has a row for each of 118 elements.
        num_labels: outputs per crystal.
        frames: kinds, in the order of the result.

    Raises:
        ValueError: if a switch of ``config`` has no effect with one of the frames.
    """
    counts: dict[Frame, int] = {}
    for frame in frames:
        fields = config.model_dump() | {"frame": frame}
        table = torch.zeros(119, num_features, device="meta")
        with torch.device("meta"):
            network = SPFrameNetwork(NetworkConfig(**fields), table, num_labels)
        counts[frame] = num_parameters(network)
    return counts
