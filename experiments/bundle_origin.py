"""Where a chip bundle says that it comes from, and whether header and checkpoint agree with it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from experiments.mapped import MappingSettings
from experiments.training_info import TrainingInfo
from models.checkpoint import checkpoint_bytes, checkpoint_names
from models.model import CrystalModel
from photonic import HardwareConfig
from photonic.calibration.recipe import Recipe
from photonic.chipfile import ChipExport, ChipFileError
from photonic.chipfile.records import MANIFEST_FILE
from photonic.hardware import first_problem


class CalibrationOrigin(BaseModel):
    """The calibration that the commands of a bundle were taken from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: Recipe
    """Remedies and how well the laboratory measured."""
    hardware: HardwareConfig
    """Chip description, drive included, that the commands are for."""
    seed: int
    """Seed that its chips were drawn from."""
    chip_sha256: str
    """Hash of the file with the commands of this chip."""
    programs_sha256: str
    """Hash of the programs that were calibrated."""


class BundleOrigin(BaseModel):
    """Provenance of a bundle of a mapped model: the record of its mapping, and what was exported.

    Fields are those of ``RunRecord`` without the commit, which is in ``created_by``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: str
    """Command line that wrote the bundle."""
    config: dict[str, Any]
    """Configuration of the mapping: checkpoint, hardware, mapping settings."""
    seed: int
    """Seed of the mapping."""
    data_sha256: dict[str, str]
    """Data sets that the checkpoint was trained on."""
    versions: dict[str, str]
    """Package name to installed version."""
    is_dirty: bool | None
    """True if tracked files differed from the commit."""
    created: str
    """UTC time, ISO 8601."""
    mapping: MappingSettings
    """How the dense layers were laid out."""
    calibration: CalibrationOrigin | None
    """Calibration of the chip; None for the data sheet."""

    @classmethod
    def of(cls, export: ChipExport) -> BundleOrigin:
        """The provenance of a bundle.

        Raises:
            ChipFileError: if it is not that of a mapped model.
        """
        try:
            return cls.model_validate(export.header.provenance)
        except ValidationError as error:
            raise ChipFileError(
                f"{MANIFEST_FILE}: `provenance` is not that of a mapped model: "
                f"{first_problem(error)}"
            ) from None


def checkpoint_sha256(checkpoint: str | Path) -> dict[str, str]:
    """SHA-256 of each file of a checkpoint.

    Raises:
        CheckpointError: if it does not exist or a file is missing.
    """
    files = checkpoint_bytes(checkpoint)
    return {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}


def find_checkpoint(export: ChipExport, checkpoint: str | None) -> str:
    """The checkpoint that a bundle was made of, told by the hashes of its files.

    Args:
        export: settings.
        checkpoint: directory or name of a shipped checkpoint; None looks among the shipped ones.

    Returns:
        Its directory or name.

    Raises:
        ChipFileError: if the bundle does not state the hashes.
        ValueError: if the hashes are those of another checkpoint.
    """
    known = export.header.checkpoint_sha256
    if known is None:
        raise ChipFileError(
            f"{MANIFEST_FILE}: `checkpoint_sha256` is missing: nothing tells which network the "
            "settings are for"
        )
    if checkpoint is not None:
        if known != checkpoint_sha256(checkpoint):
            raise ValueError(
                f"the bundle was made of another checkpoint than {checkpoint}; name it with "
                "--checkpoint"
            )
        return checkpoint
    for name in checkpoint_names():
        if known == checkpoint_sha256(name):
            return name
    raise ValueError(
        "the bundle was made of none of the shipped checkpoints; name its network with --checkpoint"
    )


def check_origin(export: ChipExport, model: CrystalModel) -> BundleOrigin:
    """The provenance of a bundle, compared with its header, its layers and its checkpoint.

    Args:
        export: settings.
        model: checkpoint that the bundle was made of.

    Raises:
        ChipFileError: naming the first field that contradicts another one.
    """
    origin, header = BundleOrigin.of(export), export.header
    calibration, chip = origin.calibration, header.chip
    _agree("hardware", header.hardware, _hardware(origin))
    _agree("created_by.version", header.created_by.version, origin.versions.get("lightframe"))
    _agree("provenance.data_sha256", origin.data_sha256, TrainingInfo.of(model).data_sha256)
    mapping = origin.mapping.model_dump(mode="json")
    _agree("provenance.mapping", mapping, {key: origin.config.get(key) for key in mapping})
    _agree("chip", chip is None, calibration is None)
    if chip is not None and calibration is not None:
        _agree("chip.seed", chip.seed, calibration.seed)
        _agree("chip.methods", tuple(chip.methods), calibration.recipe.methods)
    _check_layouts(export, origin.mapping)
    return origin


def _hardware(origin: BundleOrigin) -> HardwareConfig:
    """Chip description that was mapped or calibrated for."""
    if origin.calibration is not None:
        return origin.calibration.hardware
    try:
        return HardwareConfig.model_validate(origin.config.get("hardware"))
    except ValidationError as error:
        raise ChipFileError(
            f"{MANIFEST_FILE}: `provenance.config.hardware`: {first_problem(error)}"
        ) from None


def _check_layouts(export: ChipExport, mapping: MappingSettings) -> None:
    for layer in export.layers:
        grid = layer.grid
        _agree("provenance.mapping.mesh", {grid.u_layout.kind, grid.v_layout.kind}, {mapping.mesh})
        full = grid.out_features, grid.in_features
        sizes = full if mapping.tile == "full" else (mapping.tile, mapping.tile)
        found = grid.u_layout.num_modes, grid.v_layout.num_modes
        _agree("provenance.mapping.tile", found, sizes)


def _agree(name: str, stated: object, known: object) -> None:
    if stated != known:
        raise ChipFileError(f"{MANIFEST_FILE}: `{name}` contradicts the rest of the bundle")
