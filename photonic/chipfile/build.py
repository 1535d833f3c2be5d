"""Building of an export: the settings of all shifters of a network, in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from photonic.channel_map import ChannelMap
from photonic.chip import Chip
from photonic.chipfile.inputs import channels_sha256, laws_sha256
from photonic.chipfile.layer import ChipExport, LayerSettings
from photonic.chipfile.rebuild import weights_on_chip
from photonic.chipfile.records import (
    BUNDLE_SCHEMA,
    SCHEMA_VERSION,
    ChipFileError,
    DrawnChip,
    Header,
    LayerGrid,
)
from photonic.chipfile.settings import LayerRequest, layer_settings
from photonic.chipfile.words import CONVENTION, CONVENTION_TEXT, UNITS, drive_words
from photonic.drive_laws.branch import Branch, HeaterSettings, shortfall
from photonic.drive_laws.law_set import LawSet, data_sheet_laws
from photonic.drive_laws.records import LawRecord
from photonic.hardware import HardwareConfig, first_problem
from photonic.mesh_state import Commands
from photonic.program import Program, check_names


@dataclass(frozen=True, eq=False)
class CalibratedChip:
    """What a calibration found out: heater phases for one drawn device."""

    chip: Chip
    """Device."""
    commands: Mapping[str, Commands]
    """By layer."""
    methods: Sequence[str]
    """Remedies that were applied."""


@dataclass(frozen=True, eq=False)
class ExportOptions:
    """Rules by which phases become drives."""

    laws: Sequence[LawRecord] | None = None
    """Measured calibration laws; None takes the law of the data sheet."""
    channels: ChannelMap | None = None
    """Channels of all shifters; None gives each tile a driver module of its own."""
    present: ChipExport | None = None
    """Present settings, to take the nearest branch; None takes the branch of lowest power."""
    is_clipped: bool = False
    """Take the nearest reachable phase where a phase is out of reach, as hardware with
    ``is_drive_clipped`` always does."""
    calibrated: CalibratedChip | None = None
    """Heater phases of a calibration, in place of those of the data sheet."""

    @property
    def branch(self) -> Branch:
        """The rule for phases that several drives give."""
        return "lowest_power" if self.present is None else "nearest"


@dataclass(frozen=True, eq=False)
class Origin:
    """Where the weights come from."""

    provenance: Mapping[str, Any] = field(default_factory=dict)
    """Anything JSON holds; ``version`` and ``commit`` become ``created_by``."""
    checkpoint_sha256: Mapping[str, str] | None = None
    """Hash of each file of the checkpoint."""
    weights: Mapping[str, Tensor] | None = None
    """By layer, the (out_features, in_features) weights that were mapped; None takes those that
    the programs give back within rounding."""


def build_export(
    programs: Sequence[Program],
    hardware: HardwareConfig,
    origin: Origin = Origin(),
    options: ExportOptions = ExportOptions(),
) -> ChipExport:
    """Settings of all phase shifters of a network.

    Args:
        programs: one per layer, with different names.
        hardware: chip that the settings are for.
        origin: of the weights.
        options: laws, channels, branch, clipping, calibration.

    Returns:
        The settings; ``write_export`` writes them.

    Raises:
        ValueError: if names repeat, options exclude each other, or a mesh is too large.
        DriveLawError: if a law is refused, or no allowed drive reaches a phase; names the shifter.
        ChipFileError: if the provenance is not JSON.
    """
    _check(programs, hardware, options)
    grids = _grids(programs, options.calibrated, origin.weights)
    total = sum(grid.num_shifters for grid in grids)
    if options.laws is None:
        laws = data_sheet_laws(hardware, 0, total)
    else:
        laws = LawSet.of(options.laws, 0, total).within(hardware)
    channels = options.channels or ChannelMap.default(
        [grid.num_shifters // grid.num_tiles for grid in grids], [grid.num_tiles for grid in grids]
    )
    if len(channels.module) != total:
        raise ValueError(f"the channel map is for {len(channels.module)} shifters, not {total}")
    found = [
        _layer(program, grid, hardware, laws, channels, options)
        for program, grid in zip(programs, grids, strict=True)
    ]
    short = shortfall((heater, layer.name_of) for layer, heater in found)
    if short is not None and not (options.is_clipped or hardware.is_drive_clipped):
        short.refuse()
    layers = tuple(layer for layer, _ in found)
    return ChipExport(_header(hardware, origin, options, layers), layers)


def matrix_sha256(weight: Tensor) -> str:
    """SHA-256 of a matrix as float64, little endian, row by row."""
    array = weight.detach().cpu().numpy().astype("<f8")
    return hashlib.sha256(array.tobytes()).hexdigest()


def _check(programs: Sequence[Program], hardware: HardwareConfig, options: ExportOptions) -> None:
    if not programs:
        raise ValueError("`programs` must hold at least one layer")
    check_names(programs)
    if options.calibrated is not None and options.laws is not None:
        raise ValueError("a calibration knows its heaters: it takes no measured laws")
    if options.present is None:
        return
    if hardware.is_precompensated or options.calibrated is not None:
        raise ValueError(
            "the nearest branch needs phases that are free by whole turns; "
            "commands solved for crosstalk or found by a calibration are not"
        )
    shapes = [(p.name, p.num_phase_shifters) for p in programs]
    present = [(layer.name, layer.grid.num_shifters) for layer in options.present.layers]
    if shapes != present:
        raise ValueError("the present settings are of other layers than those to export")


def _layer(
    program: Program,
    grid: LayerGrid,
    hardware: HardwareConfig,
    laws: LawSet | None,
    channels: ChannelMap,
    options: ExportOptions,
) -> tuple[LayerSettings, HeaterSettings]:
    part = slice(grid.first_id, grid.first_id + grid.num_shifters)
    known, present = options.calibrated, None
    if options.present is not None:
        present = {layer.name: layer.phase_cmd_rad for layer in options.present.layers}
    request = LayerRequest(
        program=program,
        hardware=hardware,
        laws=None if laws is None else laws.part(grid.first_id, grid.num_shifters),
        module=channels.module[part],
        channel=channels.channel[part],
        present=None if present is None else present[program.name],
        commands=None if known is None else known.commands[program.name],
        chip=None if known is None else known.chip,
    )
    return layer_settings(request, grid)


def _grids(
    programs: Sequence[Program],
    known: CalibratedChip | None,
    weights: Mapping[str, Tensor] | None,
) -> list[LayerGrid]:
    grids, first_id = [], 0
    for program in programs:
        weight = program.weight() if weights is None else weights[program.name]
        tile_rows, tile_cols = program.grid_shape
        scale = program.scale if known is None else known.commands[program.name].scale
        grids.append(
            LayerGrid.model_validate(
                {
                    "name": program.name,
                    "first_id": first_id,
                    "num_shifters": program.num_phase_shifters,
                    "out_features": program.out_features,
                    "in_features": program.in_features,
                    "tile_rows": tile_rows,
                    "tile_cols": tile_cols,
                    "u_layout": program.u_layout.to_dict(),
                    "v_layout": program.v_layout.to_dict(),
                    "scale": (scale + 0.0).tolist(),
                    "source_matrix_sha256": matrix_sha256(weight),
                }
            )
        )
        first_id += program.num_phase_shifters
    return grids


def _header(
    hardware: HardwareConfig,
    origin: Origin,
    options: ExportOptions,
    layers: Sequence[LayerSettings],
) -> Header:
    rest = dict(origin.provenance)
    creator = {key: rest.pop(key, None) for key in ("version", "commit")}
    known, hashes = options.calibrated, origin.checkpoint_sha256
    try:
        return Header.model_validate(
            {
                "schema": BUNDLE_SCHEMA,
                "schema_version": SCHEMA_VERSION,
                "created_by": {"program": "lightframe", **creator},
                "provenance": rest,
                "checkpoint_sha256": None if hashes is None else dict(hashes),
                "laws_sha256": laws_sha256(layers, hardware),
                "channels_sha256": channels_sha256(layers),
                "convention": CONVENTION.model_dump(),
                "convention_text": CONVENTION_TEXT,
                "units": UNITS,
                "hardware": hardware.model_dump(),
                "drive": drive_words(hardware).model_dump(),
                "branch": options.branch,
                "is_clipped": any(len(layer.clipped) for layer in layers),
                "chip": None if known is None else _drawn(known, layers).model_dump(),
                "num_shifters": sum(layer.grid.num_shifters for layer in layers),
            }
        )
    except ValidationError as error:
        raise ChipFileError(f"export: {first_problem(error)}") from error


def _drawn(known: CalibratedChip, layers: Sequence[LayerSettings]) -> DrawnChip:
    chip = known.chip
    norms = [torch.linalg.norm(weight).item() for weight in weights_on_chip(layers, chip).values()]
    return DrawnChip(
        seed=chip.seed, index=chip.index, methods=list(known.methods), weight_norm=norms
    )
