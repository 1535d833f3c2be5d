"""Verification of a chip bundle: its files, its checkpoint, and what its weights predict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from experiments.bundle_origin import BundleOrigin, check_origin, find_checkpoint
from experiments.evaluation import load_held_out
from experiments.mapped import dense_layers
from models.checkpoint import load_checkpoint
from models.model import CrystalModel
from photonic.chipfile import (
    ChipExport,
    ChipFileError,
    Source,
    Verification,
    matrix_sha256,
    verify_export,
)
from photonic.chipfile import manifest_sha256 as hash_of_manifest
from photonic.chipfile.records import MANIFEST_FILE

MAX_PHASE_ERROR = 1e-9
"""Relative error of weights rebuilt from stored phases; rounding gives about 1e-15."""
MAX_CHIP_ERROR = 2.0
"""Relative error of the weights of a calibrated layer on its chip. Unrelated weights of the right
norm have 1.4; uncorrected chips of all shipped descriptions have 0.05 to 0.5. Ten times the scale
gives 9."""


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
    checkpoint: str
    """Directory or name of the checkpoint that the bundle was made of."""
    model: CrystalModel
    """The network of that checkpoint."""
    origin: BundleOrigin
    """Provenance."""
    manifest_sha256: str
    """Hash of the manifest, which fixes all other files."""
    prediction: Prediction | None
    """Predicted test error; None if it was not requested."""


def verify_bundle(
    directory: Path,
    checkpoint: str | None = None,
    *,
    manifest_sha256: str | None = None,
    limit: int | None = None,
    has_prediction: bool = True,
    on_graph: Callable[[int], None] = lambda total: None,
) -> BundleReport:
    """Check a bundle, and compare it with the checkpoint that it was made of.

    What ``verify_export`` does; then the checkpoint is looked up and its files compared with the
    hashes in the bundle, provenance and header agree, and the weights are those of the network: to
    rounding on a chip of the data sheet, to ``MAX_CHIP_ERROR`` on a calibrated one.

    Args:
        directory: bundle.
        checkpoint: directory, or name of a shipped checkpoint; None looks among the shipped ones.
        manifest_sha256: hash of the manifest that was kept elsewhere; None if none was.
        limit: use only the first held-out crystals.
        has_prediction: predict the test error with the codes as written.
        on_graph: called with the number of crystals after each graph.

    Raises:
        ChipFileError: if the files must not be used.
        ValueError: if checkpoint or weights are not those of the bundle.
    """
    verification = verify_export(directory, manifest_sha256)
    export = verification.export
    checkpoint = find_checkpoint(export, checkpoint)
    model = load_checkpoint(checkpoint)
    origin = check_origin(export, model)
    weights = target_weights(model)
    errors, chip_errors = verification.errors(weights), verification.chip_errors(weights)
    _require_targets(export, weights)
    require_weights(errors, chip_errors)
    return BundleReport(
        verification=verification,
        errors=errors,
        chip_errors=chip_errors,
        checkpoint=checkpoint,
        model=model,
        origin=origin,
        manifest_sha256=hash_of_manifest(directory),
        prediction=_prediction(model, verification, limit, on_graph) if has_prediction else None,
    )


def target_weights(model: CrystalModel) -> dict[str, Tensor]:
    """(out_features, in_features) float64 weights of all dense layers of a network, by layer."""
    return {name: layer.weight.to(torch.float64) for name, layer in dense_layers(model.network)}


def require_weights(
    errors: Mapping[str, Mapping[Source, float | None]], chip_errors: Mapping[str, float] | None
) -> None:
    """Refuse a bundle whose weights are not those of its checkpoint.

    Args:
        errors: relative error of the weights, by layer and column.
        chip_errors: the same on the chip of a calibration, which decides there: its phases make up
            for the errors of the chip.

    Raises:
        ValueError: naming the worst layer.
    """
    found = {name: row["phase"] or 0.0 for name, row in errors.items()}
    bound, place = MAX_PHASE_ERROR, ""
    if chip_errors is not None:
        found, bound, place = dict(chip_errors), MAX_CHIP_ERROR, " on the calibrated chip"
    wrong = {name: error for name, error in found.items() if not error <= bound}
    if wrong:
        layer = max(wrong, key=lambda name: wrong[name])
        raise ValueError(
            f"the files do not hold the weights of this checkpoint: {layer} differs by "
            f"{wrong[layer]:.1e}{place}"
        )


def _require_targets(export: ChipExport, weights: Mapping[str, Tensor]) -> None:
    for layer in export.layers:
        if layer.grid.source_matrix_sha256 != matrix_sha256(weights[layer.name]):
            raise ChipFileError(
                f"{MANIFEST_FILE}: layer {layer.name!r}: `source_matrix_sha256` is not the hash of "
                "its weight in the checkpoint"
            )


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
        return model.predictions(outputs)[label.name]

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
