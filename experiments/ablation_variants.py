"""Variants of the network that an ablation compares: one factor each is changed.

Variants of frames differ from ``none`` in the frames alone, those of element features and of the
tensor product in nothing but these. Names of frames are those of ``NetworkConfig.frame``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

REFERENCE = "none"
"""The variant that all others are compared with."""


@dataclass(frozen=True)
class Variant:
    """One variant.

    Attributes:
        meaning: what it is, in one line.
        changes: fields of ``NetworkConfig`` that make it; the other fields are those of all.
        is_slow: takes many times as long; trained only if it is named.
    """

    meaning: str
    changes: dict[str, Any]
    is_slow: bool = False


VARIANTS: dict[str, Variant] = {
    "none": Variant("no frames, element properties: the reference", {"frame": "none"}),
    "global": Variant(
        "one frame per crystal; with the update alone the same function as `none` (identity test)",
        {"frame": "global"},
    ),
    "global_plain": Variant(
        "one frame per crystal, components of directions as edge features; SO(3)",
        {"frame": "global", "components": "plain"},
    ),
    "global_even": Variant(
        "`global_plain`, averaged over the crystal and its mirror image; O(3)",
        {"frame": "global", "components": "even"},
    ),
    "gs_local": Variant(
        "equivariant frames of sites by Gram and Schmidt, with a fallback", {"frame": "gs_local"}
    ),
    "gs_sp": Variant("invariant frames of sites by Gram and Schmidt", {"frame": "gs_sp"}),
    "quat_sp": Variant(
        "invariant frames of sites from quaternions, made in every layer: the main model",
        {"frame": "quat_sp"},
    ),
    "quat_sp_initial": Variant(
        "`quat_sp`, all frames made from the features after the first attention",
        {"frame": "quat_sp", "frame_source": "initial"},
    ),
    "quat_sp_first": Variant(
        "`quat_sp` with one more frame block before the first layer",
        {"frame": "quat_sp", "first_frame": True},
    ),
    "pca_fa": Variant(
        "control: `quat_sp` on principal axes in four signs, outputs averaged", {"frame": "pca_fa"}
    ),
    "identity": Variant(
        "wrong-frame control: `quat_sp` on vectors as they lie, not invariant to rotations",
        {"frame": "identity"},
    ),
    "random_element": Variant(
        "wrong-frame control: a fixed random rotation per element", {"frame": "random_element"}
    ),
    "elements_learned": Variant(
        "`none` with a learned vector per element instead of properties",
        {"frame": "none", "elements": "learned"},
    ),
    "elements_both": Variant(
        "`none` with properties and a learned vector per element",
        {"frame": "none", "elements": "both"},
    ),
    "full": Variant(
        "`none` with a full tensor product", {"frame": "none", "tensor_product": "full"}, True
    ),
    "quat_sp_full": Variant(
        "`quat_sp` with a full tensor product, as published",
        {"frame": "quat_sp", "tensor_product": "full"},
        True,
    ),
}
DEFAULT_VARIANTS = tuple(name for name, variant in VARIANTS.items() if not variant.is_slow)


def chosen_variants(text: str | None) -> tuple[str, ...]:
    """Names of variants written by commas; None for all that are not slow.

    Raises:
        ValueError: if a name is unknown or written twice.
    """
    if text is None:
        return DEFAULT_VARIANTS
    names = tuple(name.strip() for name in text.split(","))
    unknown = [name for name in names if name not in VARIANTS]
    if unknown:
        raise ValueError(f"--variants: no variant {unknown[0]!r}; there are {', '.join(VARIANTS)}")
    if len(set(names)) < len(names):
        raise ValueError(f"--variants: give different names, got {text}")
    return names


def changed_fields(names: Iterable[str]) -> frozenset[str]:
    """Fields of ``NetworkConfig`` that at least one of these variants decides."""
    return frozenset(field for name in names for field in VARIANTS[name].changes)
