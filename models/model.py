"""CrystalModel: a trained network with everything needed to predict from structures."""

from __future__ import annotations

import copy
import dataclasses
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.batch import GraphBatch, collate
from models.crystal import Crystal, CrystalError, CrystalWarning
from models.crystal.check import check_usable
from models.crystal.convert import crystals_of
from models.graph import CrystalGraph, GraphSettings
from models.labels import Label
from models.network import SPFrameNetwork
from models.network_graph import network_graph
from models.training_set import TrainingSet

MAX_EDGES_PER_BATCH = 40_000  # bounds memory; about 60 crystals
MAX_DEVIATIONS = 100.0
"""Standard deviations of a label from its mean that a prediction may have; labels of the shipped
data lie within 6."""


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

    def predict(self, structures: object) -> dict[str, NDArray[np.float64]]:
        """Predicted labels in physical units, in the order of the structures.

        Args:
            structures: a pymatgen structure, a ``Crystal``, an ``ase.Atoms`` or the path of a
                structure file, or a sequence of these; cell, origin and site order do not matter.
                A file with several structures stands for all of them.

        Returns:
            label name to (number of structures,) values in ``label.unit``.

        Raises:
            TypeError: if something else is given.
            CrystalError: naming the structure that cannot be used, as ``check_usable`` has it.
            PredictionError: naming the first structure whose prediction cannot be right.

        Warns:
            CrystalWarning: for what the user should know about how a structure was read.
        """
        graphs = [
            self._graph(index, crystal) for index, crystal in enumerate(crystals_of(structures))
        ]
        return self.predictions(self.standardised(list(self.batches(graphs))))

    def graph(self, crystal: Crystal) -> CrystalGraph:
        """The graph of a crystal as this model is to see it.

        Raises:
            CrystalError: if atoms sit on top of each other, or the lattice cannot be reduced.

        Warns:
            SymmetryWarning: if no primitive cell was found.
        """
        return network_graph(crystal, self.graph_settings, self.network.config)

    def _graph(self, index: int, crystal: Crystal) -> CrystalGraph:
        for note in crystal.notes:
            warnings.warn(f"structure {index}: {note}", CrystalWarning, stacklevel=3)
        try:
            check_usable(crystal, len(self.network.element_features) - 1)
            return self.graph(crystal)
        except CrystalError as error:
            raise CrystalError(f"structure {index}: {error}") from None

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
