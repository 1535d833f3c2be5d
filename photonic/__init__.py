"""Coherent photonic meshes: conventions, decomposition, propagation, programs of tensor cores."""

from photonic.chip import Chip
from photonic.conventions import db_to_amplitude, db_to_power, wrap_phase
from photonic.decomposition import decompose
from photonic.expectations import (
    expected_corrected_error,
    expected_drift_fidelity,
    expected_layer_error,
    expected_relative_error,
    expected_relative_error_givens,
    expected_trace_fidelity,
    quantisation_phase_std,
)
from photonic.fitting import Fit, fit_unitary
from photonic.folding import fold_phases
from photonic.haar import haar_phases, haar_ranks, haar_theta_cdf, haar_theta_mean, haar_theta_std
from photonic.hardware import HardwareConfig, hardware_names, load_hardware
from photonic.layer_moments import expected_weight_error
from photonic.layout import MeshColumn, MeshLayout
from photonic.linear import PhotonicLinear, photonic_linear
from photonic.mapping import map_linear
from photonic.moments import expected_power, expected_square_deviation, mean_transfer_matrix
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
from photonic.sensitivity import Sensitivity, layer_sensitivity, network_sensitivity

__all__ = [
    "Chip",
    "Fit",
    "HardwareConfig",
    "MeshColumn",
    "MeshLayout",
    "MeshPhases",
    "PhotonicLinear",
    "Program",
    "Sensitivity",
    "amplitude_fidelity",
    "apply",
    "coupler",
    "db_to_amplitude",
    "db_to_power",
    "decompose",
    "expected_corrected_error",
    "expected_drift_fidelity",
    "expected_layer_error",
    "expected_power",
    "expected_relative_error",
    "expected_relative_error_givens",
    "expected_square_deviation",
    "expected_trace_fidelity",
    "expected_weight_error",
    "fit_unitary",
    "fold_phases",
    "haar_phases",
    "haar_ranks",
    "haar_theta_cdf",
    "haar_theta_mean",
    "haar_theta_std",
    "hardware_names",
    "layer_sensitivity",
    "load_hardware",
    "map_linear",
    "matrix_distance",
    "mean_transfer_matrix",
    "mzi_block",
    "network_sensitivity",
    "normalised_fidelity",
    "photonic_linear",
    "quantisation_phase_std",
    "realise",
    "realise_all",
    "relative_error",
    "trace_fidelity",
    "transfer_matrix",
    "wrap_phase",
]
