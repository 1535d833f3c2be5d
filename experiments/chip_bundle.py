"""Chip bundles of mapped models: export, verification against a checkpoint, and the way back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor

from experiments.calibration import load_calibration
from experiments.evaluation import load_held_out
from experiments.mapped import (
    CHECKPOINT_DIR,
    MappedModel,
    MappingSettings,
    dense_layers,
    load_mapped,
    save_mapped,
)
from experiments.output import refuse_existing
from experiments.record import RunRecord
from models.checkpoint import checkpoint_bytes, load_checkpoint
from models.model import CrystalModel
from photonic import Chip
from photonic.channel_map import ChannelMap, load_channel_map
from photonic.chipfile import (
    CalibratedChip,
    ChipExport,
    ChipFileError,
    ClippedLayer,
    ExportOptions,
    Format,
    FormatOptions,
    Origin,
    Source,
    Verification,
    build_export,
    clipping_loss,
    manifest_sha256,
    measured_phases,
    program_of_layer,
    read_export,
    verify_export,
    write_format,
)
from photonic.chipfile.formats import QONTROL_CHANNELS
from photonic.drive_laws import load_laws
from photonic.export_formats.qontrol_chain import ModuleKind
from photonic.files import new_folder

MAX_PHASE_ERROR = 1e-9
"""Relative error of weights rebuilt from stored phases; rounding gives about 1e-15."""


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


@dataclass(frozen=True)
class Prediction:
    """Errors of the network on held-out crystals."""

    label: str
    """Name of the label."""
    unit: str
    """Its unit."""
    num_crystals: int
    """Number of crystals."""
    digital_mae: float
    """Mean absolute error of the digital network [unit]."""
    bundle_mae: float
    """With the weights of the bundle [unit]."""
    deviation: float
    """Root mean square difference of both [unit]."""
    source: str
    """Where the weights of the bundle come from, in words."""


@dataclass(frozen=True, eq=False)
class BundleReport:
    """Result of ``verify_bundle``."""

    verification: Verification
    """Content and rebuilt weights."""
    errors: dict[str, dict[Source, float | None]]
    """Relative error of the weights, by layer and column."""
    chip_errors: dict[str, float] | None
    """The same on the device of the calibration; None for the data sheet."""
    is_same_checkpoint: bool | None
    """True if the bundle was made of this checkpoint; None if it does not say."""
    prediction: Prediction | None
    """Predicted test error; None if it was not asked for."""


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
    """The settings, and the channel map that was asked for."""
    mapped = load_mapped(directory)
    calibrated, hardware = None, mapped.hardware
    if request.calibration is not None:
        calibrated = _calibrated_chip(request.calibration, mapped, request.chip)
        hardware = calibrated.chip.hardware
    total = sum(program.num_phase_shifters for program in mapped.programs.values())
    options = ExportOptions(
        laws=None if request.laws is None else load_laws(request.laws),
        channels=_channels(request, total),
        present=None if request.present is None else read_export(request.present),
        is_clipped=request.is_clipped,
        calibrated=calibrated,
    )
    record = RunRecord.capture(
        command, mapped.record.config, mapped.record.seed, mapped.record.data_sha256
    )
    provenance = {
        "version": record.versions["lightframe"],
        **record.model_dump(mode="json"),
        "mapping": mapped.settings.model_dump(mode="json"),
    }
    origin = Origin(provenance, _checkpoint_sha256(directory / CHECKPOINT_DIR))
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


def verify_bundle(
    directory: Path,
    checkpoint: str,
    *,
    limit: int | None = None,
    has_prediction: bool = True,
    on_graph: Callable[[int], None] = lambda total: None,
) -> BundleReport:
    """Check a bundle, and compare it with a checkpoint.

    Args:
        directory: bundle.
        checkpoint: directory, or name of a shipped checkpoint.
        limit: use only the first held-out crystals.
        has_prediction: predict the test error with the codes as written.
        on_graph: called with the number of crystals after each graph.

    Raises:
        ChipFileError: if the files must not be used.
        ValueError: if their layers are not those of the checkpoint.
    """
    verification = verify_export(directory)
    model = load_checkpoint(checkpoint)
    weights = {name: layer.weight.to(torch.float64) for name, layer in dense_layers(model.network)}
    errors = verification.errors(weights)
    known = verification.export.header.checkpoint_sha256
    return BundleReport(
        verification,
        errors,
        verification.chip_errors(weights),
        None if known is None else known == _checkpoint_sha256(checkpoint),
        _prediction(model, verification, limit, on_graph) if has_prediction else None,
    )


def require_same_weights(report: BundleReport) -> None:
    """Refuse a bundle of the data sheet whose phases are not those of its checkpoint.

    Phases of a calibration make up for the errors of one device, and are not compared.

    Raises:
        ValueError: naming the worst layer.
    """
    if report.chip_errors is not None:
        return
    errors = {name: row["phase"] or 0.0 for name, row in report.errors.items()}
    layer = max(errors, key=lambda name: errors[name])
    if errors[layer] > MAX_PHASE_ERROR:
        raise ValueError(
            f"the files do not hold the weights of this checkpoint: {layer} differs by "
            f"{errors[layer]:.1e}"
        )


def import_bundle(
    source: Path, out: Path, checkpoint: str, command: str, like: Path | None = None
) -> tuple[MappedModel, int]:
    """A mapped model from a bundle, or from measured settings.

    Args:
        source: bundle, or CSV file with the columns id and one of phase_rad, drive_v and drive_ma.
        out: directory to create.
        checkpoint: network that the bundle was made of.
        command: recorded in the provenance.
        like: bundle that a CSV file changes.

    Returns:
        The mapped model, and the number of shifters that were read.

    Raises:
        FileExistsError: if ``out`` exists.
        ChipFileError: if the source cannot be used.
        ValueError: if the checkpoint is another one.
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
    export = read_export(bundle)
    _require_checkpoint(export, checkpoint)
    phases, count = {}, export.header.num_shifters
    if is_table:
        phases, count = measured_phases(export, source)
    programs = {
        layer.name: program_of_layer(layer, phases.get(layer.name)) for layer in export.layers
    }
    model = load_checkpoint(checkpoint)
    _require_layers(model, export)
    config = {"checkpoint": checkpoint, "manifest_sha256": manifest_sha256(bundle)}
    if is_table:
        config["settings_sha256"] = hashlib.sha256(source.read_bytes()).hexdigest()
    record = RunRecord.capture(command, config, 0, {})
    mapped = MappedModel(model, programs, export.header.hardware, _settings(export), record)
    with new_folder(out) as folder:
        save_mapped(mapped, checkpoint, folder)
    return mapped, count


def _channels(request: ExportRequest, num_shifters: int) -> ChannelMap | None:
    """The channel map that is asked for, or one that fits the driver; None for the default."""
    if request.channels is not None:
        return load_channel_map(request.channels, num_shifters)
    if request.format == "qontrol":
        return ChannelMap.packed(num_shifters, QONTROL_CHANNELS)
    return None


def _calibrated_chip(directory: Path, mapped: MappedModel, index: int) -> CalibratedChip:
    calibration = load_calibration(directory, mapped)
    config = calibration.config
    chip = Chip(config.hardware, config.seed, index)
    return CalibratedChip(chip, calibration(chip), config.recipe.methods)


def _checkpoint_sha256(checkpoint: str | Path) -> dict[str, str]:
    files = checkpoint_bytes(checkpoint)
    return {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}


def _require_checkpoint(export: ChipExport, checkpoint: str) -> None:
    known = export.header.checkpoint_sha256
    if known is not None and known != _checkpoint_sha256(checkpoint):
        raise ValueError(
            f"the bundle was made of another checkpoint than {checkpoint}; name it with "
            "--checkpoint"
        )


def _require_layers(model: CrystalModel, export: ChipExport) -> None:
    layers = {name: tuple(layer.weight.shape) for name, layer in dense_layers(model.network)}
    found = {x.name: (x.grid.out_features, x.grid.in_features) for x in export.layers}
    if layers != found:
        wrong = sorted(name for name, _ in layers.items() ^ found.items())
        raise ChipFileError(f"bundle and checkpoint differ at layer {wrong[0]!r}")


def _settings(export: ChipExport) -> MappingSettings:
    """Layout of the tiles: as the bundle says, else as its meshes tell."""
    try:
        return MappingSettings.model_validate(export.header.provenance.get("mapping"))
    except ValidationError:
        layouts = [g for x in export.layers for g in (x.grid.u_layout, x.grid.v_layout)]
    kind = "reck" if {x.kind for x in layouts} == {"reck"} else "clements"
    sizes = {layout.num_modes for layout in layouts}
    return MappingSettings(mesh=kind, tile=sizes.pop() if len(sizes) == 1 else "full")


def _prediction(
    model: CrystalModel,
    verification: Verification,
    limit: int | None,
    on_graph: Callable[[int], None],
) -> Prediction:
    held_out = load_held_out(model, limit=limit, on_graph=on_graph)
    label = held_out.label
    weights, source = _weights_as_written(verification)
    changed = {f"{name}.weight": weight.to(model.dtype) for name, weight in weights.items()}

    def predicted(parameters: Mapping[str, Tensor] | None) -> np.ndarray:
        outputs = model.standardised(held_out.batches, parameters)
        return model.to_physical(outputs)[label.name]

    digital, written = predicted(None), predicted(changed)
    return Prediction(
        label=label.name,
        unit=label.unit,
        num_crystals=held_out.num_crystals,
        digital_mae=float(np.abs(digital - held_out.truth).mean()),
        bundle_mae=float(np.abs(written - held_out.truth).mean()),
        deviation=float(np.sqrt(np.mean((written - digital) ** 2))),
        source=source,
    )


def _weights_as_written(verification: Verification) -> tuple[Mapping[str, Tensor], str]:
    """Weights nearest to what the controller will load."""
    if verification.chip_weights is not None:
        return verification.chip_weights, "its settings on the chip of the calibration"
    words: dict[Source, str] = {
        "code": "DAC codes as written",
        "voltage": "drives as written",
        "phase": "phases as written",
    }
    source = next(s for s in words if s in verification.weights)
    return verification.weights[source], words[source]
