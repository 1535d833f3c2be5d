"""CrystalModel: a trained network with everything needed to predict from structures."""

from __future__ import annotations

import copy
import dataclasses
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.batch import GraphBatch, collate
from models.crystal import Crystal, CrystalError, CrystalWarning
from models.domain import Domain
from models.graph import CrystalGraph, GraphSettings
from models.labels import Label
from models.network import SPFrameNetwork
from models.network_graph import network_graph
from models.training_set import TrainingSet

if TYPE_CHECKING:
    from pathlib import Path

    from ase import Atoms
    from pymatgen.core import Structure

    from models.crystal.found import NamedCrystal

    GivenStructure = Structure | Atoms | Crystal | NamedCrystal | str | Path

MAX_EDGES_PER_BATCH = 40_000  # bounds memory; about 60 crystals
MAX_DEVIATIONS = 100.0
"""Standard deviations of a label from its mean that a prediction may have; labels of the shipped
data lie within 6."""
MAX_WARNINGS = 50
"""Notes on structures of one call that are issued as warnings."""


class PredictionError(ValueError):
    """Predictions that cannot be right: the weights are damaged or far too large.

    Attributes:
        reasons: number of each crystal that is concerned, and why.
    """

    def __init__(self, reasons: Mapping[int, str]) -> None:
        first = min(reasons)
        more = f" ({len(reasons) - 1} more crystals)" if len(reasons) > 1 else ""
        super().__init__(f"structure {first}: {reasons[first]}{more}")
        self.reasons = dict(reasons)


@dataclass(frozen=True, eq=False)
class CrystalModel:
    """Network, graph settings and labels of one checkpoint.

    Attributes:
        network: in evaluation mode.
        graph_settings: how structures become graphs.
        labels: one per output, in order.
        info: provenance of the checkpoint (config, data hash, metrics, versions).
        training_set: record of what the network was trained on; None if it is not known.
    """

    network: SPFrameNetwork
    graph_settings: GraphSettings
    labels: tuple[Label, ...]
    info: Mapping[str, object]
    training_set: TrainingSet | None = None

    @property
    def dtype(self) -> torch.dtype:
        """Real dtype of the weights."""
        return self.network.element_features.dtype

    def predict(
        self,
        structures: GivenStructure | Sequence[GivenStructure],
        *,
        labels: Sequence[str] | None = None,
    ) -> dict[str, NDArray[np.float64]]:
        """Predicted labels in physical units, in the order of the structures.

        Args:
            structures: pymatgen structures, ASE atoms, ``Crystal`` objects, what readers found, or
                paths of structure files: one, or a sequence of any of them. A file stands for all
                its structures; orderings of a disordered one count as one, with their mean. Cell,
                origin and site order do not matter.
            labels: names of those wanted; None for all.

        Returns:
            label name to (number of structures,) values in ``label.unit``.

        Raises:
            TypeError: if it is neither a structure nor a sequence.
            ValueError: if there is no such label.
            CrystalError: naming the structure that cannot be used, as ``check_usable`` has it.
            PredictionError: naming the first structure whose prediction cannot be right.

        Warns:
            CrystalWarning: how a structure was read, and what makes a prediction doubtful
                (``Domain.notes``, ``Domain.value_notes``).
        """
        from models.crystal.given import given_crystals
        from models.crystal.sites import ReadOptions

        chosen = self.labels_named(labels)
        options = ReadOptions(max_atomic_number=len(self.network.element_features) - 1)
        entries: list[NamedCrystal] = []
        graphs: list[CrystalGraph] = []
        for entry in given_crystals(structures, options):
            graphs += self._graphs(entry)
            entries.append(entry)
        sizes = [1 + len(entry.others) for entry in entries]
        try:
            values = self.predictions(self.standardised(list(self.batches(graphs))))
        except PredictionError as error:
            owners = np.repeat(np.arange(len(sizes)), sizes).tolist()
            reasons = {owners[graph]: reason for graph, reason in error.reasons.items()}
            raise PredictionError(reasons) from None
        table = np.stack(list(values.values()), axis=-1)
        means = dict(zip(values, means_of_structures(table, sizes).T, strict=True))
        self._warn(entries, graphs, values, means, chosen)
        return {label.name: means[label.name] for label in chosen}

    def labels_named(self, names: Sequence[str] | None) -> list[Label]:
        """The labels of some names, in that order; all for None.

        Raises:
            ValueError: if there is none of that name, naming those that there are.
        """
        known = {label.name: label for label in self.labels}
        if names is None:
            return list(self.labels)
        if isinstance(names, str) or not names:
            raise ValueError(f"`labels` must be a list of names, got {names!r}")
        for name in names:
            if name not in known:
                raise ValueError(f"no label {name!r}; there are {', '.join(known)}")
        return [known[name] for name in dict.fromkeys(names)]

    def domain(self, labels: Sequence[str] | None = None) -> Domain:
        """What some labels were trained on, to compare crystals with; all labels for None.

        Raises:
            ValueError: if there is no such label.
        """
        chosen = [label.name for label in self.labels_named(labels)]
        return Domain(self.training_set, self.labels, chosen)

    def _warn(
        self,
        entries: Sequence[NamedCrystal],
        graphs: Sequence[CrystalGraph],
        values: Mapping[str, NDArray[np.float64]],
        means: Mapping[str, NDArray[np.float64]],
        chosen: Sequence[Label],
    ) -> None:
        """Issue the notes on all structures as warnings, the first ``MAX_WARNINGS`` of them."""
        domain = self.domain([label.name for label in chosen])
        lines: list[str] = []
        start = 0
        for row, entry in enumerate(entries):
            end = start + 1 + len(entry.others)
            notes = [*entry.crystal.notes, *domain.notes(entry.crystal, graphs[start])]
            if entry.others:
                own = {name: column[start:end] for name, column in values.items()}
                notes.append(scatter_note(own, chosen))
            at_row = {name: float(column[row]) for name, column in means.items()}
            notes += domain.value_notes(entry.crystal, at_row)
            lines += [f"{entry.source}: {note}" for note in notes]
            start = end
        for line in lines[:MAX_WARNINGS]:
            warnings.warn(line, CrystalWarning, stacklevel=3)
        if len(lines) > MAX_WARNINGS:
            more = f"and {len(lines) - MAX_WARNINGS:,} more notes on structures"
            warnings.warn(more, CrystalWarning, stacklevel=3)

    def graph(self, crystal: Crystal) -> CrystalGraph:
        """The graph of a crystal as this model is to see it.

        Raises:
            CrystalError: if atoms sit on top of each other, or the lattice cannot be reduced.

        Warns:
            SymmetryWarning: if no primitive cell was found.
        """
        return network_graph(crystal, self.graph_settings, self.network.config)

    def _graphs(self, entry: NamedCrystal) -> list[CrystalGraph]:
        """The graphs of a structure, one per ordering."""
        try:
            return [self.graph(crystal) for crystal in (entry.crystal, *entry.others)]
        except CrystalError as error:
            raise CrystalError(f"{entry.source}: {error}") from None

    def batches(self, graphs: Sequence[CrystalGraph]) -> Iterator[GraphBatch]:
        """The graphs in order, in batches of bounded size and in the model's dtype."""
        chunk: list[CrystalGraph] = []
        num_edges = 0
        for graph in graphs:
            size = graph.edge_vector.shape[0] * len(graph.frames)
            if chunk and num_edges + size > MAX_EDGES_PER_BATCH:
                yield collate(chunk, self.dtype)
                chunk, num_edges = [], 0
            chunk.append(graph)
            num_edges += size
        if chunk:
            yield collate(chunk, self.dtype)

    def standardised(
        self, batches: Sequence[GraphBatch], weights: Mapping[str, Tensor] | None = None
    ) -> Tensor:
        """(B, num_labels) network outputs.

        Args:
            batches: from ``batches``.
            weights: replacements by parameter name (``"head.outer.weight"``), for instance the
                weights that a chip realises; None for the model's own.

        Raises:
            ValueError: if the network has no parameter of that name and shape.
        """
        self._check_replacements(weights or {})
        with torch.inference_mode():
            outputs = [
                self.network(batch)
                if weights is None
                else torch.func.functional_call(self.network, dict(weights), (batch,))
                for batch in batches
            ]
        return torch.cat(outputs) if outputs else torch.zeros(0, len(self.labels))

    def _check_replacements(self, weights: Mapping[str, Tensor]) -> None:
        own = dict(self.network.named_parameters())
        for name, weight in weights.items():
            if name not in own:
                raise ValueError(f"the network has no parameter {name!r}")
            if not isinstance(weight, Tensor):
                raise TypeError(f"`{name}` must be a tensor, got {type(weight).__name__}")
            if weight.shape != own[name].shape:
                shape = tuple(own[name].shape)
                raise ValueError(f"`{name}` must have shape {shape}, got {tuple(weight.shape)}")

    def predictions(self, standardised: Tensor) -> dict[str, NDArray[np.float64]]:
        """Label name to (B,) values in physical units of (B, num_labels) outputs, if plausible.

        Raises:
            PredictionError: if an output is not finite, or beyond ``MAX_DEVIATIONS``.
        """
        is_wrong = ~(standardised.abs() <= MAX_DEVIATIONS)
        if is_wrong.any():
            first = is_wrong.to(torch.uint8).argmax(dim=-1)
            raise PredictionError(
                {
                    crystal: f"the network gives {standardised[crystal, label]:.3g} standard "
                    f"deviations for {self.labels[label].name!r}, which cannot be right"
                    for crystal, label in enumerate(first.tolist())
                    if is_wrong[crystal].any()
                }
            )
        return self.to_physical(standardised)

    def to_physical(self, standardised: Tensor) -> dict[str, NDArray[np.float64]]:
        """Label name to (...) values in physical units of (..., num_labels) outputs."""
        values = standardised.to(torch.float64).numpy()
        return {
            label.name: label.to_physical(values[..., index])
            for index, label in enumerate(self.labels)
        }

    def to(self, dtype: torch.dtype) -> CrystalModel:
        """The same model computing in ``dtype``; the weights are rounded, not retrained.

        Raises:
            TypeError: if the dtype is neither float32 nor float64.
        """
        if dtype not in (torch.float32, torch.float64):
            raise TypeError(f"`dtype` must be float32 or float64, got {dtype!r}")
        return dataclasses.replace(self, network=copy.deepcopy(self.network).to(dtype))


def means_of_structures(values: NDArray[np.float64], sizes: Sequence[int]) -> NDArray[np.float64]:
    """(..., R, L) means over the graphs of each structure.

    Args:
        values: (..., G, L) of all graphs, those of a structure side by side.
        sizes: (R,) number of graphs of each structure.
    """
    if len(sizes) == values.shape[-2]:
        return values
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    sums = np.add.reduceat(values, starts, axis=-2)
    return sums / np.array(sizes, dtype=np.float64)[:, None]


def scatter_note(values: Mapping[str, NDArray[np.float64]], labels: Sequence[Label]) -> str:
    """A line about the orderings that a prediction is the mean of.

    Args:
        values: label name to (N,) predictions of the N orderings.
        labels: that are shown.
    """
    parts = [
        f"{label.name} {values[label.name].std(ddof=1):.2g}"
        + ("" if label.unit == "1" else f" {label.unit}")
        for label in labels
    ]
    number = len(next(iter(values.values())))
    return f"mean of {number} orderings, standard deviation {', '.join(parts)}"
