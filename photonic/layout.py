"""Wiring of a mesh: which neighbouring modes meet in which column, without any number on it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class MeshColumn(NamedTuple):
    """One vertical slice of a mesh: interferometers that act at the same time."""

    mzis: slice
    """Range of its P interferometers in the arrays of the mesh."""
    modes: slice
    """Contiguous range of the 2 P modes they couple: pairs (start, start + 1), (start + 2, ...)."""


@dataclass(frozen=True)
class MeshLayout:
    """Positions of the N (N - 1) / 2 interferometers of a universal mesh.

    ``clements`` is the rectangle: column x couples (y, y + 1) for y = x mod 2, x mod 2 + 2, ...;
    N columns (a single one for N = 2).

    ``reck`` is the triangle with its long side on top: the k-th diagonal, k = 0 .. N - 2, couples
    (y, y + 1) for y = 0 .. N - 2 - k in column y + 2 k; 2 N - 3 columns, N - 1 - y interferometers
    on the pair (y, y + 1). Light that stays in mode N - 1 crosses one, in mode 0 it crosses N - 1.

    Two layouts are equal if kind and number of modes are.

    Args:
        kind: "clements" or "reck".
        num_modes: number N of waveguides, at least 1; a single mode has no interferometer.

    Raises:
        ValueError: for an unknown kind or fewer than one mode.

    Source: Clements et al., Optica 3, 1460 (2016); Reck et al., Phys. Rev. Lett. 73, 58 (1994).
    """

    kind: str
    """Name of the wiring."""
    num_modes: int
    """Number N of waveguides."""
    column: NDArray[np.intp] = field(init=False, repr=False, compare=False)
    """(num_mzis,) column of each interferometer, ascending; read only."""
    mode: NDArray[np.intp] = field(init=False, repr=False, compare=False)
    """(num_mzis,) upper mode of each interferometer, ascending within a column; read only."""

    def __post_init__(self) -> None:
        if not isinstance(self.kind, str) or self.kind not in _WIRINGS:
            known = ", ".join(repr(kind) for kind in _WIRINGS)
            raise ValueError(f"`kind` must be one of {known}, got {self.kind!r}")
        if not _is_integer(self.num_modes) or self.num_modes < 1:
            raise ValueError(f"`num_modes` must be an integer >= 1, got {self.num_modes!r}")
        object.__setattr__(self, "num_modes", int(self.num_modes))
        sites = np.array(list(_WIRINGS[self.kind](self.num_modes)), dtype=np.intp).reshape(-1, 2)
        for name, values in zip(("column", "mode"), sites.T.copy(), strict=True):
            values.flags.writeable = False
            object.__setattr__(self, name, values)

    @classmethod
    def clements(cls, num_modes: int) -> "MeshLayout":
        """Rectangular mesh of ``num_modes`` waveguides."""
        return cls("clements", num_modes)

    @classmethod
    def reck(cls, num_modes: int) -> "MeshLayout":
        """Triangular mesh of ``num_modes`` waveguides."""
        return cls("reck", num_modes)

    @classmethod
    def from_name(cls, kind: str, num_modes: int) -> "MeshLayout":
        """Mesh of the given kind, "clements" or "reck"."""
        return cls(kind, num_modes)

    @property
    def num_mzis(self) -> int:
        """Number of interferometers, N (N - 1) / 2."""
        return self.num_modes * (self.num_modes - 1) // 2

    @property
    def num_columns(self) -> int:
        """Number of columns, the optical depth of the mesh."""
        return len(self.columns())

    def columns(self) -> tuple[MeshColumn, ...]:
        """Columns from input to output.

        Returns:
            One entry per column: the slice of its interferometers and the range of modes they
            couple. Modes outside that range pass the column untouched.
        """
        return _columns(self)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able description; ``from_dict`` restores an equal layout."""
        return {"kind": self.kind, "num_modes": self.num_modes}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "MeshLayout":
        """Layout described by ``to_dict``.

        Raises:
            ValueError: if keys are missing or unknown, or a value is not valid.
        """
        if not isinstance(data, Mapping) or set(data) != {"kind", "num_modes"}:
            raise ValueError(f"a layout needs exactly the keys kind and num_modes, got {data!r}")
        return cls(data["kind"], data["num_modes"])


def _is_integer(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _clements_sites(num_modes: int) -> Iterator[tuple[int, int]]:
    for column in range(num_modes):
        for mode in range(column % 2, num_modes - 1, 2):
            yield column, mode


def _reck_sites(num_modes: int) -> Iterator[tuple[int, int]]:
    for column in range(2 * num_modes - 3):
        last = column - 2 * max(0, column - num_modes + 2)
        for mode in range(column % 2, last + 1, 2):
            yield column, mode


_WIRINGS: dict[str, Callable[[int], Iterator[tuple[int, int]]]] = {
    "clements": _clements_sites,
    "reck": _reck_sites,
}


@lru_cache(maxsize=64)
def _columns(layout: MeshLayout) -> tuple[MeshColumn, ...]:
    starts = np.flatnonzero(np.diff(layout.column, prepend=-1))
    stops = np.append(starts, layout.num_mzis)[1:]
    return tuple(
        MeshColumn(slice(first, stop), slice(top, top + 2 * (stop - first)))
        for first, stop, top in zip(
            starts.tolist(), stops.tolist(), layout.mode[starts].tolist(), strict=True
        )
    )
