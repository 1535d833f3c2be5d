"""Wiring of a mesh: which modes meet in which column, without any number on it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from photonic.checks import whole_number


class MeshColumn(NamedTuple):
    """One vertical slice of a mesh: interferometers that act at the same time."""

    mzis: slice
    """Range of its P interferometers in the arrays of the mesh."""
    modes: slice
    """Contiguous range of the 2 P modes they couple."""
    span: int
    """Distance of the two modes of a pair: the range, as (groups, 2, span), holds upper and lower
    modes; 1 for neighbours."""


@dataclass(frozen=True)
class MeshLayout:
    """Positions of the interferometers of a mesh of N modes.

    ``clements`` is the rectangle: column x couples (y, y + 1) for y = x mod 2, x mod 2 + 2, ...;
    N columns (a single one for N = 2). Universal.

    ``reck`` is the triangle with its long side on top: the k-th diagonal, k = 0 .. N - 2, couples
    (y, y + 1) for y = 0 .. N - 2 - k in column y + 2 k; 2 N - 3 columns, N - 1 - y interferometers
    on the pair (y, y + 1). Light that stays in mode N - 1 crosses one, in mode 0 it crosses N - 1.
    Universal.

    ``rectangular`` is the rectangle cut or continued to a given number of columns. It reaches every
    unitary from N columns on; ``fit_unitary`` finds settings for fewer.

    ``butterfly`` has the wiring of the fast Fourier transform: N a power of two, log2 N columns,
    and column x couples (y, y + 2^x). Its optics need waveguide crossings. Not universal for N > 2.

    Two layouts are equal if kind, number of modes and depth are.

    Args:
        kind: "clements", "reck", "rectangular" or "butterfly".
        num_modes: number N of waveguides, at least 1; a single mode has no interferometer.
        depth: number of columns of a rectangular mesh, at least 0; None for all other kinds.

    Raises:
        ValueError: for an unknown kind, fewer than one mode, a butterfly whose N is not a power of
            two, or a depth that is missing or out of place.

    Source: Clements et al., Optica 3, 1460 (2016); Reck et al., Phys. Rev. Lett. 73, 58 (1994).
    """

    kind: str
    """Name of the wiring."""
    num_modes: int
    """Number N of waveguides."""
    depth: int | None = None
    """Number of columns asked for; None where N decides."""
    column: NDArray[np.intp] = field(init=False, repr=False, compare=False)
    """(num_mzis,) column of each interferometer, ascending; read only."""
    mode: NDArray[np.intp] = field(init=False, repr=False, compare=False)
    """(num_mzis,) upper mode of each interferometer, ascending within a column; read only."""
    partner: NDArray[np.intp] = field(init=False, repr=False, compare=False)
    """(num_mzis,) lower mode of each interferometer; mode + 1 but in a butterfly; read only."""

    def __post_init__(self) -> None:
        if not isinstance(self.kind, str) or self.kind not in _WIRINGS:
            known = ", ".join(repr(kind) for kind in _WIRINGS)
            raise ValueError(f"`kind` must be one of {known}, got {self.kind!r}")
        object.__setattr__(self, "num_modes", whole_number("num_modes", self.num_modes, 1))
        object.__setattr__(self, "depth", _checked_depth(self.kind, self.depth))
        sites = list(_WIRINGS[self.kind](self.num_modes, self.depth))
        arrays = np.array(sites, dtype=np.intp).reshape(-1, 3).T.copy()
        for name, values in zip(("column", "mode", "partner"), arrays, strict=True):
            values.flags.writeable = False
            object.__setattr__(self, name, values)

    def __reduce__(self) -> tuple[type["MeshLayout"], tuple[str, int, int | None]]:
        """Copies are built anew, so that their arrays are read only too."""
        return MeshLayout, (self.kind, self.num_modes, self.depth)

    @classmethod
    def clements(cls, num_modes: int) -> "MeshLayout":
        """Rectangular mesh of ``num_modes`` waveguides that reaches every unitary."""
        return cls("clements", num_modes)

    @classmethod
    def reck(cls, num_modes: int) -> "MeshLayout":
        """Triangular mesh of ``num_modes`` waveguides."""
        return cls("reck", num_modes)

    @classmethod
    def rectangular(cls, num_modes: int, depth: int) -> "MeshLayout":
        """Rectangular mesh of ``num_modes`` waveguides and ``depth`` columns."""
        return cls("rectangular", num_modes, depth)

    @classmethod
    def butterfly(cls, num_modes: int) -> "MeshLayout":
        """Mesh of ``num_modes`` waveguides, a power of two, wired as the Fourier transform."""
        return cls("butterfly", num_modes)

    @property
    def num_mzis(self) -> int:
        """Number M of interferometers; N (N - 1) / 2 in the Clements and Reck meshes."""
        return len(self.mode)

    @property
    def num_columns(self) -> int:
        """Number of columns, the optical depth of the mesh."""
        return self.depth if self.depth is not None else len(self.columns())

    @property
    def is_universal(self) -> bool:
        """True if ``decompose`` finds settings for every unitary."""
        return self.kind in UNIVERSAL_KINDS

    def columns(self) -> tuple[MeshColumn, ...]:
        """Columns from input to output that hold an interferometer.

        Returns:
            One entry per column: its interferometers and the modes they couple. Modes outside that
            range pass the column untouched.
        """
        return _columns(self)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able description; ``from_dict`` restores an equal layout."""
        depth = {} if self.depth is None else {"depth": self.depth}
        return {"kind": self.kind, "num_modes": self.num_modes} | depth

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "MeshLayout":
        """Layout described by ``to_dict``.

        Raises:
            ValueError: if keys are missing or unknown, or a value is not valid.
        """
        keys = {"kind", "num_modes"}
        if not isinstance(data, Mapping) or not keys <= set(data) <= keys | {"depth"}:
            raise ValueError(f"needs the keys kind, num_modes and at most depth, got {data!r}")
        return cls(data["kind"], data["num_modes"], data.get("depth"))


UNIVERSAL_KINDS = ("clements", "reck")
"""Wirings that reach every unitary and have a direct decomposition."""

_Site = tuple[int, int, int]
"""Column, upper mode, lower mode."""


def _checked_depth(kind: str, depth: object) -> int | None:
    if kind == "rectangular":
        return whole_number("depth", depth, 0)
    if depth is not None:
        raise ValueError(f"`depth` belongs to rectangular meshes, not to {kind!r}")
    return None


def _rectangular_sites(num_modes: int, depth: int | None) -> Iterator[_Site]:
    if num_modes < 2:
        return
    for column in range(num_modes if depth is None else depth):
        for mode in range(column % 2, num_modes - 1, 2):
            yield column, mode, mode + 1


def _reck_sites(num_modes: int, depth: int | None) -> Iterator[_Site]:
    for column in range(2 * num_modes - 3):
        last = column - 2 * max(0, column - num_modes + 2)
        for mode in range(column % 2, last + 1, 2):
            yield column, mode, mode + 1


def _butterfly_sites(num_modes: int, depth: int | None) -> Iterator[_Site]:
    if num_modes & (num_modes - 1):
        raise ValueError(f"`num_modes` of a butterfly must be a power of two, got {num_modes}")
    for column in range(num_modes.bit_length() - 1):
        span = 1 << column
        for mode in range(num_modes):
            if not mode & span:
                yield column, mode, mode + span


_WIRINGS: dict[str, Callable[[int, int | None], Iterator[_Site]]] = {
    "clements": _rectangular_sites,
    "reck": _reck_sites,
    "rectangular": _rectangular_sites,
    "butterfly": _butterfly_sites,
}


@lru_cache(maxsize=256)
def _columns(layout: MeshLayout) -> tuple[MeshColumn, ...]:
    starts = np.flatnonzero(np.diff(layout.column, prepend=-1))
    stops = np.append(starts, layout.num_mzis)[1:]
    return tuple(
        MeshColumn(slice(first, stop), slice(top, top + 2 * (stop - first)), bottom - top)
        for first, stop, top, bottom in zip(
            starts.tolist(),
            stops.tolist(),
            layout.mode[starts].tolist(),
            layout.partner[starts].tolist(),
            strict=True,
        )
    )
