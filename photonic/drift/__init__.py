"""What moves the phases of a chip after its calibration, as pure functions of time."""

from photonic.drift.paths import HORIZON_S, DriftLaw, OrnsteinUhlenbeck, RandomWalk, drift_path
from photonic.drift.totals import ageing_factors, phase_drift

__all__ = [
    "HORIZON_S",
    "DriftLaw",
    "OrnsteinUhlenbeck",
    "RandomWalk",
    "ageing_factors",
    "drift_path",
    "phase_drift",
]
