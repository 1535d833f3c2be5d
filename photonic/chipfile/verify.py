"""Verification of a bundle from its files alone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from photonic.chipfile.checks import check_chip_weights, check_physics
from photonic.chipfile.csv_table import csv_chunks
from photonic.chipfile.hdf5_table import check_hdf5
from photonic.chipfile.layer import ChipExport
from photonic.chipfile.reader import read_bundle, read_manifest
from photonic.chipfile.rebuild import (
    SOURCES,
    RebuiltLayer,
    Source,
    drawn_chip,
    has_source,
    rebuild_layers,
    weights_on_chip,
)
from photonic.chipfile.records import CSV_FILE, MANIFEST_FILE, ChipFileError
from photonic.chipfile.safe_files import read_hashed

PASSIVITY = 1e-9
"""Excess of the largest singular value over 1; rounding gives about 1e-15."""


@dataclass(frozen=True, eq=False)
class Verification:
    """What the files of a bundle say, and how far it is from what was meant."""

    export: ChipExport
    """Content of the files."""
    weights: dict[Source, dict[str, Tensor]]
    """By column, the (out_features, in_features) float64 weight of each layer."""
    chip_weights: Mapping[str, Tensor] | None
    """Weights on the device that the settings were calibrated for; None for the data sheet."""
    largest_singular_value: float
    """Over all tiles and columns; at most 1 for passive optics."""

    def errors(self, weights: Mapping[str, Tensor]) -> dict[str, dict[Source, float | None]]:
        """Relative errors norm(W~ - W)/norm(W) of rebuilt weights.

        Args:
            weights: (out_features, in_features) weight of every layer, by name.

        Returns:
            By layer and source; None where the files have no such column. A weight of norm 0 gives
            the absolute error.

        Raises:
            ValueError: if layers or shapes are not those of ``weights``.
        """
        self._check_layers(weights)
        return {
            name: {
                source: relative_error(self.weights[source][name], weights[name])
                if source in self.weights
                else None
                for source in SOURCES
            }
            for name in weights
        }

    def chip_errors(self, weights: Mapping[str, Tensor]) -> dict[str, float] | None:
        """Relative errors on the device of the calibration; None for the data sheet."""
        if self.chip_weights is None:
            return None
        self._check_layers(weights)
        return {n: relative_error(self.chip_weights[n], w) for n, w in weights.items()}

    def _check_layers(self, weights: Mapping[str, Tensor]) -> None:
        known = {layer.name: layer.grid for layer in self.export.layers}
        if known.keys() != weights.keys():
            one_side = sorted(known.keys() ^ weights.keys())
            raise ValueError(f"layers differ: {one_side} are on one side only")
        for name, grid in known.items():
            shape = grid.out_features, grid.in_features
            if tuple(weights[name].shape) != shape:
                raise ValueError(
                    f"layer {name!r} is {shape} in the files, {tuple(weights[name].shape)} here"
                )


def checked_export(folder: str | Path, manifest_sha256: str | None = None) -> ChipExport:
    """The content of a bundle, all its files compared with each other.

    Hashes and schema; the tables hold the numbers of the JSON files; ranges and agreement of all
    columns (``check_physics``); of a calibration, norms of the weights on its chip.
    ``verify_export`` rebuilds the weights of all columns too.

    Args:
        folder: folder of a bundle.
        manifest_sha256: hash of the manifest that was kept elsewhere; None if none was.

    Raises:
        ChipFileError: if the files must not be used, or chip.h5 cannot be read without h5py.
    """
    return _checked(Path(folder), manifest_sha256)[0]


def verify_export(folder: str | Path, manifest_sha256: str | None = None) -> Verification:
    """Check a bundle and rebuild its weights.

    What ``checked_export`` does, and passive tiles. ``Verification.errors`` compares with weights.

    Args:
        folder: folder of a bundle.
        manifest_sha256: as in ``checked_export``.

    Returns:
        Content and rebuilt weights.

    Raises:
        ChipFileError: as ``checked_export``, or if a tile amplifies light.
    """
    export, on_chip = _checked(Path(folder), manifest_sha256)
    weights: dict[Source, dict[str, Tensor]] = {}
    largest = 0.0
    for source in SOURCES:
        if not has_source(export, source):
            continue
        rebuilt = rebuild_layers(export.layers, export.header.hardware, source)
        names = [layer.name for layer in export.layers]
        largest = max(largest, *map(_largest_singular_value, names, rebuilt))
        weights[source] = {name: r.weight for name, r in zip(names, rebuilt, strict=True)}
    return Verification(export, weights, on_chip, largest)


def _checked(folder: Path, sha256: str | None) -> tuple[ChipExport, dict[str, Tensor] | None]:
    """Content of a bundle, and of a calibration the weights on its chip."""
    manifest = read_manifest(folder, sha256)
    export = read_bundle(folder, manifest)
    digest = hashlib.sha256()
    for chunk in csv_chunks(export):
        digest.update(chunk)
    if digest.hexdigest() != manifest.csv_file.sha256:
        raise ChipFileError(f"{CSV_FILE}: does not hold the numbers of the JSON files")
    if manifest.hdf5_file is not None:
        check_hdf5(export, read_hashed(folder, manifest.hdf5_file))
    try:
        check_physics(export)
        chip = drawn_chip(export)
        if chip is None:
            return export, None
        weights = weights_on_chip(export.layers, chip)
    except ChipFileError:
        raise
    except ValueError as error:
        # A law, a channel or a mesh that the hardware of the manifest does not allow.
        raise ChipFileError(f"{MANIFEST_FILE}: {str(error).splitlines()[0]}") from error
    check_chip_weights(export, weights)
    return export, weights


def relative_error(rebuilt: Tensor, weight: Tensor) -> float:
    """norm(rebuilt - weight)/norm(weight); the absolute error if the weight is 0."""
    target = weight.detach().to("cpu", rebuilt.dtype)
    error, norm = torch.linalg.norm(rebuilt - target).item(), torch.linalg.norm(target).item()
    return error / norm if norm else error


def _largest_singular_value(name: str, rebuilt: RebuiltLayer) -> float:
    largest = torch.linalg.matrix_norm(rebuilt.tiles, ord=2).max().item()
    if largest > 1 + PASSIVITY:
        raise ChipFileError(
            f"layer {name!r}: a tile amplifies light: its largest singular value is {largest:.6f}"
        )
    return largest
