"""The neutral record of a programmed chip: what the JSON files hold, as validated models.

The JSON Schemas beside this file are generated from these models (``json_schemas``).
"""

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from photonic.drive import phase_full_scale
from photonic.hardware import HardwareConfig
from photonic.layout import MeshLayout
from photonic.mesh_state import MESHES

PROGRAM_SCHEMA = "lightframe.chip-program"
LAYER_SCHEMA = "lightframe.chip-layer"
SCHEMA_VERSION = 1
MANIFEST_FILE = "manifest.json"
MANIFEST_HASH_FILE = "manifest.json.sha256"

CSV_COLUMNS = (
    *("id", "column", "mode", "role", "phase_rad", "phase_cmd_rad", "voltage_v", "dac_code"),
    *("channel", "tile_row", "tile_col", "mesh", "mzi"),
)
"""Columns of a layer's CSV file; voltage_v, dac_code and mzi may be empty."""

UNITS = {
    "phase_rad": "rad, target phase in [0, 2 pi)",
    "phase_cmd_rad": "rad, commanded phase, solved for crosstalk if the hardware says so",
    "voltage_v": "V, null if the drive law is not known",
    "dac_code": "integer, null if the drive is continuous",
    "channel": "index within one tile: V, sigma, U, each theta, phi, out",
    "scale": "factor of Re(U diag(sigma) V), by tile row and tile column",
}

_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Count = Annotated[int, Field(ge=1)]
_Index = Annotated[int, Field(ge=0)]


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


CONVENTION = Convention(
    phi_side="in",
    arm="single",
    cross_at_theta=0,
    mode_zero="top",
    time_sign="+",
    output_screen=True,
)


class Creator(_Record):
    """Program that wrote the files."""

    program: str
    """Name of the program."""
    version: str | None
    """Version of the program."""
    commit: str | None
    """Commit of its source."""


class DriveLaw(_Record):
    """Laws between phase, voltage and code, in words and numbers."""

    voltage: str
    """phase_cmd_rad from voltage_v."""
    code: str
    """phase_cmd_rad from dac_code."""
    crosstalk: str
    """phase_rad from phase_cmd_rad."""
    phase_full_scale_rad: float
    """Phase of the largest code of a phase-uniform converter."""


class Layout(_Record):
    """Wiring of a mesh."""

    kind: str
    """clements or reck."""
    num_modes: _Count
    """Number of waveguides."""

    def wiring(self) -> MeshLayout:
        """The layout with its interferometers."""
        return MeshLayout(self.kind, self.num_modes)


class FileEntry(_Record):
    """A file of the folder and its hash."""

    path: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$")]
    """Plain file name."""
    sha256: _Sha256
    """SHA-256 of its bytes."""


class LayerEntry(_Record):
    """One layer: its tile grid, wiring, scales and files."""

    name: str
    """Name of the layer."""
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
    scale: list[list[Annotated[float, Field(ge=0)]]]
    """Digital factor of each tile."""
    source_matrix_sha256: _Sha256
    """Hash of the target weight: float64, little endian, row by row."""
    json_file: FileEntry
    """Settings, columnar."""
    csv_file: FileEntry
    """The same settings, one shifter per line."""

    @property
    def num_attenuators(self) -> int:
        """Attenuators per tile."""
        return min(self.u_layout.num_modes, self.v_layout.num_modes)


class Manifest(_Record):
    """Everything but the settings."""

    schema_name: Literal["lightframe.chip-program"] = Field(alias="schema")
    """Name of this format."""
    schema_version: Literal[1]
    """Version of this format."""
    created_by: Creator
    """Program that wrote the files."""
    provenance: dict[str, JsonValue]
    """What the caller says about the origin of the weights."""
    units: dict[str, str]
    """Meaning of each column."""
    convention: Convention
    """Meaning of the phases."""
    hardware: HardwareConfig
    """Description of the chip, with sources."""
    drive: DriveLaw
    """Laws of the drive."""
    layers: list[LayerEntry]
    """Layers in the order of the network."""


class ShifterTable(_Record):
    """Shifters of one tile, in the order of the channels."""

    mesh: list[Literal["V", "sigma", "U"]]
    """Mesh that the shifter belongs to."""
    role: list[Literal["theta", "phi", "out"]]
    """Internal, external or output phase."""
    mzi: list[_Index | None]
    """Interferometer within the mesh; null for the output screen."""
    mode: list[_Index]
    """(Upper) mode."""
    column: list[_Index]
    """Column; the output screen follows the last one."""


class LayerRecord(_Record):
    """Settings of one layer; value lists run over tile rows, tile columns, channels."""

    schema_name: Literal["lightframe.chip-layer"] = Field(alias="schema")
    """Name of this format."""
    schema_version: Literal[1]
    """Version of this format."""
    name: str
    """Name of the layer."""
    shifters: ShifterTable
    """Shifters of one tile."""
    phase_rad: list[float]
    """Target phases."""
    phase_cmd_rad: list[float]
    """Commanded phases."""
    voltage_v: list[float] | None
    """Heater voltages."""
    dac_code: list[_Index] | None
    """Converter codes."""


_CROSSTALK = {
    "lattice": "U, V: phase_rad = phase_cmd_rad + crosstalk (sum over neighbours), modulo 2 pi",
    "distance": "U, V: phase_rad = Omega phase_cmd_rad, modulo 2 pi, Omega by the law of distance",
    "matrix": "U, V: phase_rad = crosstalk_rows phase_cmd_rad, modulo 2 pi",
}


def drive_law(hardware: HardwareConfig) -> DriveLaw:
    """The laws of a hardware, written out for readers without this program."""
    law = "phase_cmd_rad = pi (voltage_v/v_pi_v)^2"
    if hardware.heater_quadratic_rad_per_v2 is not None:
        law = (
            "phase_cmd_rad = heater_quadratic_rad_per_v2 voltage_v^2 "
            "+ heater_quartic_rad_per_v4 voltage_v^4"
        )
    if hardware.dac_bits is None:
        code = "none: the drive is continuous"
    elif hardware.dac_mode == "voltage":
        code = "voltage_v = v_max_v dac_code/(2^dac_bits - 1)"
    else:
        code = "phase_cmd_rad = phase_full_scale_rad dac_code/(2^dac_bits - 1)"
    return DriveLaw(
        voltage=law if hardware.has_drive_law else "not known",
        code=code,
        crosstalk=_CROSSTALK[hardware.crosstalk_law]
        if hardware.is_precompensated
        else "phase_rad = phase_cmd_rad",
        phase_full_scale_rad=phase_full_scale(hardware),
    )


def shifter_table(u_layout: MeshLayout, v_layout: MeshLayout) -> ShifterTable:
    """Shifters of one tile: V, sigma, U, each theta, phi, out (none for sigma).

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
        count = len(mode)
        table["mesh"] += [mesh] * (2 * count + num_outputs)
        table["role"] += ["theta"] * count + ["phi"] * count + ["out"] * num_outputs
        table["mzi"] += [*range(count), *range(count), *[None] * num_outputs]
        table["mode"] += [*mode.tolist(), *mode.tolist(), *range(num_outputs)]
        table["column"] += [*column.tolist(), *column.tolist(), *[last] * num_outputs]
    return ShifterTable(**table)


def json_schemas() -> dict[str, dict[str, Any]]:
    """JSON Schema of the manifest and of a layer file, by name of the shipped schema file."""
    return {
        "manifest.schema.json": Manifest.model_json_schema(),
        "layer.schema.json": LayerRecord.model_json_schema(),
    }
