"""The table of all shifters as CSV: one line each, floats that read back bit by bit."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from photonic.chipfile.layer import (
    COLUMNS,
    SLOT_COLUMNS,
    VALUE_COLUMNS,
    ChipExport,
    LayerSettings,
)


def csv_chunks(export: ChipExport) -> Iterator[bytes]:
    """The CSV file, layer by layer; unknown values are empty cells."""
    yield (",".join(COLUMNS) + "\n").encode()
    for layer in export.layers:
        yield _rows(layer)


def number_texts(values: NDArray[Any]) -> list[str]:
    """Shortest texts that read back bit by bit; "" for NaN."""
    if not len(values):
        return []
    text = orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY)
    return text.decode()[1:-1].replace("null", "").split(",")


def _rows(layer: LayerSettings) -> bytes:
    total = layer.grid.num_shifters
    # What repeats from tile to tile is joined once.
    slots = [
        ",".join("" if cell is None else str(cell) for cell in cells)
        for cells in zip(*(getattr(layer.slots, name) for name in SLOT_COLUMNS), strict=True)
    ]
    name = _quoted(layer.name)
    tiles = [
        f"{name},{row},{col}"
        for row in range(layer.grid.tile_rows)
        for col in range(layer.grid.tile_cols)
    ]
    size = len(slots)
    place = [tile for tile in tiles for _ in range(size)]
    columns = [number_texts(layer.ids), place, slots * len(tiles)]
    columns += [_cells(layer, column, total) for column in VALUE_COLUMNS]
    return ("\n".join(map(",".join, zip(*columns, strict=True))) + "\n").encode()


def _cells(layer: LayerSettings, column: str, total: int) -> list[str]:
    values = layer.column(column)
    if values is None:
        return [""] * total
    if values.dtype == object:
        return values.tolist()
    if (values == values[0]).all() or (values.dtype == np.float64 and np.isnan(values).all()):
        return number_texts(values[:1]) * total
    return number_texts(values)


def _quoted(text: str) -> str:
    """A text as one CSV cell."""
    cell = io.StringIO()
    csv.writer(cell, lineterminator="").writerow([text])
    return cell.getvalue()
