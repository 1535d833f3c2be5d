"""Predictions of any number of structures, digital or on drawn chips, chunk by chunk."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from torch import Tensor

from experiments.prediction_table import Column, PredictionRow, PredictionTable
from models.checkpoint import CONFIG_FILE, WEIGHTS_FILE, checkpoint_bytes
from models.crystal import CrystalError
from models.crystal.found import reason_of
from models.datasets.user import NamedCrystal, Skipped
from models.graph import CrystalGraph, SymmetryWarning
from models.model import CrystalModel, PredictionError

if TYPE_CHECKING:
    from experiments.mapped import MappedModel
    from experiments.results import Floats

CHUNK = 256
"""Crystals whose graphs are in memory at a time."""
BAND = (0.05, 0.95)
"""Quantiles over chips."""


class Predictor(Protocol):
    """What turns graphs into columns of numbers."""

    @property
    def model(self) -> CrystalModel:
        """The digital model; its settings make the graphs."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns in the order of ``predict``, those of a label side by side."""

    def predict(self, graphs: Sequence[CrystalGraph]) -> Floats:
        """(B, C) values of B graphs in C columns, in the units of the columns.

        Raises:
            PredictionError: if one cannot be right.
        """


@dataclass(frozen=True)
class DigitalPredictor:
    """The labels of a checkpoint."""

    model: CrystalModel

    @property
    def columns(self) -> tuple[Column, ...]:
        """One per label."""
        return tuple(Column(label.name, label.unit) for label in self.model.labels)

    def predict(self, graphs: Sequence[CrystalGraph]) -> Floats:
        """(B, L) values of L labels."""
        outputs = self.model.standardised(list(self.model.batches(graphs)))
        return np.stack(list(self.model.predictions(outputs).values()), axis=-1)


@dataclass(frozen=True)
class ChipPredictor:
    """The labels of a checkpoint, digital and on chips drawn from the one it is mapped for.

    Attributes:
        mapped: model, programs and chip description.
        num_chips: independently drawn chips.
        seed: of all draws; chip number c is the same for every chunk.
    """

    mapped: MappedModel
    num_chips: int
    seed: int

    @property
    def model(self) -> CrystalModel:
        """The digital model."""
        return self.mapped.model

    @property
    def columns(self) -> tuple[Column, ...]:
        """Four per label: digital, and mean, 5 % and 95 % quantile over chips."""
        parts = ("", "_chip_mean", "_chip_p05", "_chip_p95")
        labels = self.model.labels
        return tuple(Column(label.name + part, label.unit) for label in labels for part in parts)

    def predict(self, graphs: Sequence[CrystalGraph]) -> Floats:
        """(B, 4 L) values; the noise of the light goes on from crystal to crystal of a chunk."""
        from experiments.chip_network import chip_outputs
        from experiments.results import quantile
        from photonic import Chip

        batches = list(self.model.batches(graphs))
        digital = self._physical(self.model.standardised(batches))
        on_chips = []
        for index in range(self.num_chips):
            chip = Chip(self.mapped.hardware, self.seed, index)
            on_chips.append(self._physical(chip_outputs(self.mapped, batches, chip)))
        values = np.stack(on_chips)
        parts = (digital, values.mean(axis=0), *quantile(values, BAND, 0))
        return np.stack(parts, axis=-1).reshape(len(graphs), -1)

    def _physical(self, outputs: Tensor) -> Floats:
        """(B, L) values in the units of the labels."""
        return np.stack(list(self.model.predictions(outputs).values()), axis=-1)


def predict_structures(
    structures: Iterable[NamedCrystal | Skipped],
    predictor: Predictor,
    *,
    is_strict: bool = False,
    on_structure: Callable[[], None] = lambda: None,
) -> PredictionTable:
    """Predictions of all usable structures, in order, and what was skipped.

    Graphs are made while structures are read and dropped chunk by chunk; only numbers stay.

    Args:
        structures: from ``iter_structures``.
        predictor: digital or on chips.
        is_strict: raise at the first structure that cannot be used.
        on_structure: called after every structure, used or not.

    Raises:
        CrystalError: if ``is_strict`` and a structure cannot be used.
    """
    rows: list[PredictionRow] = []
    skipped: list[Skipped] = []
    notes: list[str] = []
    sources: list[str] = []
    graphs: list[CrystalGraph] = []

    def finish_chunk() -> None:
        while graphs:
            try:
                values = predictor.predict(graphs)
            except PredictionError as error:
                wrong = [Skipped(sources[k], error.reasons[k]) for k in sorted(error.reasons)]
                if is_strict:
                    raise CrystalError(str(wrong[0])) from None
                skipped.extend(wrong)
                # The others are predicted again, without those that cannot be right.
                kept = [k for k in range(len(graphs)) if k not in error.reasons]
                graphs[:], sources[:] = [graphs[k] for k in kept], [sources[k] for k in kept]
                continue
            rows.extend(map(PredictionRow, sources, values.tolist()))
            graphs.clear()
        sources.clear()

    for structure in structures:
        made = _graph(structure, predictor.model, notes)
        if isinstance(made, Skipped):
            if is_strict:
                raise CrystalError(str(made))
            skipped.append(made)
        else:
            sources.append(structure.source)
            graphs.append(made)
        on_structure()
        if len(graphs) == CHUNK:
            finish_chunk()
    finish_chunk()
    columns = predictor.columns
    group = len(columns) // len(predictor.model.labels)
    return PredictionTable(columns, group, rows, skipped, notes)


def _graph(
    structure: NamedCrystal | Skipped, model: CrystalModel, notes: list[str]
) -> CrystalGraph | Skipped:
    """The graph of a structure, or why there is none; adds what the user should know."""
    if isinstance(structure, Skipped):
        return structure
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", SymmetryWarning)
        try:
            graph = model.graph(structure.crystal)
        except (ValueError, ArithmeticError, MemoryError) as error:
            return Skipped(structure.source, reason_of(error))
    hints = [*structure.crystal.notes, *(str(warning.message) for warning in caught)]
    notes.extend(f"{structure.source}: {hint}" for hint in hints if hint)
    return graph


def max_atomic_number(model: CrystalModel) -> int:
    """Highest atomic number that a model has features for."""
    return len(model.network.element_features) - 1


def require_own_checkpoint(directory: Path, checkpoint: str) -> None:
    """Refuse a checkpoint other than the one that was mapped.

    Args:
        directory: mapped model.
        checkpoint: name or directory that the user asks for.

    Raises:
        ValueError: if configuration or weights are not those in the mapped model.
    """
    from experiments.mapped import CHECKPOINT_DIR

    own, other = checkpoint_bytes(directory / CHECKPOINT_DIR), checkpoint_bytes(checkpoint)
    is_same = own[WEIGHTS_FILE] == other[WEIGHTS_FILE] and (
        json.loads(own[CONFIG_FILE]) == json.loads(other[CONFIG_FILE])
    )
    if not is_same:
        raise ValueError(
            f"{directory} was mapped from another checkpoint than {checkpoint}; leave out "
            "--checkpoint, or map it"
        )
