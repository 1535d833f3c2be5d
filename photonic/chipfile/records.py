"""The record of a programmed chip: what the JSON files hold, as validated models.

The JSON Schemas beside this file are generated from these models (``json_schemas``).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from photonic.drive_laws.branch import Branch
from photonic.drive_laws.records import LawRecord
from photonic.hardware import HardwareConfig
from photonic.layout import MeshLayout

BUNDLE_SCHEMA = "lightframe.chip-bundle"
LAYER_SCHEMA = "lightframe.chip-layer"
SCHEMA_VERSION = 3
MANIFEST_FILE = "manifest.json"
MANIFEST_HASH_FILE = "manifest.json.sha256"
CSV_FILE = "chip.csv"
HDF5_FILE = "chip.h5"

MAX_MODES = 4096
"""Modes of a mesh."""
MAX_SHIFTERS = 2**31 - 1
"""Shifters of a chip."""

_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Count = Annotated[int, Field(ge=1, le=MAX_SHIFTERS)]
_Index = Annotated[int, Field(ge=0, le=MAX_SHIFTERS)]
_NotNegative = Annotated[float, Field(ge=0)]


class ChipFileError(ValueError):
    """A chip file that must not be used; one line naming file and reason."""


class _Record(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        validate_by_name=True,
        validate_by_alias=True,
    )


class Convention(_Record):
    """Meaning of the phases; a file without this block is refused."""

    phi_side: Literal["in"]
    """The external phase phi acts before the interferometer."""
    arm: Literal["single"]
    """Both shifters sit on the upper arm alone."""
    cross_at_theta: Literal[0]
    """theta = 0 sends all light across."""
    mode_zero: Literal["top"]
    """Modes are counted from the top."""
    time_sign: Literal["+"]
    """A hotter path multiplies the field by exp(+i phi)."""
    output_screen: Literal[True]
    """A screen of output phases follows the last column."""


class Creator(_Record):
    """Program that wrote the files."""

    program: Literal["lightframe"]
    """Name of the program."""
    version: str | None
    """Version of the program."""
    commit: str | None
    """Commit of its source."""


class DriveWords(_Record):
    """Laws between phase, drive and code, in words and numbers."""

    drive: str
    """phase_cmd_rad from drive_v or drive_ma."""
    code: str
    """phase_cmd_rad or drive from dac_code."""
    crosstalk: str
    """phase_rad from phase_cmd_rad and bias_rad."""
    phase_full_scale_rad: float
    """Phase of the largest code of a phase-uniform converter."""


class DrawnChip(_Record):
    """The simulated device that the settings were calibrated on; it can be drawn again."""

    seed: Annotated[int, Field(ge=0)]
    """Seed of its draws."""
    index: _Index
    """Number of the chip within the calibration."""
    methods: list[str]
    """Remedies of the calibration."""
    weight_norm: list[_NotNegative]
    """Frobenius norm of the weights of each layer on this device: no other one has the same."""


class Layout(_Record):
    """Wiring of a mesh."""

    kind: str
    """clements, reck, rectangular or butterfly."""
    num_modes: Annotated[int, Field(ge=1, le=MAX_MODES)]
    """Number of waveguides."""
    depth: Annotated[int, Field(ge=0, le=4 * MAX_MODES)] | None = None
    """Columns of a rectangular mesh."""

    def wiring(self) -> MeshLayout:
        """The layout with its interferometers."""
        return _wiring(self.kind, self.num_modes, self.depth)


@lru_cache(maxsize=32)
def _wiring(kind: str, num_modes: int, depth: int | None) -> MeshLayout:
    return MeshLayout(kind, num_modes, depth)


class FileEntry(_Record):
    """A file of the folder, its size and its hash."""

    path: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}$")]
    """Plain file name."""
    num_bytes: _Index
    """Its size."""
    sha256: _Sha256
    """SHA-256 of its bytes."""


class LayerGrid(_Record):
    """One layer: its tile grid, wiring and scales."""

    name: str
    """Name of the layer."""
    first_id: _Index
    """Number of its first shifter; ids count over the layers, in each over tile rows, tile columns
    and the shifters of a tile."""
    num_shifters: _Count
    """Number of its shifters."""
    out_features: _Count
    """Rows of the weight."""
    in_features: _Count
    """Columns of the weight."""
    tile_rows: _Count
    """Tiles along the rows of the weight."""
    tile_cols: _Count
    """Tiles along its columns."""
    u_layout: Layout
    """Mesh that light meets last."""
    v_layout: Layout
    """Mesh that light meets first."""
    scale: list[list[_NotNegative]]
    """Digital factor of each tile, by tile row and tile column."""
    source_matrix_sha256: _Sha256
    """Hash of the target weight: float64, little endian, row by row."""

    @property
    def num_attenuators(self) -> int:
        """Attenuators per tile."""
        return min(self.u_layout.num_modes, self.v_layout.num_modes)

    @property
    def num_tiles(self) -> int:
        """Tiles of the layer."""
        return self.tile_rows * self.tile_cols


class LayerEntry(LayerGrid):
    """A layer with its file."""

    json_file: FileEntry
    """Settings of the layer, columnar."""


class Header(_Record):
    """What holds for all layers."""

    schema_name: Literal["lightframe.chip-bundle"] = Field(alias="schema")
    """Name of this format."""
    schema_version: Literal[3]
    """Version of this format."""
    created_by: Creator
    """Program that wrote the files."""
    provenance: dict[str, JsonValue]
    """What the caller says about the origin of the weights."""
    checkpoint_sha256: dict[str, _Sha256] | None
    """Hash of each file of the checkpoint; null if the weights come from elsewhere."""
    laws_sha256: _Sha256 | None
    """Hash of the calibration laws; null for the law of the data sheet."""
    channels_sha256: _Sha256 | None
    """Hash of the channel map; null for one driver module per tile."""
    convention: Convention
    """Meaning of the phases."""
    convention_text: list[str]
    """The same in words."""
    units: dict[str, str]
    """Meaning and unit of each column."""
    hardware: HardwareConfig
    """Description of the chip, with sources."""
    drive: DriveWords
    """Laws of the drive."""
    branch: Branch
    """Which of the drives with the same phase modulo 2 pi was chosen."""
    is_clipped: bool
    """Some phase was out of reach and was replaced by the nearest one: ``clipped`` of a layer."""
    chip: DrawnChip | None
    """Simulated device that the settings are calibrated for; null for the data sheet."""
    num_shifters: _Count
    """Shifters of all layers."""


class Manifest(Header):
    """Everything but the settings."""

    layers: list[LayerEntry]
    """Layers in the order of the network."""
    csv_file: FileEntry
    """All shifters, one per line."""
    hdf5_file: FileEntry | None
    """All shifters as HDF5 datasets; null if it was not asked for."""


class ShifterTable(_Record):
    """Shifters of one tile."""

    matrix: list[Literal["V", "sigma", "U"]]
    """Mesh that the shifter belongs to; sigma are the attenuators between V and U."""
    role: list[Literal["theta", "phi", "output", "attenuator_theta", "attenuator_phi"]]
    """Internal or external phase of an interferometer, or output phase."""
    mzi: list[_Index | None]
    """Interferometer within the mesh; null for the output phases."""
    top_mode: list[_Index]
    """(Upper) mode."""
    mesh_column: list[_Index]
    """Column; the output phases follow the last one."""


class Status(_Record):
    """Shifters that do not work, by id; all others are ok."""

    stuck: list[_Index]
    """Held at some phase, whatever is asked for."""
    dead: list[_Index]
    """Without heater; written with drive 0."""


class LayerRecord(_Record):
    """Settings of one layer; value lists run over tile rows, tile columns, shifters of a tile."""

    schema_name: Literal["lightframe.chip-layer"] = Field(alias="schema")
    """Name of this format."""
    schema_version: Literal[3]
    """Version of this format."""
    name: str
    """Name of the layer."""
    first_id: _Index
    """Number of the first shifter; the others follow."""
    shifters: ShifterTable
    """Shifters of one tile; all tiles of a layer are wired alike."""
    calibration: list[LawRecord]
    """Calibration laws with coefficients; empty if none is known. Later ones override earlier."""
    phase_rad: list[float]
    """Phase that the light should meet [rad], in [0, 2 pi)."""
    phase_cmd_rad: list[_NotNegative]
    """Phase that the heater is driven for [rad], above its bias; may exceed 2 pi."""
    bias_rad: float | list[float]
    """Phase without drive [rad]; one number if it is the same for all."""
    drive_v: list[_NotNegative | None] | None
    """Heater voltage [V]; null if it is not known."""
    drive_ma: list[_NotNegative | None] | None
    """Heater current [mA]; null if it is not known."""
    power_mw: list[_NotNegative | None] | None
    """Heater power [mW]; null if it is not known."""
    dac_code: list[Annotated[int, Field(ge=0)]] | None
    """Converter code; null if the drive is continuous."""
    dac_module: list[_Index]
    """Driver module."""
    dac_channel: list[_Index]
    """Channel within the module."""
    status: Status
    """Shifters that do not work."""
    clipped: list[_Index]
    """Ids whose phase was out of reach and was replaced by the nearest one."""


def layer_file(number: int, name: str) -> str:
    """Name of the JSON file of a layer, by its place in the network."""
    return f"{number:03d}_" + re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:80] + ".json"


def json_schemas() -> dict[str, dict[str, Any]]:
    """JSON Schema of the manifest and of a layer file, by name of the shipped schema file."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {
        "manifest.schema.json": dialect | Manifest.model_json_schema(),
        "layer.schema.json": dialect | LayerRecord.model_json_schema(),
    }
