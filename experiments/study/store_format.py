"""What the store of a study may hold: its metadata, checked before zarr sees any of them.

zarr and numcodecs run what metadata name: a filter that unpickles, a decoder that writes beyond a
buffer. Nothing that is not on the short lists here is passed on to them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, StringConstraints, ValidationError

from experiments.record import RunRecord
from experiments.study.description import StudyError
from experiments.study.strict import StrictModel
from photonic.hardware import first_problem

MAX_METADATA_BYTES = 64_000_000
"""Of a file of metadata."""
MOST_EVALUATIONS = 10_000_000
"""Chips of all points together."""
MOST_BYTES = 2**30
"""Of a chunk, and of an array that tasks do not fill."""
_MOST = {"point": 2**20, "chip": 1_000_000, "crystal": 10_000_000}
"""Lengths of dimensions."""
_DIMENSIONS = (
    dict.fromkeys(("mae", "deviation_rms", "weight_error"), ("point", "chip"))
    | dict.fromkeys(("error", "deviation", "prediction"), ("point", "chip", "crystal"))
    | {"label": ("crystal",), "digital": ("crystal",), "crystal": ("crystal",), "chip": ("chip",)}
)
"""Of all arrays but those along ``point`` alone: the axes, and what is known of closed forms."""
_REQUIRED = ("mae", "deviation_rms", "label", "digital", "crystal", "chip")
_KINDS = {"crystal": "U", "chip": "i", "weight_error_note": "U"}
"""Kinds of numpy's types, where it is not a number; an axis may have text."""

Length = Annotated[int, Field(ge=1, le=10_000_000)]
Text = Annotated[str, StringConstraints(max_length=10_000)]
Key = Annotated[str, StringConstraints(pattern=r"^([a-zA-Z]\w{0,200}/)?\.z(array|attrs|group)$")]


class Crc32(StrictModel):
    """The checksum before every chunk."""

    id: Literal["crc32"]
    """Name in numcodecs."""


class Blosc(StrictModel):
    """The compressor of stores of earlier versions, which have no checksums."""

    id: Literal["blosc"]
    """Name in numcodecs."""
    cname: Literal["lz4"]
    """Codec."""
    clevel: Annotated[int, Field(ge=0, le=9)]
    """Effort."""
    shuffle: Annotated[int, Field(ge=-1, le=2)]
    """Order of bytes."""
    blocksize: Literal[0]
    """Chosen by blosc."""
    typesize: Annotated[int, Field(ge=1, le=40_000)] | None = None
    """Bytes of a number."""


class ArrayMetadata(StrictModel):
    """The file ``.zarray`` of an array, format 2."""

    zarr_format: Literal[2]
    """Format."""
    shape: Annotated[tuple[Length, ...], Field(min_length=1, max_length=3)]
    """Lengths."""
    chunks: Annotated[tuple[Length, ...], Field(min_length=1, max_length=3)]
    """Lengths of a chunk."""
    dtype: Annotated[str, StringConstraints(pattern=r"^(<f8|<i8|<U[1-9][0-9]{0,3})$")]
    """Type of numbers or texts."""
    fill_value: Literal["NaN"] | None
    """What stands for chunks that are not there."""
    order: Literal["C"]
    """Of the bytes."""
    filters: None
    """None, ever."""
    dimension_separator: Literal[".", "/"]
    """Of the indices in the names of chunks."""
    compressor: Annotated[Crc32 | Blosc, Field(discriminator="id")]
    """Last step of encoding."""

    @property
    def has_checksums(self) -> bool:
        """Whether every chunk begins with its checksum."""
        return isinstance(self.compressor, Crc32)

    @property
    def chunk_bytes(self) -> int:
        """Of the numbers in a chunk."""
        return math.prod(self.chunks) * np.dtype(self.dtype).itemsize


class ArrayAttributes(StrictModel):
    """The file ``.zattrs`` of an array."""

    dimensions: Annotated[tuple[Text, ...], Field(alias="_ARRAY_DIMENSIONS", max_length=3)]
    """Names of dimensions."""
    units: Text | None = None
    """Unit."""
    long_name: Text | None = None
    """Meaning."""
    coordinates: Annotated[str, StringConstraints(max_length=100_000)] | None = None
    """Names of coordinates."""


class StoreAttributes(StrictModel):
    """The file ``.zattrs`` of the store."""

    label_name: Text
    """Label of the crystals."""
    split: Text = "test"
    """Crystals of the checkpoint's data."""
    record: str
    """RunRecord as JSON."""
    is_complete: Literal[0, 1]
    """Whether nothing is left to evaluate."""
    coordinates: Annotated[str, StringConstraints(max_length=100_000)] | None = None
    """Names of coordinates that no array shares."""
    num_chips: tuple[Annotated[int, Field(ge=0)], ...] | None = None
    """Chips that count at each point of a study that has been complete."""


class GroupMarker(StrictModel):
    """The file ``.zgroup``."""

    zarr_format: Literal[2]
    """Format."""


class Consolidated(StrictModel):
    """The file ``.zmetadata``: the others in one place."""

    zarr_consolidated_format: Literal[1]
    """Format."""
    metadata: Annotated[dict[Key, dict[str, Any]], Field(max_length=1000)]
    """The other files by their names."""

    def documents(self) -> dict[str, StrictModel]:
        """The other files, checked.

        Raises:
            StudyError: as ``parse_document``.
        """
        return {key: _document(key, values) for key, values in self.metadata.items()}


def parse_document(key: str, data: bytes) -> StrictModel:
    """The metadata in a file of a store.

    Args:
        key: path of the file in the store.
        data: its content.

    Raises:
        StudyError: if they are not what a study of Lightframe has; the message says what.
    """
    try:
        values = json.loads(data)
    except (ValueError, RecursionError):
        raise StudyError(f"{key}: no JSON") from None
    return _document(key, values)


def _document(key: str, values: Any) -> StrictModel:
    name = key.rpartition("/")[2]
    models = {".zgroup": GroupMarker, ".zarray": ArrayMetadata, ".zmetadata": Consolidated}
    model = models.get(name, StoreAttributes if key == ".zattrs" else ArrayAttributes)
    try:
        found = model.model_validate(values)
    except ValidationError as error:
        raise StudyError(f"{key}: {_escaped(first_problem(error))}") from None
    texts = (text for field, text in found if isinstance(text, str) and field != "record")
    if not all(text.isprintable() for text in texts):
        raise StudyError(f"{key}: holds characters that cannot be printed")
    return found


def _escaped(message: str) -> str:
    """A message of at most 300 characters that can be printed."""
    return message.encode("unicode_escape").decode()[:300]


class StoreLayout:
    """The arrays of a store, which fit each other and what the study says of itself.

    Args:
        documents: key to content of all metadata.

    Attributes:
        arrays: by name.
        attributes: of the store.

    Raises:
        StudyError: if they do not.
    """

    def __init__(self, documents: Mapping[str, StrictModel]) -> None:
        self.arrays: dict[str, ArrayMetadata] = {}
        self._dimensions: dict[str, tuple[str, ...]] = {}
        for key, found in documents.items():
            if isinstance(found, StoreAttributes):
                self.attributes = found
            elif isinstance(found, ArrayMetadata):
                self.arrays[key.rpartition("/")[0]] = found
            elif isinstance(found, ArrayAttributes):
                self._dimensions[key.rpartition("/")[0]] = found.dimensions
        for name in (*_REQUIRED, *self._axes()):
            if name not in self.arrays:
                raise StudyError(f"array {name!a} is missing")
        self.sizes = self._checked_sizes()
        for name, array in self.arrays.items():
            self._check_array(name, array)
        if len({array.has_checksums for array in self.arrays.values()}) != 1:
            raise StudyError("some arrays have checksums and some have none")
        counts = self.attributes.num_chips
        if counts is not None:
            if len(counts) != self.sizes["point"] or max(counts) > self.sizes["chip"]:
                raise StudyError("`num_chips` does not fit the arrays")
        elif self.attributes.is_complete and self.has_checksums:
            raise StudyError("`num_chips` of a complete study is missing")

    @property
    def has_checksums(self) -> bool:
        """Whether every chunk has a checksum."""
        return self.arrays["mae"].has_checksums

    @property
    def block(self) -> int:
        """Chips of a task."""
        return self.arrays["mae"].chunks[1]

    def needed_blocks(self, point: int) -> int:
        """Blocks at a point that a complete study must have; 0 unless it has been complete."""
        counts = self.attributes.num_chips
        return 0 if counts is None else -(-counts[point] // self.block)

    def num_chunks(self, name: str) -> int:
        """Chunks of an array of one dimension."""
        array = self.arrays[name]
        return -(-array.shape[0] // array.chunks[0])

    def _axes(self) -> list[str]:
        """Names of the axes, by the record."""
        if not hasattr(self, "attributes"):
            raise StudyError(".zattrs is missing")
        try:
            record = RunRecord.model_validate_json(self.attributes.record)
        except ValidationError as error:
            raise StudyError(f"`record`: {_escaped(first_problem(error))}") from None
        study = record.config.get("study")
        axes = study.get("axes") if isinstance(study, dict) else None
        if not isinstance(axes, dict):
            raise StudyError("`record` does not say which axes the study has")
        return [str(name) for name in axes]

    def _checked_sizes(self) -> dict[str, int]:
        sizes = {}
        for name, array in self.arrays.items():
            dimensions = _DIMENSIONS.get(name, ("point",))
            if self._dimensions.get(name) != dimensions or len(array.shape) != len(dimensions):
                raise StudyError(f"array {name!a} must have the dimensions {dimensions}")
            for dimension, length in zip(dimensions, array.shape, strict=True):
                if sizes.setdefault(dimension, length) != length:
                    raise StudyError(f"arrays differ in the length of {dimension!r}")
        check_size(sizes)
        return sizes

    def _check_array(self, name: str, array: ArrayMetadata) -> None:
        kind, filled = np.dtype(array.dtype).kind, len(array.shape) > 1
        known = _KINDS.get(name, "f" if name in _DIMENSIONS else "fU")
        if kind not in known or (kind == "f") != (array.fill_value == "NaN"):
            raise StudyError(f"array {name!a} must not be of type {array.dtype}")
        expected = (1, self.block, self.sizes["crystal"])[: len(array.shape)]
        has_chunks = array.chunks == expected if filled else len(array.chunks) == 1
        if not has_chunks or array.chunk_bytes > MOST_BYTES:
            raise StudyError(f"array {name!a} has chunks of another shape than tasks")
        if not filled and array.shape[0] * np.dtype(array.dtype).itemsize > MOST_BYTES:
            raise StudyError(f"array {name!a} is larger than {MOST_BYTES:,} bytes")


def check_size(sizes: Mapping[str, int]) -> None:
    """Refuse a study that is too large for one store.

    Args:
        sizes: of the dimensions.

    Raises:
        StudyError: with what is too large.
    """
    for name, most in _MOST.items():
        if sizes[name] > most:
            raise StudyError(f"a store takes at most {most:,} {name}s, not {sizes[name]:,}")
    evaluations = sizes["point"] * sizes["chip"]
    if evaluations > MOST_EVALUATIONS:
        raise StudyError(
            f"a store takes at most {MOST_EVALUATIONS:,} chips of all points, not {evaluations:,}"
        )
