"""How good a checkpoint is: its errors on the held-out fold beside the median and the trees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from experiments.baseline import BaselineScore, baseline_table
from experiments.number_text import json_text
from experiments.record import RunRecord
from experiments.training_info import TrainingInfo
from models.datasets import load_dataset
from models.model import CrystalModel
from photonic.files import write_new


@dataclass(frozen=True)
class Accuracy:
    """Errors of one label on the test fold.

    Attributes:
        label: name.
        unit: unit of all errors.
        num_test: crystals tested on.
        network_mae: mean absolute error of the checkpoint.
        split_baseline: median and trees fitted on the network's own training folds.
        rest_baseline: the same fitted on all folds but the test fold, the network's validation
            fold included.
    """

    label: str
    unit: str
    num_test: int
    network_mae: float
    split_baseline: BaselineScore
    rest_baseline: BaselineScore


def accuracy_table(
    model: CrystalModel,
    labels: tuple[str, ...] | None = None,
    on_crystal: Callable[[int], None] = lambda total: None,
) -> list[Accuracy]:
    """Errors of a checkpoint on the crystals that it has not seen.

    Args:
        model: its ``info`` names the test fold.
        labels: names to evaluate; None for all.
        on_crystal: called with the number of crystals of the label's fold after each.

    Raises:
        ValueError: if the model has no label of a name, or does not tell which crystals it has
            not seen.
    """
    unknown = set(labels or ()) - {label.name for label in model.labels}
    if unknown:
        known = ", ".join(label.name for label in model.labels)
        raise ValueError(f"the checkpoint has no label {sorted(unknown)[0]!r}; it has {known}")
    info = TrainingInfo.of(model)
    fold = info.held_out_fold
    chosen = [label for label in model.labels if labels is None or label.name in labels]
    table = []
    for label in chosen:
        dataset = load_dataset(label.dataset)
        info.check_data(dataset)
        test = dataset.split(fold).test
        graphs = []
        for index in test:
            graphs.append(model.graph(dataset.crystals[index]))
            on_crystal(len(test))
        outputs = model.standardised(tuple(model.batches(graphs)))
        predicted = model.predictions(outputs)[label.name]
        truth = dataset.labels[label.name][test]
        split_score, rest_score = baseline_table(dataset, label.name, (fold,))
        table.append(
            Accuracy(
                label.name,
                label.unit,
                len(test),
                float(np.abs(predicted - truth).mean()),
                split_score,
                rest_score,
            )
        )
    return table


def write_accuracy(table: Sequence[Accuracy], record: RunRecord, path: Path) -> None:
    """Write the table with its provenance as JSON."""
    content = {"record": record.model_dump(mode="json"), "table": [asdict(row) for row in table]}
    write_new(path, json_text(content).encode())
