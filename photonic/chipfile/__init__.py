"""Chip bundles: phase settings for a controller, written, read back, verified and compared.

A bundle is a folder: ``manifest.json`` with conventions, hardware, layouts, scales and hashes, one
JSON file per layer with every phase shifter of every tile, and the same for the whole chip as
``chip.csv`` and ``chip.h5``. ``docs/chip_files.md`` describes every field.
"""

from photonic.chipfile.build import (
    CalibratedChip,
    ExportOptions,
    Origin,
    build_export,
    matrix_sha256,
)
from photonic.chipfile.checks import check_physics
from photonic.chipfile.clipping import ClippedLayer, clipping_loss
from photonic.chipfile.diff import BundleDiff, diff_exports
from photonic.chipfile.formats import (
    FORMATS,
    Format,
    FormatOptions,
    drive_table,
    write_format,
)
from photonic.chipfile.importing import measured_phases, program_of_layer
from photonic.chipfile.layer import ChipExport, LayerSettings
from photonic.chipfile.reader import manifest_sha256, read_export
from photonic.chipfile.rebuild import SOURCES, Source, commands_of, drawn_chip, rebuild_weights
from photonic.chipfile.records import ChipFileError
from photonic.chipfile.verify import Verification, checked_export, verify_export
from photonic.chipfile.writer import export_program, write_export

__all__ = [
    "FORMATS",
    "SOURCES",
    "BundleDiff",
    "CalibratedChip",
    "ChipExport",
    "ChipFileError",
    "ClippedLayer",
    "ExportOptions",
    "Format",
    "FormatOptions",
    "LayerSettings",
    "Origin",
    "Source",
    "Verification",
    "build_export",
    "check_physics",
    "checked_export",
    "clipping_loss",
    "commands_of",
    "diff_exports",
    "drawn_chip",
    "drive_table",
    "export_program",
    "manifest_sha256",
    "matrix_sha256",
    "measured_phases",
    "program_of_layer",
    "read_export",
    "rebuild_weights",
    "verify_export",
    "write_export",
    "write_format",
]
