"""Chip files: phase settings for a controller, written, read back and verified.

A folder holds ``manifest.json`` with conventions, hardware, layouts, scales and hashes, and for
each layer one JSON and one CSV file with every phase shifter of every tile.
"""

from photonic.chipfile.reader import ChipExport, read_export
from photonic.chipfile.records import ChipFileError
from photonic.chipfile.verify import rebuild_weights, verify_export
from photonic.chipfile.writer import export_program, write_export

__all__ = [
    "ChipExport",
    "ChipFileError",
    "export_program",
    "read_export",
    "rebuild_weights",
    "verify_export",
    "write_export",
]
