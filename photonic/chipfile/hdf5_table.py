"""The table of all shifters as HDF5: one dataset per column, for Python, MATLAB and LabVIEW.

h5py (5 MB, NumPy alone below it) is an extra: the JSON files are the record, and neither ``verify``
nor ``import`` needs this table.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from photonic.chipfile.layer import COLUMNS, STATUS_NAMES, ChipExport
from photonic.chipfile.records import ChipFileError
from photonic.chipfile.words import UNITS
from photonic.drive_laws.records import LAW_NAMES

_CHUNK = 65_536
"""Rows compressed together."""
_TEXTS = ("matrix", "role", "law", "status")


def has_hdf5() -> bool:
    """True if h5py is installed."""
    return find_spec("h5py") is not None


def write_hdf5(export: ChipExport, path: Path) -> None:
    """Write the table; the same settings give the same bytes.

    Texts are enumerations: small integers whose names stand in the type. Layers are numbered, with
    their names in the attribute ``layers`` of the file. mzi is -1 for output phases, and unknown
    numbers are NaN; a column that no layer knows is left out.

    Raises:
        ChipFileError: if h5py is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise ChipFileError(
            "chip.h5 needs h5py: install it with  pip install 'lightframe[hdf5]'"
        ) from error
    with h5py.File(path, "x", libver=("earliest", "v110")) as file:
        file.attrs["layers"] = [layer.name for layer in export.layers]
        for name in COLUMNS:
            values, kind = _dataset(h5py, export, name)
            if values is None:
                continue
            dataset = file.create_dataset(
                name,
                data=values,
                dtype=kind,
                chunks=(min(_CHUNK, len(values)),),
                compression="gzip",
                compression_opts=1,
                shuffle=True,
                track_times=False,
            )
            if name in UNITS:
                dataset.attrs["unit"] = UNITS[name]


def _dataset(h5py: Any, export: ChipExport, name: str) -> tuple[Any, Any]:
    """Values and type of a column; None if it is not known."""
    if name == "layer":
        sizes = [layer.grid.num_shifters for layer in export.layers]
        return np.repeat(np.arange(len(sizes)), sizes), np.int32
    if name in _TEXTS:
        words, numbers = _numbered_texts(export, name)
        names = {word: number for number, word in enumerate(words)}
        kind = h5py.enum_dtype(names, basetype=np.uint8)
        return numbers.astype(kind), kind
    if name == "mzi":
        numbers = _per_slot(export, name, lambda mzi: -1 if mzi is None else mzi)
        return numbers, np.int32
    values = export.column(name)
    if values is None:
        return None, None
    if values.dtype.kind in "iu":
        return values, np.int64 if name == "dac_code" else np.int32
    return values, np.float64


def _numbered_texts(export: ChipExport, name: str) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Words of a text column, and the number of the word of each shifter."""
    if name == "status":
        return STATUS_NAMES, np.concatenate([layer.status for layer in export.layers])
    if name == "law":
        words = ("unknown", *LAW_NAMES)
        laws = [np.zeros(layer.grid.num_shifters, np.int64) for layer in export.layers]
        for layer, numbers in zip(export.layers, laws, strict=True):
            for group in () if layer.laws is None else layer.laws.groups:
                numbers[group.ids - layer.grid.first_id] = words.index(group.law)
        return words, np.concatenate(laws)
    words = tuple(dict.fromkeys(x for layer in export.layers for x in getattr(layer.slots, name)))
    return words, _per_slot(export, name, words.index)


def _per_slot(export: ChipExport, name: str, number: Callable[[Any], int]) -> NDArray[np.int64]:
    """A column that repeats from tile to tile, as numbers."""
    parts = [
        np.tile([number(x) for x in getattr(layer.slots, name)], layer.grid.num_tiles)
        for layer in export.layers
    ]
    return np.concatenate(parts)
