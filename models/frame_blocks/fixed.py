"""Frames without weights: none at all, and the control of one meaningless rotation per element."""

from __future__ import annotations

import numpy as np
import scipy
import torch
from torch import Tensor, nn

from models.crystal import MAX_ATOMIC_NUMBER
from models.frame_blocks.surroundings import Surroundings
from models.linear import LinearFactory
from models.network_config import NetworkConfig


class NoFrames(nn.Module):
    """The identity on every site.

    One rotation shared by all sites cancels in the update, so that this is the network on vectors
    in any global frame, or in none. Components of vectors (component_consumer.py) do feel it.
    """

    def __init__(self, _config: NetworkConfig, _linear: LinearFactory) -> None:
        super().__init__()

    def forward(self, h: Tensor, _lengths: Tensor, _surroundings: Surroundings) -> Tensor:
        """(S, 3, 3) identities for (S, d) features."""
        identity = torch.eye(3, dtype=h.dtype, device=h.device)
        return identity.expand(h.shape[0], 3, 3)


class ElementFrames(nn.Module):
    """The wrong-frame control: a fixed rotation per element, drawn uniformly from a seed.

    Proper rotations of the right size that say nothing about a site's surroundings. They act on
    canonical vectors, so that the network is as invariant as with real frames: what is wrong is
    the meaning. All layers share them.
    """

    def __init__(self, config: NetworkConfig, _linear: LinearFactory) -> None:
        super().__init__()
        rng = np.random.default_rng(config.element_seed)
        rotations = scipy.spatial.transform.Rotation.random(MAX_ATOMIC_NUMBER + 1, rng=rng)
        # Not a buffer: float32 networks would keep rotations that are none in float64.
        self._rotations = torch.from_numpy(rotations.as_matrix())

    def forward(self, h: Tensor, _lengths: Tensor, surroundings: Surroundings) -> Tensor:
        """(S, 3, 3) the rotation of each site's element, in the dtype of (S, d) features."""
        rotations = self._rotations.to(device=h.device, dtype=h.dtype)
        return rotations[surroundings.numbers]
