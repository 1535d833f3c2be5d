"""Hashes of what was given beside the weights: calibration laws and the channel map.

Both follow from the settings themselves. Null stands for what the hardware description and the tile
grids decide, so that a bundle without a hash can be checked against them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import orjson

from photonic.channel_map import ChannelMap
from photonic.chipfile.layer import LayerSettings
from photonic.drive_laws.law_set import LawSet, data_sheet_laws
from photonic.hardware import HardwareConfig

_SAME = 1e-12
"""Relative difference of numbers of a data sheet; rounding of a root gives about 1e-16."""


def laws_sha256(layers: Sequence[LayerSettings], hardware: HardwareConfig) -> str | None:
    """SHA-256 of the calibration laws of all shifters as JSON; None for those of the data sheet."""
    # One law for all shifters has the same text for any number of them.
    sheet = _texts(data_sheet_laws(hardware, 0, 1))
    records = [_texts(layer.laws) for layer in layers]
    is_measured = not all(_is_same(texts, sheet) for texts in records)
    return hashlib.sha256(orjson.dumps(records)).hexdigest() if is_measured else None


def channels_sha256(layers: Sequence[LayerSettings]) -> str | None:
    """SHA-256 of modules and channels; None for one module per tile.

    Of each layer all modules, then all channels, as 64-bit integers, little endian.
    """
    grids = [layer.grid for layer in layers]
    default = ChannelMap.default(
        [grid.num_shifters // grid.num_tiles for grid in grids], [grid.num_tiles for grid in grids]
    )
    digest, first, is_given = hashlib.sha256(), 0, False
    for layer in layers:
        part = slice(first, first + layer.grid.num_shifters)
        first = part.stop
        for given, known in (
            (layer.dac_module, default.module),
            (layer.dac_channel, default.channel),
        ):
            digest.update(given.astype("<i8").tobytes())
            is_given |= not np.array_equal(given, known[part])
    return digest.hexdigest() if is_given else None


def _texts(laws: LawSet | None) -> list[dict[str, object]]:
    """Text form of the laws of a layer, with everything that is stated."""
    records = [] if laws is None else laws.to_records()
    return [record.model_dump(exclude_none=True) for record in records]


def _is_same(given: list[dict[str, object]], sheet: list[dict[str, object]]) -> bool:
    """True if both hold the same words, and numbers that are equal within rounding."""
    return len(given) == len(sheet) and all(
        one.keys() == two.keys() and all(_agree(one[key], two[key]) for key in two)
        for one, two in zip(given, sheet, strict=True)
    )


def _agree(given: object, known: object) -> bool:
    if isinstance(given, float) and isinstance(known, float):
        return abs(given - known) <= _SAME * abs(known)
    return given == known
