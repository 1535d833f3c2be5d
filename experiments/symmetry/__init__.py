"""Symmetry of a checkpoint, measured: predictions of one crystal in many descriptions."""
