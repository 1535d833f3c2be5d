"""Errors of formation energies on crystals from elsewhere, of several networks and their mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.baseline import extra_trees
from experiments.energy_corrections import shift_to_2020
from experiments.number_text import csv_text, json_text
from experiments.record import RunRecord
from experiments.wbm import OutOfDistribution
from models.datasets import load_dataset
from models.model import CrystalModel
from photonic.files import write_atomic

Floats = NDArray[np.float64]
MEAN = "mean prediction"


@dataclass(frozen=True)
class ElsewhereRow:
    """Mean absolute errors [eV/atom] of one predictor.

    Attributes:
        name: checkpoint, ``mean prediction``, ``median`` or ``trees``.
        mae: against the labels as they are.
        aligned_mae: after the shift to the corrections that the labels follow.
        aligned_bias: mean of prediction minus label after it.
        unknown_mae: as ``aligned_mae``, on formulas that are not among those trained on.
    """

    name: str
    mae: float
    aligned_mae: float
    aligned_bias: float
    unknown_mae: float


@dataclass(frozen=True, eq=False)
class Elsewhere:
    """Predictions for crystals from elsewhere.

    Attributes:
        crystals: with their labels.
        shift: (W,) [eV/atom] from the corrections trained on to those of the labels.
        is_known: (W,) formulas that occur in the data set trained on.
        predicted: predictor to (W,) [eV/atom], before the shift.
    """

    crystals: OutOfDistribution
    shift: Floats
    is_known: NDArray[np.bool_]
    predicted: Mapping[str, Floats]

    @property
    def rows(self) -> list[ElsewhereRow]:
        """Errors of all predictors."""
        return [self._row(name, values) for name, values in self.predicted.items()]

    def _row(self, name: str, predicted: Floats) -> ElsewhereRow:
        error = predicted - self.crystals.values
        aligned = error + self.shift
        return ElsewhereRow(
            name,
            float(np.abs(error).mean()),
            float(np.abs(aligned).mean()),
            float(aligned.mean()),
            float(np.abs(aligned[~self.is_known]).mean()),
        )


def predict_elsewhere(
    models: Mapping[str, CrystalModel],
    crystals: OutOfDistribution,
    on_crystal: Callable[[int], None] = lambda total: None,
) -> Elsewhere:
    """Predict with several networks, with their mean, and with median and trees.

    Median and trees are fitted on all crystals of the data set trained on.

    Args:
        models: by name.
        crystals: W of them.
        on_crystal: called with the number of all predictions after each.

    Raises:
        ValueError: if a network does not predict the formation energy.
    """
    for name, model in models.items():
        _check(name, model)
    total = len(crystals.crystals) * (len(models) + 1)
    shift = shift_to_2020(crystals.crystals, lambda: on_crystal(total))
    of_networks = {
        name: _predictions(model, crystals, lambda: on_crystal(total))
        for name, model in models.items()
    }
    together = {MEAN: np.mean(list(of_networks.values()), axis=0)} if len(models) > 1 else {}
    formation = load_dataset(OutOfDistribution.TRAINED_ON)
    joined, elsewhere = crystals.joined_to(formation)
    label, everything = OutOfDistribution.TRAINED_AS, np.arange(len(formation))
    baselines = {
        "median": np.full(len(shift), np.median(formation.labels[label])),
        "trees": extra_trees(joined, label, everything, elsewhere),
    }
    known = crystals.is_known(formation)
    return Elsewhere(crystals, shift, known, {**of_networks, **together, **baselines})


def _check(name: str, model: CrystalModel) -> None:
    trained = {(label.dataset, label.name) for label in model.labels}
    needed = (OutOfDistribution.TRAINED_ON, OutOfDistribution.TRAINED_AS)
    if needed not in trained:
        raise ValueError(f"{name} was not trained on {':'.join(needed)}")


def _predictions(
    model: CrystalModel, crystals: OutOfDistribution, on_crystal: Callable[[], None]
) -> Floats:
    graphs = []
    for crystal in crystals.crystals:
        graphs.append(model.graph(crystal))
        on_crystal()
    outputs = model.standardised(list(model.batches(graphs)))
    return model.to_physical(outputs)[OutOfDistribution.TRAINED_AS]


def write_elsewhere(result: Elsewhere, record: RunRecord, directory: Path) -> None:
    """Write ``elsewhere.json``, the errors with their provenance, and ``predictions.csv``."""
    content = {
        "record": record.model_dump(mode="json"),
        "num_crystals": len(result.shift),
        "num_known_formulas": int(result.is_known.sum()),
        "rows": [asdict(row) for row in result.rows],
    }
    write_atomic(directory / "elsewhere.json", json_text(content).encode())
    write_atomic(directory / "predictions.csv", _csv(result).encode())


def _csv(result: Elsewhere) -> str:
    names = [f"{name} [eV/atom]" for name in result.predicted]
    header = ["id", "formula", f"{OutOfDistribution.LABEL} [eV/atom]", "shift", *names]
    columns: list[Sequence[object]] = [
        result.crystals.ids,
        [
            crystal.to_structure().composition.reduced_formula
            for crystal in result.crystals.crystals
        ],
        result.crystals.values.tolist(),
        result.shift.tolist(),
        *(values.tolist() for values in result.predicted.values()),
    ]
    return csv_text([header, *zip(*columns, strict=True)], line_end="\n")
