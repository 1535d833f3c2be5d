"""Chip bundles of mapped models: export, and the way back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from experiments.bundle_origin import BundleOrigin, CalibrationOrigin, checkpoint_sha256
from experiments.bundle_verification import target_weights, verify_bundle
from experiments.calibration import Calibration, load_calibration
from experiments.mapped import CHECKPOINT_DIR, MappedModel, load_mapped, save_mapped
from experiments.output import refuse_existing
from experiments.record import RunRecord
from photonic import Chip
from photonic.channel_map import ChannelMap, load_channel_map
from photonic.chipfile import (
    CalibratedChip,
    ChipExport,
    ClippedLayer,
    ExportOptions,
    Format,
    FormatOptions,
    Origin,
    build_export,
    checked_export,
    clipping_loss,
    measured_phases,
    program_of_layer,
    write_format,
)
from photonic.chipfile.formats import QONTROL_CHANNELS
from photonic.drive_laws import load_laws
from photonic.export_formats.qontrol_chain import ModuleKind
from photonic.files import new_folder


@dataclass(frozen=True)
class ExportRequest:
    """What ``lightframe export`` is asked for, beside the mapped model."""

    laws: Path | None = None
    """File with measured calibration laws."""
    channels: Path | None = None
    """Channel map."""
    present: Path | None = None
    """Bundle with the present settings, for the nearest branch."""
    is_clipped: bool = False
    """Take the nearest phase where one is out of reach."""
    calibration: Path | None = None
    """Directory written by calibrate."""
    chip: int = 0
    """Its chip."""
    has_table: bool | None = None
    """Write chip.h5; None if h5py is installed."""
    format: Format = "bundle"
    """Files to write."""
    tile: tuple[int, int] | None = None
    """Row and column of the only tile wanted of each layer, for circuits and netlists."""
    module_kind: ModuleKind | None = None
    """Kind of the Qontrol modules; None takes that of the channel map."""
    is_current_converted: bool = False
    """Drive heaters that are calibrated in mA by the voltage over their resistance (NI-DAQmx)."""

    def format_options(self, channels: ChannelMap | None) -> FormatOptions:
        """Options of the format, with the kind of driver modules that the channel map states.

        Raises:
            ValueError: if the request and the channel map state different kinds.
        """
        stated = None if channels is None else channels.module_kind
        if stated is not None and self.module_kind not in (None, stated):
            raise ValueError(
                f"{self.channels} is for modules {stated}, --module-kind says {self.module_kind}"
            )
        kind = self.module_kind or (stated if self.format == "qontrol" else None)
        return FormatOptions(
            tile=self.tile,
            has_table=self.has_table,
            module_kind=kind,
            is_current_converted=self.is_current_converted,
        )


def build_bundle(directory: Path, request: ExportRequest, command: str) -> ChipExport:
    """The settings of a mapped model.

    Args:
        directory: mapped model.
        request: laws, channels, branch, calibration.
        command: recorded in the provenance.

    Raises:
        ValueError: if an input cannot be used, or a phase is out of reach.
    """
    return _built(directory, request, command)[0]


def _built(
    directory: Path, request: ExportRequest, command: str
) -> tuple[ChipExport, ChannelMap | None]:
    """The settings, and the channel map that the user named."""
    mapped = load_mapped(directory)
    calibration, hardware = None, mapped.hardware
    if request.calibration is not None:
        calibration = load_calibration(request.calibration, mapped)
        hardware = calibration.config.hardware
    total = sum(program.num_phase_shifters for program in mapped.programs.values())
    options = ExportOptions(
        laws=None if request.laws is None else load_laws(request.laws),
        channels=_channels(request, total),
        present=None if request.present is None else checked_export(request.present),
        is_clipped=request.is_clipped,
        calibrated=None if calibration is None else _calibrated_chip(calibration, request.chip),
    )
    origin = Origin(
        _provenance(mapped, command, calibration, request.chip),
        checkpoint_sha256(directory / CHECKPOINT_DIR),
        target_weights(mapped.model),
    )
    export = build_export(list(mapped.programs.values()), hardware, origin, options)
    return export, options.channels


def export_bundle(
    directory: Path,
    request: ExportRequest,
    out: Path,
    command: str,
    on_step: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[ChipExport, list[ClippedLayer]]:
    """Write the settings of a mapped model, as a bundle or in another format.

    Args:
        directory: mapped model.
        request: laws, channels, branch, calibration, format.
        out: folder to create.
        command: recorded in the provenance.
        on_step: as in ``write_format``.

    Returns:
        The settings, and what clipping costs.

    Raises:
        FileExistsError: if ``out`` exists.
        ValueError: as ``build_bundle``.
    """
    refuse_existing(out)
    export, channels = _built(directory, request, command)
    write_format(export, out, request.format, request.format_options(channels), on_step=on_step)
    return export, clipping_loss(export)


def import_bundle(
    source: Path,
    out: Path,
    checkpoint: str | None,
    command: str,
    like: Path | None = None,
    manifest_sha256: str | None = None,
) -> tuple[MappedModel, int]:
    """A mapped model from a bundle, or from measured settings.

    A bundle must pass ``verify_bundle``. Of a calibrated chip the settings become targets; the chip
    itself is not kept.

    Args:
        source: bundle, or CSV file with the columns id and one of phase_rad, drive_v and drive_ma.
        out: directory to create.
        checkpoint: network that the bundle was made of; None looks among the shipped ones.
        command: recorded in the provenance.
        like: bundle that a CSV file changes.
        manifest_sha256: hash of the manifest that was kept elsewhere; None if none was.

    Returns:
        The mapped model, and the number of shifters that were read.

    Raises:
        FileExistsError: if ``out`` exists.
        ChipFileError: if the source cannot be used.
        ValueError: if the checkpoint is another one, or its weights are not those of the bundle.
    """
    refuse_existing(out)
    is_table = source.suffix.lower() == ".csv"
    if is_table == (like is None):
        raise ValueError(
            f"{source} holds settings alone: name the bundle they belong to with --like"
            if is_table
            else "--like belongs to measured settings from a CSV file"
        )
    bundle = like if like is not None else source
    report = verify_bundle(
        bundle, checkpoint, manifest_sha256=manifest_sha256, has_prediction=False
    )
    export, origin = report.verification.export, report.origin
    phases, count = {}, export.header.num_shifters
    if is_table:
        phases, count = measured_phases(export, source)
    programs = {
        layer.name: program_of_layer(layer, phases.get(layer.name)) for layer in export.layers
    }
    hardware, chip = export.header.hardware, export.header.chip
    config = {
        "checkpoint": report.checkpoint,
        "hardware": hardware.model_dump(mode="json"),
        **origin.mapping.model_dump(mode="json"),
        "manifest_sha256": report.manifest_sha256,
        "chip": None if chip is None else chip.model_dump(mode="json", exclude={"weight_norm"}),
    }
    if is_table:
        config["settings_sha256"] = hashlib.sha256(source.read_bytes()).hexdigest()
    record = RunRecord.capture(command, config, 0, origin.data_sha256)
    mapped = MappedModel(report.model, programs, hardware, origin.mapping, record)
    with new_folder(out) as folder:
        save_mapped(mapped, report.checkpoint, folder)
    return mapped, count


def _channels(request: ExportRequest, num_shifters: int) -> ChannelMap | None:
    """The channel map that is asked for, or one that fits the driver; None for the default."""
    if request.channels is not None:
        return load_channel_map(request.channels, num_shifters)
    if request.format == "qontrol":
        return ChannelMap.packed(num_shifters, QONTROL_CHANNELS)
    return None


def _calibrated_chip(calibration: Calibration, index: int) -> CalibratedChip:
    config = calibration.config
    chip = Chip(config.hardware, config.seed, index)
    return CalibratedChip(chip, calibration(chip), config.recipe.methods)


def _provenance(
    mapped: MappedModel, command: str, calibration: Calibration | None, index: int
) -> dict[str, object]:
    """What ``BundleOrigin`` describes, and version and commit, which become ``created_by``."""
    known = mapped.record
    record = RunRecord.capture(command, known.config, known.seed, known.data_sha256)
    fields = record.model_dump()
    source = None
    if calibration is not None:
        config = calibration.config
        source = CalibrationOrigin(
            recipe=config.recipe,
            hardware=config.hardware,
            seed=config.seed,
            chip_sha256=config.chip_sha256[index],
            programs_sha256=config.programs_sha256,
        )
    commit = fields.pop("commit")
    origin = BundleOrigin(**fields, mapping=mapped.settings, calibration=source)
    return {
        "version": record.versions["lightframe"],
        "commit": commit,
        **origin.model_dump(mode="json"),
    }
