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
from experiments.training_domain import training_domain
from models.checkpoint import CONFIG_FILE, WEIGHTS_FILE, checkpoint_bytes
from models.crystal import Crystal, CrystalError
from models.crystal.found import reason_of
from models.datasets.user import NamedCrystal, Skipped
from models.graph import CrystalGraph, SymmetryWarning
from models.labels import Label
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
    def labels(self) -> tuple[str, ...] | None:
        """Names of the labels that are wanted; None for all."""

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
    labels: tuple[str, ...] | None = None
    """Names of the labels that are wanted, in this order; None for all."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """One per label."""
        return tuple(Column(label.name, label.unit) for label in chosen(self.model, self.labels))

    def predict(self, graphs: Sequence[CrystalGraph]) -> Floats:
        """(B, L) values of L labels."""
        outputs = self.model.standardised(list(self.model.batches(graphs)))
        values = self.model.predictions(outputs)
        return np.stack([values[c.name] for c in self.columns], axis=-1)


@dataclass(frozen=True)
class ChipPredictor:
    """The labels of a checkpoint, digital and on chips drawn from the one it is mapped for.

    Attributes:
        mapped: model, programs and chip description.
        num_chips: independently drawn chips.
        seed: of all draws; chip number c is the same for every chunk.
        labels: names of the labels that are wanted, in this order; None for all.
    """

    mapped: MappedModel
    num_chips: int
    seed: int
    labels: tuple[str, ...] | None = None

    @property
    def model(self) -> CrystalModel:
        """The digital model."""
        return self.mapped.model

    @property
    def columns(self) -> tuple[Column, ...]:
        """Four per label: digital, and mean, 5 % and 95 % quantile over chips."""
        parts = ("", "_chip_mean", "_chip_p05", "_chip_p95")
        labels = chosen(self.model, self.labels)
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
        values = self.model.predictions(outputs)
        return np.stack([values[x.name] for x in chosen(self.model, self.labels)], axis=-1)


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
    collected = _Collected(predictor, is_strict=is_strict)
    for structure in structures:
        collected.take(structure)
        on_structure()
    collected.finish_chunk()
    columns = predictor.columns
    group = len(columns) // len(chosen(predictor.model, predictor.labels))
    notes = [collected.domain.reason] if collected.domain.reason else []
    return PredictionTable(columns, group, collected.rows, collected.skipped, notes)


def chosen(model: CrystalModel, names: Sequence[str] | None) -> tuple[Label, ...]:
    """Labels of a model by name, in the order of the names; all of them for None.

    Raises:
        ValueError: naming the labels that there are, if one is not known.
    """
    if names is None:
        return model.labels
    known = {label.name: label for label in model.labels}
    if not names:
        raise ValueError(f"no label is wanted; there are {', '.join(known)}")
    for name in names:
        if name not in known:
            raise ValueError(f"the model has no label {name!r}; there are {', '.join(known)}")
    return tuple(known[name] for name in dict.fromkeys(names))


@dataclass(frozen=True, eq=False)
class _Pending:
    """A structure whose prediction is due: graphs of its orderings, one if it has no disorder."""

    source: str
    crystal: Crystal
    graphs: Sequence[CrystalGraph]
    notes: Sequence[str]


class _Collected:
    """Predictions so far, and the structures of the chunk at hand."""

    def __init__(self, predictor: Predictor, *, is_strict: bool) -> None:
        self.predictor, self.is_strict = predictor, is_strict
        self.domain = training_domain(predictor.model, predictor.labels)
        self.rows: list[PredictionRow] = []
        self.skipped: list[Skipped] = []
        self._pending: list[_Pending] = []

    def take(self, structure: NamedCrystal | Skipped) -> None:
        """Add a structure to the chunk, or note why it cannot be used.

        Raises:
            CrystalError: if it cannot be used and that is not wanted.
        """
        made = _pending(structure, self.predictor.model)
        if isinstance(made, Skipped):
            self._skip(made)
            return
        self._pending.append(made)
        if sum(len(pending.graphs) for pending in self._pending) >= CHUNK:
            self.finish_chunk()

    def finish_chunk(self) -> None:
        """Predict the structures of the chunk and drop their graphs."""
        while self._pending:
            owners = [k for k, pending in enumerate(self._pending) for _ in pending.graphs]
            try:
                values = self.predictor.predict([g for p in self._pending for g in p.graphs])
            except PredictionError as error:
                wrong = {owners[k]: reason for k, reason in sorted(error.reasons.items())}
                for k, reason in wrong.items():
                    self._skip(Skipped(self._pending[k].source, reason))
                # The others are predicted again, without those that cannot be right.
                self._pending = [p for k, p in enumerate(self._pending) if k not in wrong]
                continue
            starts = np.searchsorted(owners, range(len(self._pending) + 1))
            for pending, first, last in zip(self._pending, starts, starts[1:], strict=False):
                self.rows.append(self._row(pending, values[first:last]))
            self._pending = []

    def _skip(self, skipped: Skipped) -> None:
        if self.is_strict:
            raise CrystalError(str(skipped))
        self.skipped.append(skipped)

    def _row(self, pending: _Pending, values: Floats) -> PredictionRow:
        """The row of a structure from (orderings, columns) values."""
        mean = values.mean(axis=0).tolist() if len(values) > 1 else values[0].tolist()
        standing = self.domain.standing(pending.crystal, pending.graphs[0].num_sites)
        columns = self.predictor.columns
        by_name = {column.name: x for column, x in zip(columns, mean, strict=True)}
        notes = [*pending.notes, *standing.notes]
        notes += self.domain.metal_notes(pending.crystal, by_name)
        if len(values) > 1:
            spread = ", ".join(
                f"{column.header} {x:.2g}"
                for column, x in zip(columns, values.std(axis=0), strict=True)
            )
            notes.append(f"mean of {len(values)} orderings; standard deviations {spread}")
        return PredictionRow(
            pending.source,
            mean,
            formula=standing.formula,
            in_training=standing.in_training,
            nearest=standing.nearest,
            notes=tuple(notes),
        )


def _pending(structure: NamedCrystal | Skipped, model: CrystalModel) -> _Pending | Skipped:
    """Graphs of a structure with what the user should know, or why there are none."""
    if isinstance(structure, Skipped):
        return structure
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", SymmetryWarning)
        try:
            graphs = [model.graph(c) for c in (structure.crystal, *structure.others)]
        except (ValueError, ArithmeticError, MemoryError) as error:
            return Skipped(structure.source, reason_of(error))
    hints = (*structure.crystal.notes, *dict.fromkeys(str(w.message) for w in caught))
    return _Pending(structure.source, structure.crystal, graphs, hints)


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
