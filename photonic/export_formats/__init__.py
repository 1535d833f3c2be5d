"""Settings in the files of other programs and drivers.

Each format is one module with a function that gives its files as pairs (name, bytes), and, where a
file can be read back alone, its reader; ``write_folder`` puts the pairs into a new directory. No
module needs the program that its format belongs to. Chip bundles are in ``photonic.chipfile``.
"""

from photonic.export_formats.drive_table import DriveTable
from photonic.export_formats.folder import write_folder
from photonic.export_formats.meshes import TileMesh, tile_meshes
from photonic.export_formats.nidaqmx import nidaqmx_files, read_channel_table
from photonic.export_formats.npz import npz_bytes, read_npz
from photonic.export_formats.perceval import circuit_text, perceval_files, read_circuit_text
from photonic.export_formats.qontrol import qontrol_files, read_script
from photonic.export_formats.qontrol_chain import QontrolChain, QontrolModule, backplane_chains
from photonic.export_formats.sax import netlist_text, sax_files
from photonic.export_formats.torchonn import torchonn_files

__all__ = [
    "DriveTable",
    "QontrolChain",
    "QontrolModule",
    "TileMesh",
    "backplane_chains",
    "circuit_text",
    "netlist_text",
    "nidaqmx_files",
    "npz_bytes",
    "perceval_files",
    "qontrol_files",
    "read_channel_table",
    "read_circuit_text",
    "read_npz",
    "read_script",
    "sax_files",
    "tile_meshes",
    "torchonn_files",
    "write_folder",
]
