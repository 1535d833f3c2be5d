"""Trained checkpoints shipped with the package, one directory each."""
