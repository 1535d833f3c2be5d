"""Benchmarks: speed and memory as ratios taken in one run, never in timed tests."""
