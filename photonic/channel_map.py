"""ChannelMap: which channel of which driver module heats which shifter."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from photonic.drive_laws.numeric_csv import NumericCsvError, read_numeric_csv
from photonic.export_formats.qontrol_chain import ModuleKind
from photonic.files import open_regular
from photonic.hardware import first_problem
from photonic.hardware.strict_yaml import StrictYamlError, read_table
from photonic.hardware.tables import TableError, find_table

MAX_YAML_BYTES = 4_000_000
MAX_NUMBER = 2**31 - 1
"""Largest number of a module or of a channel."""

_Number = Annotated[int, Field(ge=0, le=MAX_NUMBER)]
_Count = Annotated[int, Field(ge=1, le=MAX_NUMBER)]
_Integers = NDArray[np.int64]


class ChannelMapError(ValueError):
    """A channel map that cannot be used; one line naming shifter or channel."""


class ChannelBlock(BaseModel):
    """Consecutive shifters on consecutive channels; a full module is followed by the next one."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True
    )

    first_id: _Number
    """First shifter."""
    count: _Count
    """Number of shifters."""
    module: _Number
    """Driver module of the first shifter."""
    first_channel: _Number = 0
    """Its channel."""


class ChannelFile(BaseModel):
    """Contents of a YAML channel map."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True
    )

    channels_per_module: _Count
    """Channels of a driver module, numbered from 0."""
    num_modules: _Count | None = None
    """Driver modules, numbered from 0; null = any number."""
    module_kind: ModuleKind | None = None
    """Kind of all driver modules, for ``qontrol``; null = Q8iv."""
    blocks: list[ChannelBlock] | None = None
    """Channels by rule."""
    file: str | None = None
    """CSV file with the columns id, module, channel, in the folder of the map or below."""

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if (self.blocks is None) == (self.file is None):
            raise ValueError("exactly one of `blocks` and `file` is needed")
        return self


@dataclass(frozen=True, eq=False)
class ChannelMap:
    """Channels of K shifters.

    Raises:
        ChannelMapError: if two shifters share a channel.
    """

    module: _Integers
    """(K,) driver module of each shifter."""
    channel: _Integers
    """(K,) channel within the module."""
    module_kind: ModuleKind | None = None
    """Kind of all driver modules, for ``qontrol``; None if it is not stated."""

    def __post_init__(self) -> None:
        order = np.lexsort((self.channel, self.module))
        module, channel = self.module[order], self.channel[order]
        is_same = (module[1:] == module[:-1]) & (channel[1:] == channel[:-1])
        if is_same.any():
            k = int(is_same.argmax())
            first, second = sorted((int(order[k]), int(order[k + 1])))
            raise ChannelMapError(
                f"module {module[k]}, channel {channel[k]} is used twice: "
                f"by shifters {first} and {second}"
            )

    @classmethod
    def default(cls, tile_sizes: Sequence[int], tile_counts: Sequence[int]) -> ChannelMap:
        """One driver module per tile; channels in the order of its shifters.

        Args:
            tile_sizes: shifters of a tile, by layer.
            tile_counts: tiles, by layer.
        """
        sizes = np.repeat(np.array(tile_sizes, dtype=np.int64), tile_counts)
        starts = np.cumsum(sizes) - sizes
        total = int(sizes.sum())
        return cls(
            np.repeat(np.arange(len(sizes)), sizes), np.arange(total) - np.repeat(starts, sizes)
        )

    @classmethod
    def packed(cls, num_shifters: int, channels_per_module: int) -> ChannelMap:
        """Modules filled one after the other, in the order of the shifters."""
        return cls(*np.divmod(np.arange(num_shifters), channels_per_module))


def load_channel_map(path: str | Path, num_shifters: int) -> ChannelMap:
    """The channel map of a file.

    Args:
        path: YAML file (``ChannelFile``), or a CSV file with the columns id, module, channel, whose
            channels may be any number.
        num_shifters: K; shifters 0 to K - 1 need one channel each.

    Raises:
        ChannelMapError: if the file cannot be read, a shifter has no channel or two, a channel two
            shifters, or a module or channel is out of range; the first one is named.
    """
    path = Path(path)
    if path.suffix.lower() == ".csv":
        limits = ChannelFile(channels_per_module=MAX_NUMBER, file=path.name)
    else:
        limits = _read_yaml(path)
    if limits.file is not None:
        ids, module, channel = _read_csv(path, limits.file)
    else:
        ids, module, channel = _from_blocks(path, limits, num_shifters)
    try:
        _check_range(ids, module, channel, limits)
        order = _order(ids, num_shifters)
        return ChannelMap(module[order], channel[order], limits.module_kind)
    except ChannelMapError as error:
        raise ChannelMapError(f"{path.name}: {error}") from None


def _read_yaml(path: Path) -> ChannelFile:
    try:
        with open_regular(path, is_link_followed=False) as stream:
            data = stream.read(min(MAX_YAML_BYTES, os.fstat(stream.fileno()).st_size) + 1)
        if len(data) > MAX_YAML_BYTES:
            raise ChannelMapError(f"{path.name}: larger than {MAX_YAML_BYTES:,} bytes; use CSV")
        return ChannelFile.model_validate(read_table(data.decode("utf-8")))
    except OSError as error:
        raise ChannelMapError(f"{path.name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ChannelMapError(f"{path.name}: not UTF-8 text") from error
    except StrictYamlError as error:
        raise ChannelMapError(f"{path.name}: {error}") from error
    except ValidationError as error:
        raise ChannelMapError(f"{path.name}: {first_problem(error)}") from error


def _read_csv(path: Path, name: str) -> tuple[Any, Any, Any]:
    """Columns id, module and channel."""
    names = ("id", "module", "channel")
    try:
        file = Path(str(find_table(path.parent, name)))
        columns = read_numeric_csv(file, dict.fromkeys(names, int))
    except (TableError, NumericCsvError) as error:
        raise ChannelMapError(str(error)) from error
    missing = [column for column in names if column not in columns]
    if missing:
        raise ChannelMapError(f"{name}: has no column `{missing[0]}`")
    return tuple(columns[column] for column in names)


def _from_blocks(path: Path, limits: ChannelFile, num_shifters: int) -> tuple[Any, Any, Any]:
    """Shifters, modules and channels of all blocks."""
    blocks, width = limits.blocks or [], limits.channels_per_module
    for block in blocks:
        # Before anything of its size is built.
        if block.first_id + block.count > num_shifters:
            raise ChannelMapError(
                f"{path.name}: a block ends at shifter {block.first_id + block.count - 1}; "
                f"the shifters are 0 to {num_shifters - 1}"
            )
        if block.first_channel >= width:
            raise ChannelMapError(
                f"{path.name}: channel {block.first_channel} of module {block.module} is out of "
                f"range; a module has {width} channels"
            )
    if sum(block.count for block in blocks) > num_shifters:
        raise ChannelMapError(f"{path.name}: its blocks hold more than {num_shifters} shifters")
    counts = [block.count for block in blocks]
    step = np.concatenate([np.arange(count) for count in counts] or [np.arange(0)])

    def spread(values: list[int]) -> _Integers:
        return np.repeat(np.array(values, dtype=np.int64), counts)

    place = spread([block.first_channel for block in blocks]) + step
    module = spread([block.module for block in blocks]) + place // width
    return spread([block.first_id for block in blocks]) + step, module, place % width


def _check_range(
    ids: _Integers, module: _Integers, channel: _Integers, limits: ChannelFile
) -> None:
    most = MAX_NUMBER if limits.num_modules is None else limits.num_modules
    for name, values, limit in (
        ("module", module, most),
        ("channel", channel, limits.channels_per_module),
    ):
        is_wrong = (values < 0) | (values >= limit)
        if is_wrong.any():
            k = int(is_wrong.argmax())
            raise ChannelMapError(
                f"{name} {values[k]} of shifter {ids[k]} is out of range, 0 to {limit - 1}"
            )


def _order(ids: _Integers, num_shifters: int) -> _Integers:
    """Order in which every shifter from 0 on occurs once."""
    is_unknown = (ids < 0) | (ids >= num_shifters)
    if is_unknown.any():
        raise ChannelMapError(
            f"shifter {ids[is_unknown.argmax()]} is unknown; "
            f"the shifters are 0 to {num_shifters - 1}"
        )
    count = np.bincount(ids, minlength=num_shifters)
    if (count == 0).any():
        missing = int((count == 0).sum())
        raise ChannelMapError(
            f"shifter {int((count == 0).argmax())} has no channel ({missing} of them in all)"
        )
    if (count > 1).any():
        raise ChannelMapError(f"shifter {int((count > 1).argmax())} has two channels")
    return np.argsort(ids, kind="stable")
