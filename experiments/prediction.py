"""Predictions of any number of structures, digital or on drawn chips, chunk by chunk."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from torch import Tensor

from experiments.prediction_table import Column, PredictionRow, PredictionTable
from models.checkpoint import CONFIG_FILE, WEIGHTS_FILE, checkpoint_bytes
from models.crystal import Crystal, CrystalError
from models.crystal.found import NamedCrystal, Skipped, reason_of
from models.domain import NOT_RECORDED, Domain, DomainReport
from models.graph import CrystalGraph, SymmetryWarning
from models.model import CrystalModel, PredictionError, means_of_structures, scatter_note

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
    def labels(self) -> Sequence[str] | None:
        """Names of the labels that are shown, in their order; None for all."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns in the order of ``summary``, those of a label side by side."""

    def values(self, graphs: Sequence[CrystalGraph]) -> Floats:
        """(V, G, L) values of all labels of G graphs in their units: digital, then on V - 1 chips.

        Raises:
            PredictionError: if one cannot be right.
        """

    def summary(self, values: Floats) -> Floats:
        """(R, C) columns of (V, R, L) values of R structures."""


@dataclass(frozen=True)
class DigitalPredictor:
    """The labels of a checkpoint.

    Attributes:
        model: checkpoint.
        labels: names of those that are shown, in their order; None for all.
    """

    model: CrystalModel
    labels: Sequence[str] | None = None

    @property
    def columns(self) -> tuple[Column, ...]:
        """One per label."""
        return tuple(Column(x.name, x.unit) for x in self.model.labels_named(self.labels))

    def values(self, graphs: Sequence[CrystalGraph]) -> Floats:
        """(1, G, L) values of all labels."""
        outputs = self.model.standardised(list(self.model.batches(graphs)))
        return _physical(self.model, outputs)[None]

    def summary(self, values: Floats) -> Floats:
        """(R, C) values of the labels that are shown."""
        return values[0][:, _positions(self)]


@dataclass(frozen=True)
class ChipPredictor:
    """The labels of a checkpoint, digital and on chips drawn from the one it is mapped for.

    Attributes:
        mapped: model, programs and chip description.
        num_chips: independently drawn chips.
        seed: of all draws; chip number c is the same for every chunk.
        labels: names of those that are shown, in their order; None for all.
    """

    mapped: MappedModel
    num_chips: int
    seed: int
    labels: Sequence[str] | None = None

    @property
    def model(self) -> CrystalModel:
        """The digital model."""
        return self.mapped.model

    @property
    def columns(self) -> tuple[Column, ...]:
        """Four per label: digital, and mean, 5 % and 95 % quantile over chips."""
        parts = ("", "_chip_mean", "_chip_p05", "_chip_p95")
        labels = self.model.labels_named(self.labels)
        return tuple(Column(label.name + part, label.unit) for label in labels for part in parts)

    def values(self, graphs: Sequence[CrystalGraph]) -> Floats:
        """(1 + num_chips, G, L); the noise of the light goes on from graph to graph of a chunk."""
        from experiments.chip_network import chip_outputs
        from photonic import Chip

        batches = list(self.model.batches(graphs))
        values = [_physical(self.model, self.model.standardised(batches))]
        for index in range(self.num_chips):
            chip = Chip(self.mapped.hardware, self.seed, index)
            values.append(_physical(self.model, chip_outputs(self.mapped, batches, chip)))
        return np.stack(values)

    def summary(self, values: Floats) -> Floats:
        """(R, 4 C) of the C labels that are shown."""
        from experiments.results import quantile

        shown = values[..., _positions(self)]
        digital, on_chips = shown[0], shown[1:]
        parts = (digital, on_chips.mean(axis=0), *quantile(on_chips, BAND, 0))
        return np.stack(parts, axis=-1).reshape(len(digital), -1)


def _physical(model: CrystalModel, outputs: Tensor) -> Floats:
    """(G, L) values in the units of the labels."""
    return np.stack(list(model.predictions(outputs).values()), axis=-1)


def _positions(predictor: Predictor) -> list[int]:
    """Columns of the labels that are shown among all labels."""
    names = [label.name for label in predictor.model.labels]
    return [names.index(x.name) for x in predictor.model.labels_named(predictor.labels)]


@dataclass(frozen=True, eq=False)
class _Entry:
    """A structure that waits for its prediction."""

    source: str
    crystal: Crystal
    graphs: list[CrystalGraph]
    notes: list[str]
    report: DomainReport


def predict_structures(
    structures: Iterable[NamedCrystal | Skipped],
    predictor: Predictor,
    *,
    is_strict: bool = False,
    on_structure: Callable[[], None] = lambda: None,
) -> PredictionTable:
    """Predictions of all usable structures, in order, and what was skipped.

    Graphs are made while structures are read and dropped chunk by chunk; only numbers and notes
    stay. Orderings of a disordered structure are one row with their mean.

    Args:
        structures: from ``iter_structures``.
        predictor: digital or on chips.
        is_strict: raise at the first structure that cannot be used.
        on_structure: called after every structure, used or not.

    Raises:
        ValueError: if the predictor's labels are not among those of its model.
        CrystalError: if ``is_strict`` and a structure cannot be used.
    """
    model = predictor.model
    domain = model.domain(predictor.labels)
    rows: list[PredictionRow] = []
    skipped: list[Skipped] = []
    chunk: list[_Entry] = []

    def finish_chunk() -> None:
        while chunk:
            try:
                rows.extend(_rows(chunk, predictor, domain))
            except PredictionError as error:
                wrong = _wrong(chunk, error)
                if is_strict:
                    raise CrystalError(str(next(iter(wrong.values())))) from None
                skipped.extend(wrong.values())
                # The others are predicted again, without those that cannot be right.
                chunk[:] = [entry for k, entry in enumerate(chunk) if k not in wrong]
                continue
            chunk.clear()

    for structure in structures:
        made = _entry(structure, model, domain)
        if isinstance(made, Skipped):
            if is_strict:
                raise CrystalError(str(made))
            skipped.append(made)
        else:
            chunk.append(made)
        on_structure()
        if sum(len(entry.graphs) for entry in chunk) >= CHUNK:
            finish_chunk()
    finish_chunk()
    columns = predictor.columns
    group = len(columns) // len(model.labels_named(predictor.labels))
    general = [NOT_RECORDED] if model.training_set is None else []
    return PredictionTable(columns, group, rows, skipped, general)


def _entry(
    structure: NamedCrystal | Skipped, model: CrystalModel, domain: Domain
) -> _Entry | Skipped:
    """A structure with its graphs, or why there are none."""
    if isinstance(structure, Skipped):
        return structure
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", SymmetryWarning)
        try:
            graphs = [model.graph(crystal) for crystal in (structure.crystal, *structure.others)]
            report = domain.report(structure.crystal, graphs[0])
        except (ValueError, ArithmeticError, MemoryError) as error:
            return Skipped(structure.source, reason_of(error))
    hints = [*structure.crystal.notes, *(str(warning.message) for warning in caught)]
    notes = [*dict.fromkeys(hint for hint in hints if hint), *report.notes]
    return _Entry(structure.source, structure.crystal, graphs, notes, report)


def _rows(chunk: Sequence[_Entry], predictor: Predictor, domain: Domain) -> Iterator[PredictionRow]:
    """The rows of a chunk.

    Raises:
        PredictionError: if a prediction cannot be right.
    """
    labels = predictor.model.labels
    shown = predictor.model.labels_named(predictor.labels)
    sizes = [len(entry.graphs) for entry in chunk]
    values = predictor.values([graph for entry in chunk for graph in entry.graphs])
    means = means_of_structures(values, sizes)
    start = 0
    for row, (entry, columns) in enumerate(zip(chunk, predictor.summary(means), strict=True)):
        end = start + sizes[row]
        notes = list(entry.notes)
        if end - start > 1:
            each = {label.name: values[0, start:end, k] for k, label in enumerate(labels)}
            notes.append(scatter_note(each, shown))
        mean = {label.name: float(means[0, row, k]) for k, label in enumerate(labels)}
        notes += domain.value_notes(entry.crystal, mean)
        yield PredictionRow(entry.source, columns.tolist(), entry.report, tuple(notes))
        start = end


def _wrong(chunk: Sequence[_Entry], error: PredictionError) -> dict[int, Skipped]:
    """Number of each structure whose prediction, or that of an ordering, cannot be right."""
    owners = [k for k, entry in enumerate(chunk) for _ in entry.graphs]
    wrong: dict[int, Skipped] = {}
    for graph in sorted(error.reasons):
        number = owners[graph]
        wrong.setdefault(number, Skipped(chunk[number].source, error.reasons[graph]))
    return wrong


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
