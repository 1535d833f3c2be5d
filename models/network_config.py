"""What a crystal network is made of: sizes, the kind of frames, and the switches around them."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Frame = Literal[
    "none", "global", "gs_local", "gs_sp", "quat_sp", "pca_fa", "identity", "random_element"
]
TensorProduct = Literal["separable", "full"]
Components = Literal["none", "plain", "even"]
Elements = Literal["properties", "learned", "both"]

LEARNED_FRAMES: frozenset[Frame] = frozenset({"gs_local", "gs_sp", "quat_sp", "pca_fa", "identity"})
"""Frames with trained weights."""
INVARIANT_FRAMES: frozenset[Frame] = LEARNED_FRAMES - {"gs_local"}
"""Learned frames that are made of invariants alone, F_INV."""
QUATERNION_FRAMES: frozenset[Frame] = INVARIANT_FRAMES - {"gs_sp"}
"""Invariant frames given by a quaternion."""


class NetworkConfig(BaseModel):
    """Size and kind of the network; stored in every checkpoint."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

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
    frame: Frame = "quat_sp"
    """Rotation of every site's surroundings before the update; docs/crystal_network.md."""
    frame_source: Literal["layer", "initial"] = "layer"
    """What frame blocks read: the features of their layer, or those of the first attention, which
    no frame has touched; then equivalent sites have one frame in every layer."""
    frame_key_edge: bool = False
    """Edge term in the key of frame blocks, as attention has it."""
    frame_combine: bool = False
    """Dense layer on the summed messages of frame blocks, as attention has it (quaternions)."""
    first_frame: bool = False
    """One more frame block before the first layer; its rotation comes before the first update's."""
    tensor_product: TensorProduct = "separable"
    """One weight per edge and channel, mixed on sites; or a full matrix per edge."""
    components: Components = "none"
    """Components of the framed directions as edge features of the update; ``even``: averaged over
    the crystal and its mirror image."""
    elements: Elements = "properties"
    """Site input: table of physical properties, learned vector per element, or their sum."""
    element_seed: int = Field(default=0, ge=0)
    """Seed of the rotations of ``random_element``."""

    @model_validator(mode="after")
    def _switches_act(self) -> Self:
        needs = {
            "frame_source": (self.frame_source != "layer", LEARNED_FRAMES),
            "frame_key_edge": (self.frame_key_edge, LEARNED_FRAMES),
            "frame_combine": (self.frame_combine, QUATERNION_FRAMES),
            "first_frame": (self.first_frame, INVARIANT_FRAMES),
        }
        for name, (is_set, frames) in needs.items():
            if is_set and self.frame not in frames:
                raise ValueError(
                    f"`{name}` has no effect with frame {self.frame!r}; "
                    f"use one of {', '.join(sorted(frames))}"
                )
        if self.components != "none" and self.frame == "none":
            raise ValueError("`components` need a frame; without one use frame 'global'")
        return self
