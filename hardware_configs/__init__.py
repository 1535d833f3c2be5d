"""Chip descriptions: one YAML file each, every figure with unit and source."""
