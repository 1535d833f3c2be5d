"""What moves the phases of a chip after its calibration, as pure functions of time."""

from photonic.drift.paths import HORIZON_S, DriftLaw, OrnsteinUhlenbeck, RandomWalk, drift_path

__all__ = ["HORIZON_S", "DriftLaw", "OrnsteinUhlenbeck", "RandomWalk", "drift_path"]
