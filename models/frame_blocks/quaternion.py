"""The main model's frames: an invariant rotation per site from a quaternion of its features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.attention import Messages
from models.edge_ops.pointwise import softplus
from models.frame_blocks.surroundings import Surroundings
from models.frames import quaternion_to_rotation
from models.linear import LinearFactory
from models.network_config import NetworkConfig


class QuaternionFrames(nn.Module):
    """Invariant rotation per site from invariant features, by a quaternion.

    t_i = softplus(h_i + BN(m_i)), quat_i = Lin(t_i) with the gated messages m_i of attention, its
    own weights, and by default neither the edge term in the key nor a dense layer on m_i. The last
    layer starts near the identity rotation.

    Source: Hua & Lin, SPFrame, NeurIPS 2025 (arXiv 2505.15315).
    """

    def __init__(self, config: NetworkConfig, linear: LinearFactory) -> None:
        super().__init__()
        width = config.width
        self.messages = Messages(width, linear, has_edge_key=config.frame_key_edge)
        self.combine = linear(width, width) if config.frame_combine else nn.Identity()
        self.norm = nn.BatchNorm1d(width)
        self.quaternion = linear(width, 4)
        with torch.no_grad():
            self.quaternion.weight.mul_(0.1)
            self.quaternion.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 0.0]))

    def forward(self, h: Tensor, lengths: Tensor, surroundings: Surroundings) -> Tensor:
        """(S, 3, 3) rotations F_INV, axes as rows, from (S, d) features."""
        messages = self.combine(self.messages(h, lengths, surroundings.edges))
        return quaternion_to_rotation(self.quaternion(softplus(h + self.norm(messages))))
