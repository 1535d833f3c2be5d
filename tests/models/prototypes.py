"""The exact crystals of ``models.prototypes`` and the ways to describe them anew, for tests."""

from __future__ import annotations

from experiments.symmetry.transformations import (
    displaced,
    distorted,
    image_shifted,
    permuted,
    random_rotation,
    random_unimodular,
    recelled,
    reflected,
    rotated,
    supercell,
    translated,
)
from models.prototypes import prototypes

__all__ = [
    "FCC",
    "PROTOTYPES",
    "ROCKSALT",
    "TRICLINIC",
    "WURTZITE",
    "displaced",
    "distorted",
    "image_shifted",
    "permuted",
    "random_rotation",
    "random_unimodular",
    "recelled",
    "reflected",
    "rotated",
    "supercell",
    "translated",
]

_LIKE_ROCKSALT = ("caesium_chloride", "fluorite")  # cubic sites only, as rocksalt's
PROTOTYPES = {n: crystal for n, crystal in prototypes().items() if n not in _LIKE_ROCKSALT}
FCC, ROCKSALT = PROTOTYPES["fcc"], PROTOTYPES["rocksalt"]
TRICLINIC, WURTZITE = PROTOTYPES["triclinic"], PROTOTYPES["wurtzite"]
