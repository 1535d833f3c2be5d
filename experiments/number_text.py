"""Numbers in the files and tables that people and other programs read; none of them is -0.0."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_MINUS_ZERO = re.compile(r"(?<![\w.])-(?=0(\.0*)?(e[+-]?\d+)?(?![\w.]))", re.ASCII)


def json_text(content: Any, *, allow_nan: bool = True) -> str:
    """Indented JSON of results.

    Args:
        content: anything that ``json`` takes.
        allow_nan: write NaN and infinities, which JSON does not know, as Python does.

    Raises:
        ValueError: if a number is not finite and that is not allowed.
    """
    return json.dumps(positive_zeros(content), indent=1, allow_nan=allow_nan)


def csv_text(rows: Iterable[Sequence[object]], line_end: str = "\r\n") -> str:
    """CSV of rows of cells, the header first."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=line_end).writerows(map(positive_zeros, rows))
    return text.getvalue()


def frame_text(table: pd.DataFrame) -> str:
    """CSV of a table without its index."""
    floats = table.select_dtypes("float").columns
    return table.assign(**{name: table[name] + 0.0 for name in floats}).to_csv(index=False)


def cell_text(cell: str) -> str:
    """A printed cell: -0.00 becomes 0.00, which a small negative number is too, once rounded."""
    return _MINUS_ZERO.sub("", cell)


def positive_zeros(value: Any) -> Any:
    """The same content, 0.0 in place of -0.0, in mappings and sequences at any depth."""
    if isinstance(value, float):
        return value + 0.0
    if isinstance(value, Mapping):
        return {key: positive_zeros(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [positive_zeros(entry) for entry in value]
    return value
