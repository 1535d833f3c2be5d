"""ChipExport: the settings of a chip in memory, as arrays with one entry per shifter."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from photonic.chipfile.records import Header, LayerGrid, ShifterTable
from photonic.drive_laws.families import Floats
from photonic.drive_laws.law_set import LawSet
from photonic.layout import MeshLayout
from photonic.mesh_state import MESHES

# Shapes: K shifters of a layer, R, C tiles, S shifters of a tile: K = R C S.

OK, STUCK, DEAD = 0, 1, 2
STATUS_NAMES = ("ok", "stuck", "dead")
"""Names of the numbers in ``LayerSettings.status``."""

SLOT_COLUMNS = ("matrix", "role", "mzi", "mesh_column", "top_mode")
"""Columns that repeat from tile to tile."""
VALUE_COLUMNS = (
    *("phase_rad", "phase_cmd_rad", "bias_rad", "drive_v", "drive_ma", "power_mw"),
    *("dac_code", "dac_module", "dac_channel", "law", "p1", "p2", "p3", "status"),
)
"""Columns of one value per shifter."""
COLUMNS = ("id", "layer", "tile_row", "tile_col", *SLOT_COLUMNS, *VALUE_COLUMNS)
"""Columns of the table of all shifters."""


@dataclass(frozen=True, eq=False)
class LayerSettings:
    """Settings of the K shifters of one layer."""

    grid: LayerGrid
    """Tile grid, wiring and scales."""
    laws: LawSet | None
    """Calibration laws; None if none is known."""
    phase_rad: Floats
    """(K,) [rad] phases that the light should meet, in [0, 2 pi)."""
    phase_cmd_rad: Floats
    """(K,) [rad] phases that the heaters are driven for, above their bias."""
    drive_v: Floats | None
    """(K,) [V], NaN where not known."""
    drive_ma: Floats | None
    """(K,) [mA], NaN where not known."""
    power_mw: Floats | None
    """(K,) [mW], NaN where not known."""
    dac_code: NDArray[np.int64] | None
    """(K,) converter codes."""
    dac_module: NDArray[np.int64]
    """(K,) driver modules."""
    dac_channel: NDArray[np.int64]
    """(K,) channels within the module."""
    status: NDArray[np.uint8]
    """(K,) OK, STUCK or DEAD."""
    clipped: NDArray[np.int64]
    """Ids whose phase was out of reach."""

    def __post_init__(self) -> None:
        # No file of any format says -0.0, which some readers take for a negative phase.
        for name in ("phase_rad", "phase_cmd_rad", "drive_v", "drive_ma", "power_mw"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, getattr(self, name) + 0.0)

    @property
    def name(self) -> str:
        """Name of the layer."""
        return self.grid.name

    @property
    def slots(self) -> ShifterTable:
        """Shifters of one tile."""
        return shifter_table(self.grid.u_layout.wiring(), self.grid.v_layout.wiring())

    @property
    def ids(self) -> NDArray[np.int64]:
        """(K,) numbers of the shifters on the chip."""
        return self.grid.first_id + np.arange(self.grid.num_shifters)

    @property
    def bias_rad(self) -> Floats:
        """(K,) [rad] phases without drive."""
        return np.zeros(self.grid.num_shifters) if self.laws is None else self.laws.bias_rad

    @property
    def drive(self) -> Floats | None:
        """(K,) [V or mA] the quantity of each law; None without laws."""
        if self.laws is None:
            return None
        if self.drive_v is None or self.drive_ma is None:
            return self.drive_ma if self.drive_v is None else self.drive_v
        return np.where(self.laws.is_current, self.drive_ma, self.drive_v)

    def name_of(self, place: int) -> str:
        """A shifter in words, by its place in the layer."""
        return shifter_name(self.grid, self.slots, place)

    def column(self, name: str) -> NDArray[Any] | None:
        """One of ``COLUMNS``, (K,); None if it is not known.

        Text columns hold str objects, and ``mzi`` holds int or None.
        """
        if name in SLOT_COLUMNS:
            kind = np.int64 if name in ("top_mode", "mesh_column") else object
            return np.tile(np.array(getattr(self.slots, name), kind), self.grid.num_tiles)
        if name in ("tile_row", "tile_col"):
            size = self.grid.num_shifters // self.grid.num_tiles
            place = divmod(np.repeat(np.arange(self.grid.num_tiles), size), self.grid.tile_cols)
            return place[0] if name == "tile_row" else place[1]
        if name == "layer":
            return np.full(self.grid.num_shifters, self.name, object)
        if name == "id":
            return self.ids
        if name == "status":
            return np.array(STATUS_NAMES, object)[self.status]
        if name in ("law", "p1", "p2", "p3"):
            if self.laws is None:
                return None
            return self.laws.law_names() if name == "law" else self.laws.coefficient(name)
        return getattr(self, name)

    def split(self, values: Floats) -> dict[str, Floats]:
        """(K,) values by mesh, (R, C, S of the mesh) each, contiguous."""
        return split_tiles(self.grid, values)


@dataclass(frozen=True, eq=False)
class ChipExport:
    """The settings of a chip, built or read."""

    header: Header
    """Conventions, hardware, provenance."""
    layers: tuple[LayerSettings, ...]
    """Settings, in the order of the network."""

    def column(self, name: str) -> NDArray[Any] | None:
        """One of ``COLUMNS`` for all shifters of the chip; None if no layer knows it."""
        parts = [layer.column(name) for layer in self.layers]
        if all(part is None for part in parts):
            return None
        sizes = [layer.grid.num_shifters for layer in self.layers]
        return np.concatenate(
            [
                np.full(n, np.nan) if part is None else part
                for part, n in zip(parts, sizes, strict=True)
            ]
        )


@lru_cache(maxsize=32)
def shifter_table(u_layout: MeshLayout, v_layout: MeshLayout) -> ShifterTable:
    """Shifters of one tile: V, sigma, U, each theta, phi, output (none for sigma).

    Args:
        u_layout: mesh that light meets last.
        v_layout: mesh that light meets first.
    """
    rank = min(u_layout.num_modes, v_layout.num_modes)
    sites = {
        "V": (v_layout.mode, v_layout.column, v_layout.num_modes, v_layout.num_columns),
        "sigma": (np.arange(rank), np.zeros(rank, dtype=int), 0, 1),
        "U": (u_layout.mode, u_layout.column, u_layout.num_modes, u_layout.num_columns),
    }
    table: dict[str, list[Any]] = {name: [] for name in ShifterTable.model_fields}
    for mesh in MESHES:
        mode, column, num_outputs, last = sites[mesh]
        count, kind = len(mode), "attenuator_" if mesh == "sigma" else ""
        table["matrix"] += [mesh] * (2 * count + num_outputs)
        table["role"] += [f"{kind}theta"] * count + [f"{kind}phi"] * count
        table["role"] += ["output"] * num_outputs
        table["mzi"] += [*range(count), *range(count), *[None] * num_outputs]
        table["top_mode"] += [*mode.tolist(), *mode.tolist(), *range(num_outputs)]
        table["mesh_column"] += [*column.tolist(), *column.tolist(), *[last] * num_outputs]
    return ShifterTable(**table)


def shifter_name(grid: LayerGrid, slots: ShifterTable, place: int) -> str:
    """A shifter in words: id, layer, tile, mesh, role, column and mode."""
    tile, slot = divmod(place, len(slots.role))
    row, col = divmod(tile, grid.tile_cols)
    return (
        f"shifter {grid.first_id + place} ({grid.name!r}, tile {row},{col}, "
        f"{slots.matrix[slot]} {slots.role[slot]}, column {slots.mesh_column[slot]}, "
        f"mode {slots.top_mode[slot]})"
    )


def mesh_sizes(grid: LayerGrid) -> dict[str, int]:
    """Shifters of each mesh of a tile."""
    sizes = {"sigma": 2 * grid.num_attenuators}
    for mesh, layout in (("V", grid.v_layout.wiring()), ("U", grid.u_layout.wiring())):
        sizes[mesh] = 2 * layout.num_mzis + layout.num_modes
    return {mesh: sizes[mesh] for mesh in MESHES}


def split_tiles(grid: LayerGrid, values: Floats) -> dict[str, Floats]:
    """(K,) values by mesh, (R, C, S of the mesh) each, contiguous."""
    tiles = values.reshape(grid.tile_rows, grid.tile_cols, -1)
    sizes = mesh_sizes(grid)
    ends = np.cumsum(list(sizes.values()))
    parts = np.split(tiles, ends[:-1], axis=-1)
    return {mesh: np.ascontiguousarray(part) for mesh, part in zip(sizes, parts, strict=True)}


def join_tiles(parts: dict[str, Floats]) -> Floats:
    """The inverse of ``split_tiles``: (K,) values."""
    return np.concatenate([parts[mesh] for mesh in MESHES], axis=-1).ravel()
