"""Coherent photonic meshes: conventions, decomposition, propagation, programs of tensor cores."""

from photonic.chip import Chip
from photonic.conventions import db_to_amplitude, db_to_power, wrap_phase
from photonic.decomposition import decompose
from photonic.hardware import HardwareConfig, hardware_names, load_hardware
from photonic.layout import MeshColumn, MeshLayout
from photonic.mapping import map_linear
from photonic.mzi import coupler, mzi_block
from photonic.phases import MeshPhases
from photonic.program import Program
from photonic.propagation import apply, transfer_matrix
from photonic.quality import (
    amplitude_fidelity,
    matrix_distance,
    normalised_fidelity,
    relative_error,
    trace_fidelity,
)
from photonic.realisation import realise, realise_all

__all__ = [
    "Chip",
    "HardwareConfig",
    "MeshColumn",
    "MeshLayout",
    "MeshPhases",
    "Program",
    "amplitude_fidelity",
    "apply",
    "coupler",
    "db_to_amplitude",
    "db_to_power",
    "decompose",
    "hardware_names",
    "load_hardware",
    "map_linear",
    "matrix_distance",
    "mzi_block",
    "normalised_fidelity",
    "realise",
    "realise_all",
    "relative_error",
    "trace_fidelity",
    "transfer_matrix",
    "wrap_phase",
]
