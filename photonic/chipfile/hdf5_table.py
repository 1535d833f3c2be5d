"""The table of all shifters as HDF5: one dataset per column, for Python, MATLAB and LabVIEW.

h5py (5 MB, NumPy alone below it) is an extra: the JSON files are the record, and a bundle may do
without this table.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from photonic.chipfile.layer import COLUMNS, STATUS_NAMES, ChipExport
from photonic.chipfile.records import HDF5_FILE, ChipFileError
from photonic.chipfile.words import UNITS
from photonic.drive_laws.records import LAW_NAMES

_CHUNK = 65_536
"""Rows compressed together."""
_DEFLATE, _SHUFFLE = 1, 2
"""Numbers that HDF5 gives these filters."""
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
    h5py = _h5py()
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


def check_hdf5(export: ChipExport, data: bytes) -> None:
    """Refuse a table that is not the one ``write_hdf5`` writes.

    Chunks are unpacked here and not by the HDF5 library: nothing grows beyond its stated size, and
    no file elsewhere and no filter of a plugin is opened.

    Args:
        export: settings.
        data: bytes of the file.

    Raises:
        ChipFileError: naming the first column that differs, or if h5py is not installed.
    """
    h5py = _h5py()
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            _check_table(h5py, export, file)
    except _BROKEN as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise ChipFileError(f"{HDF5_FILE}: {reason}") from error


_BROKEN = (OSError, RuntimeError, KeyError, TypeError, AttributeError, ValueError, zlib.error)
"""What h5py raises on files that are no HDF5, damaged, or of other types."""


def _check_table(h5py: Any, export: ChipExport, file: Any) -> None:
    expected = {name: _dataset(h5py, export, name) for name in COLUMNS}
    expected = {name: found for name, found in expected.items() if found[0] is not None}
    if set(file) != set(expected):
        raise ValueError(f"holds other columns: {sorted(set(file) ^ set(expected))[0]!r}")
    layers = [layer.name for layer in export.layers]
    if set(file.attrs) != {"layers"} or list(file.attrs["layers"]) != layers:
        raise ValueError("`layers` are not those of the bundle")
    for name, (values, kind) in expected.items():
        dataset = None
        if isinstance(file.get(name, getlink=True), h5py.HardLink):
            dataset = file[name]
        if not isinstance(dataset, h5py.Dataset) or dataset.shape != (len(values),):
            raise ValueError(f"`{name}` is not a column of {len(values)} values")
        unit = {"unit": UNITS[name]} if name in UNITS else {}
        if dict(dataset.attrs) != unit:
            raise ValueError(f"`{name}` has another unit")
        words = [h5py.check_enum_dtype(np.dtype(x)) for x in (dataset.dtype, kind)]
        if dataset.dtype != np.dtype(kind) or words[0] != words[1]:
            raise ValueError(f"`{name}` is of another type")
        values = np.asarray(values).astype(dataset.dtype)
        if not np.array_equal(_unpacked(dataset), values, equal_nan=values.dtype.kind == "f"):
            raise ValueError(f"`{name}` does not hold the numbers of the JSON files")


def _unpacked(dataset: Any) -> NDArray[Any]:
    """Values of a column, from its chunks: shuffled by bytes, then deflated."""
    plist, size = dataset.id.get_create_plist(), len(dataset)
    filters = [plist.get_filter(k)[0] for k in range(plist.get_nfilters())]
    if filters != [_SHUFFLE, _DEFLATE] or dataset.chunks != (min(_CHUNK, size),):
        raise ValueError(f"`{dataset.name[1:]}` is stored in another way")
    count, width = dataset.chunks[0], dataset.dtype.itemsize
    parts = []
    for start in range(0, size, count):
        mask, packed = dataset.id.read_direct_chunk((start,))
        inflate = zlib.decompressobj()
        flat = inflate.decompress(packed, count * width)
        if mask or len(flat) != count * width or not inflate.eof or inflate.unused_data:
            raise ValueError(f"`{dataset.name[1:]}` is damaged")
        rows = np.frombuffer(flat, np.uint8).reshape(width, count).T
        parts.append(np.ascontiguousarray(rows).view(dataset.dtype).ravel())
    return np.concatenate(parts)[:size]


def _h5py() -> Any:
    try:
        import h5py
    except ImportError as error:
        raise ChipFileError(
            f"{HDF5_FILE} needs h5py: install it with  pip install 'lightframe[hdf5]'"
        ) from error
    return h5py


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
