"""Draws from the streams of several keys at once: one effect on the meshes of all layers."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from photonic.kernels.normals import fill_normals, fill_uniforms
from photonic.kernels.ziggurat import ziggurat


class Draws(Protocol):
    """What an effect asks for: a numpy generator, or the streams of several keys."""

    def normal(self, loc: float, scale: float, size: tuple[int, ...]) -> NDArray[np.float64]:
        """``size`` normal numbers of mean ``loc`` and standard deviation ``scale``."""

    def uniform(self, low: float, high: float, size: tuple[int, ...]) -> NDArray[np.float64]:
        """``size`` numbers from ``low`` to ``high``."""


class KeyedStreams:
    """The beginnings of several streams, one after another along the first dimension of a draw.

    Bits are those that ``keyed_generator`` gives for each key in its first draw. Every draw begins
    anew: an effect that draws twice needs two keys.

    Args:
        keys: of ``stream_key``.
        counts: entries of the first dimension that belong to each key.
    """

    def __init__(self, keys: Sequence[bytes], counts: Sequence[int]) -> None:
        self._keys = np.frombuffer(b"".join(keys), "<u8").astype(np.uint64).reshape(-1, 2)
        self._starts = np.cumsum((0, *counts), dtype=np.uint64)

    def normal(self, loc: float, scale: float, size: tuple[int, ...]) -> NDArray[np.float64]:
        """``size`` numbers loc + scale n, n normal; size[0] is the sum of the counts."""
        output, bounds = self._room(size)
        fill_normals(self._keys, bounds, (float(loc), float(scale)), output.reshape(-1), ziggurat())
        return output

    def uniform(self, low: float, high: float, size: tuple[int, ...]) -> NDArray[np.float64]:
        """``size`` numbers from [low, high); size[0] is the sum of the counts."""
        output, bounds = self._room(size)
        fill_uniforms(self._keys, bounds, (float(low), float(high - low)), output.reshape(-1))
        return output

    def _room(self, size: tuple[int, ...]) -> tuple[NDArray[np.float64], NDArray[np.uint64]]:
        """An array of a size, and where the numbers of each key begin and end in it."""
        output = np.empty(size)
        per_row = np.uint64(output[:1].size)
        return output, self._starts * per_row
