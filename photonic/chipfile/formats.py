"""The settings of a chip in the files of drivers and of other programs: what ``--format`` names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
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
    nidaqmx_files,
    npz_bytes,
    perceval_files,
    qontrol_files,
    sax_files,
    torchonn_files,
    write_folder,
)
from photonic.export_formats.folder import NamedFile
from photonic.export_formats.qontrol_chain import DEFAULT_KIND, ModuleKind, backplane_chains

Format = Literal["bundle", "csv", "qontrol", "nidaqmx", "perceval", "sax", "torchonn", "npz"]
FORMATS: tuple[Format, ...] = get_args(Format)
"""Names of the formats; ``bundle`` is the one that can be verified and imported again."""

NPZ_FILE = "programs.npz"
QONTROL_CHANNELS = 8
"""Channels of a Qontrol module; the default channel map does not fit it."""


@dataclass(frozen=True, kw_only=True)
class FormatOptions:
    """What single formats may be told."""

    tile: tuple[int, int] | None = None
    """Row and column of the only tile wanted of each layer; ``perceval`` and ``sax``."""
    has_table: bool | None = None
    """As in ``write_export``; ``bundle``."""
    module_kind: ModuleKind | None = None
    """Kind of the driver modules, None for Q8iv; ``qontrol``."""
    is_current_converted: bool = False
    """Drive heaters that are calibrated in mA by the voltage over their resistance; ``nidaqmx``."""

    def check(self, name: Format) -> None:
        """Refuse options of other formats.

        Raises:
            ValueError: naming the option.
        """
        for is_given, formats, what in (
            (self.tile is not None, ("perceval", "sax"), "a single tile"),
            (self.module_kind is not None, ("qontrol",), "a kind of driver modules"),
            (self.is_current_converted, ("nidaqmx",), "conversion of currents to volts"),
        ):
            if is_given and name not in formats:
                raise ValueError(f"{what} is for format {' and '.join(formats)}, not for {name!r}")


def write_format(
    export: ChipExport,
    out_dir: str | Path,
    name: Format,
    options: FormatOptions = FormatOptions(),
    *,
    on_step: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Write settings into a new folder.

    Args:
        export: settings.
        out_dir: folder to create.
        name: format.
        options: of the format.
        on_step: called with the steps that are done and their number: shifters for drivers, meshes
            for circuits and netlists.

    Returns:
        The folder.

    Raises:
        FileExistsError: if ``out_dir`` exists.
        ValueError: if the format is unknown, cannot hold the settings or knows no such option.
    """
    if name not in FORMATS:
        raise ValueError(f"unknown format {name!r}; available: {', '.join(FORMATS)}")
    options.check(name)
    if name == "bundle":
        return write_export(export, out_dir, has_table=options.has_table)
    return write_folder(_files(export, name, options, on_step), out_dir)


def drive_table(export: ChipExport) -> DriveTable:
    """Channels and drives of all shifters; modules are called module0, module1, ...

    Limits are those of the calibration laws.
    """
    total = export.header.num_shifters

    def column(name: str) -> Floats:
        values = export.column(name)
        return np.full(total, np.nan) if values is None else values.astype(np.float64)

    limit_v, limit_ma = np.full(total, np.nan), np.full(total, np.nan)
    currents = np.zeros(total, dtype=bool)
    for layer in export.layers:
        if layer.laws is None:
            continue
        high, is_current = layer.laws.limits[1], layer.laws.is_current
        high = np.where(np.isfinite(high), high, np.nan)
        limit_v[layer.ids] = np.where(is_current, np.nan, high)
        limit_ma[layer.ids] = np.where(is_current, high, np.nan)
        currents[layer.ids] = is_current
    codes = export.column("dac_code")
    return DriveTable(
        shifter=tuple(map(str, range(total))),
        module=tuple(f"module{number}" for number in column("dac_module").astype(int)),
        channel=tuple(column("dac_channel").astype(int).tolist()),
        drive_v=column("drive_v"),
        drive_ma=column("drive_ma"),
        power_mw=column("power_mw"),
        dac_code=(None,) * total if codes is None else tuple(codes.tolist()),
        is_current=currents,
        limit_v=limit_v,
        limit_ma=limit_ma,
        limit_mw=np.full(total, np.nan),
    )


def _files(
    export: ChipExport,
    name: Format,
    options: FormatOptions,
    on_step: Callable[[int, int], None],
) -> Iterable[NamedFile]:
    if name == "csv":
        return [(CSV_FILE, b"".join(csv_chunks(export)))]
    if name == "nidaqmx":
        return nidaqmx_files(
            drive_table(export),
            is_current_converted=options.is_current_converted,
            on_step=on_step,
        )
    if name == "qontrol":
        numbers = np.unique(export.column("dac_module")).tolist()
        chains = backplane_chains(numbers, options.module_kind or DEFAULT_KIND)
        return qontrol_files(drive_table(export), chains, on_step=on_step)
    programs = [program_of_layer(layer) for layer in export.layers]
    if name == "npz":
        return [(NPZ_FILE, npz_bytes(programs))]
    if name == "torchonn":
        return torchonn_files(programs)
    files = (perceval_files if name == "perceval" else sax_files)(programs, options.tile)
    num_tiles = len(programs) if options.tile else sum(p.num_tiles for p in programs)
    return _counted(files, 2 * num_tiles, on_step)


def _counted(
    files: Iterable[NamedFile], num_meshes: int, on_step: Callable[[int, int], None]
) -> Iterator[NamedFile]:
    """The files; meshes come first, one per file."""
    for number, file in enumerate(files, 1):
        yield file
        if number <= num_meshes:
            on_step(number, num_meshes)
