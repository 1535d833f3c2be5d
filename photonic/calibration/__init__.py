"""Calibration of a chip and correction of its errors, from what a laboratory can measure."""
