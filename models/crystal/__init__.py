"""Crystals: the structure as the user gives it, and the readers of structure files."""

from models.crystal.crystal import (
    MAX_ATOMIC_NUMBER,
    MIN_DISTANCE,
    Crystal,
    CrystalError,
    CrystalWarning,
    check_room,
)

__all__ = [
    "MAX_ATOMIC_NUMBER",
    "MIN_DISTANCE",
    "Crystal",
    "CrystalError",
    "CrystalWarning",
    "check_room",
]
