"""Validated description of a photonic chip or scenario, and the reader of its YAML files.

A description holds numbers and their sources only. The error models that use the numbers live in
``impairments`` and ``drift``, costs in ``cost``; one drawn device is a ``Chip``.
"""

from photonic.hardware.config import HardwareConfig, HardwareError, first_problem
from photonic.hardware.effects import EFFECTS
from photonic.hardware.loading import hardware_names, load_hardware

__all__ = [
    "EFFECTS",
    "HardwareConfig",
    "HardwareError",
    "first_problem",
    "hardware_names",
    "load_hardware",
]
