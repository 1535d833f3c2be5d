"""The settings of a chip in the files of drivers and of other programs: what ``--format`` names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from photonic.chipfile.csv_table import csv_chunks
from photonic.chipfile.importing import program_of_layer
from photonic.chipfile.layer import ChipExport
from photonic.chipfile.records import CSV_FILE
from photonic.chipfile.writer import write_export
from photonic.drive_laws.families import Floats
from photonic.export_formats import (
    DriveTable,
    QontrolChain,
    QontrolModule,
    nidaqmx_files,
    npz_bytes,
    perceval_files,
    qontrol_files,
    sax_files,
    torchonn_files,
    write_folder,
)
from photonic.export_formats.folder import NamedFile

Format = Literal["bundle", "csv", "qontrol", "nidaqmx", "perceval", "sax", "torchonn", "npz"]
FORMATS: tuple[Format, ...] = get_args(Format)
"""Names of the formats; ``bundle`` is the one that can be verified and imported again."""

NPZ_FILE = "programs.npz"
QONTROL_CHANNELS = 8
"""Channels of a Qontrol module; the default channel map does not fit it."""
QONTROL_MODULES = 8
"""Modules of a backplane, taken as one serial port (BP8)."""


def write_format(
    export: ChipExport,
    out_dir: str | Path,
    name: Format,
    *,
    tile: tuple[int, int] | None = None,
    has_table: bool | None = None,
) -> Path:
    """Write settings into a new folder.

    Args:
        export: settings.
        out_dir: folder to create.
        name: format.
        tile: row and column of the only tile wanted of each layer, for ``perceval`` and ``sax``.
        has_table: as in ``write_export``.

    Returns:
        The folder.

    Raises:
        FileExistsError: if ``out_dir`` exists.
        ValueError: if the format is unknown or cannot hold the settings.
    """
    if name not in FORMATS:
        raise ValueError(f"unknown format {name!r}; available: {', '.join(FORMATS)}")
    if tile is not None and name not in ("perceval", "sax"):
        raise ValueError(f"format {name!r} holds all tiles; a single one is for perceval and sax")
    if name == "bundle":
        return write_export(export, out_dir, has_table=has_table)
    return write_folder(_files(export, name, tile), out_dir)


def drive_table(export: ChipExport) -> DriveTable:
    """Channels and drives of all shifters; modules are called module0, module1, ...

    Limits are those of the calibration laws.
    """
    total = export.header.num_shifters

    def column(name: str) -> Floats:
        values = export.column(name)
        return np.full(total, np.nan) if values is None else values.astype(np.float64)

    limit_v, limit_ma = np.full(total, np.nan), np.full(total, np.nan)
    for layer in export.layers:
        if layer.laws is None:
            continue
        high, is_current = layer.laws.limits[1], layer.laws.is_current
        high = np.where(np.isfinite(high), high, np.nan)
        limit_v[layer.ids] = np.where(is_current, np.nan, high)
        limit_ma[layer.ids] = np.where(is_current, high, np.nan)
    codes = export.column("dac_code")
    return DriveTable(
        shifter=tuple(map(str, range(total))),
        module=tuple(f"module{number}" for number in column("dac_module").astype(int)),
        channel=tuple(column("dac_channel").astype(int).tolist()),
        drive_v=column("drive_v"),
        drive_ma=column("drive_ma"),
        power_mw=column("power_mw"),
        dac_code=(None,) * total if codes is None else tuple(codes.tolist()),
        limit_v=limit_v,
        limit_ma=limit_ma,
        limit_mw=np.full(total, np.nan),
    )


def _files(export: ChipExport, name: Format, tile: tuple[int, int] | None) -> Iterable[NamedFile]:
    if name == "csv":
        return [(CSV_FILE, b"".join(csv_chunks(export)))]
    if name in ("qontrol", "nidaqmx"):
        table = drive_table(export)
        return nidaqmx_files(table) if name == "nidaqmx" else qontrol_files(table, _chains(export))
    programs = [program_of_layer(layer) for layer in export.layers]
    if name == "npz":
        return [(NPZ_FILE, npz_bytes(programs))]
    if name == "torchonn":
        return torchonn_files(programs)
    return (perceval_files if name == "perceval" else sax_files)(programs, tile)


def _chains(export: ChipExport) -> list[QontrolChain]:
    """Full backplanes of Q8iv modules, each on a serial port of its own."""
    modules = export.column("dac_module")
    numbers = [] if modules is None else np.unique(modules).tolist()
    chains: dict[int, list[QontrolModule]] = {}
    for number in numbers:
        module = QontrolModule(name=f"module{number}")
        chains.setdefault(number // QONTROL_MODULES, []).append(module)
    return [
        QontrolChain(name=f"port{number}", modules=tuple(members))
        for number, members in chains.items()
    ]
