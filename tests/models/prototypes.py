"""The exact crystals of ``models.prototypes`` that tests share."""

from __future__ import annotations

from models.prototypes import prototypes

_LIKE_ROCKSALT = ("caesium_chloride", "fluorite")  # cubic sites only, as rocksalt's
PROTOTYPES = {n: crystal for n, crystal in prototypes().items() if n not in _LIKE_ROCKSALT}
FCC, ROCKSALT = PROTOTYPES["fcc"], PROTOTYPES["rocksalt"]
TRICLINIC, WURTZITE = PROTOTYPES["triclinic"], PROTOTYPES["wurtzite"]
