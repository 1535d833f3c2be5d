"""Calibration laws of single shifters, drive to phase and back, and the files that state them.

``photonic.drive`` knows one law for a whole chip, from its data sheet. Here every shifter may have
a law of its own, as measured on a bench.
"""

from photonic.drive_laws.branch import Branch, HeaterSettings, choose_heat
from photonic.drive_laws.law_set import LawSet
from photonic.drive_laws.loading import load_laws
from photonic.drive_laws.records import DriveLawError, LawRecord

__all__ = [
    "Branch",
    "DriveLawError",
    "HeaterSettings",
    "LawRecord",
    "LawSet",
    "choose_heat",
    "load_laws",
]
