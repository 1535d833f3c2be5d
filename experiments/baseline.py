"""The baseline beside every result: extremely randomised trees that see no atomic positions.

The trees know composition, density and cell shape only. A network that does not beat them on the
same folds makes no use of the structure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.crystal import Crystal
from models.datasets import NUM_FOLDS, Dataset
from models.elements import element_table
from models.labels import LOG10_FLOORS

# D crystals, S sites, F = 46 features

NUM_TREES = 200
NUM_FEATURES = 46

_ELEMENT_FEATURES = (
    "atomic_number",
    "group",
    "period",
    "electronegativity",
    "atomic_radius",
    "atomic_mass",
    "mendeleev_number",
    "valence_count",
    "ionization_energy",
)
_MASS = _ELEMENT_FEATURES.index("atomic_mass")
_DENSITY_UNIT = 1.66053906892  # one u per Angstrom^3 [g/cm^3]; CODATA 2022

Training = Literal["split", "rest"]


@dataclass(frozen=True, kw_only=True)
class BaselineScore:
    """Errors of the baselines on one test fold.

    Attributes:
        dataset: name of the dataset.
        target: name of the label.
        unit: unit of the label.
        test_fold: the fold that the errors are of.
        training: ``"split"`` for the three training folds of ``Dataset.split``, which leaves the
            validation fold out as a network must; ``"rest"`` for all four folds but the test fold.
        num_train: crystals fitted on.
        num_test: crystals tested on.
        median_mae: mean absolute error of guessing the training median [unit].
        trees_mae: mean absolute error of the trees [unit].
        trees_fitted_mae: mean absolute error in the fitted space [log10 or unit].
        trees_r2: coefficient of determination in the fitted space.
        seed: seed of the trees.
    """

    dataset: str
    target: str
    unit: str
    test_fold: int
    training: Training
    num_train: int
    num_test: int
    median_mae: float
    trees_mae: float
    trees_fitted_mae: float
    trees_r2: float
    seed: int


def tree_features(crystal: Crystal) -> NDArray[np.float64]:
    """(46,) features of a crystal, none of which depends on atomic positions.

    Mean, standard deviation, minimum and maximum over the sites of nine element properties
    (missing = 0), in this order; volume per atom [Angstrom^3], mass density [g/cm^3], number of
    sites, number of elements; sorted cell lengths [Angstrom]; sorted cell angles [degree].

    Raises:
        ValueError: if an element is beyond the element table.
    """
    table = element_table()
    if crystal.numbers.max() > table.max_atomic_number:
        raise ValueError(
            f"element Z = {crystal.numbers.max()} is beyond the table, which ends at "
            f"{table.max_atomic_number}"
        )
    columns = [table.names.index(name) for name in _ELEMENT_FEATURES]
    sites = np.nan_to_num(table.raw[crystal.numbers][:, columns])
    moments = np.concatenate(
        [sites.mean(axis=0), sites.std(axis=0), sites.min(axis=0), sites.max(axis=0)]
    )
    size = [
        crystal.volume / crystal.num_sites,
        float(sites[:, _MASS].sum()) * _DENSITY_UNIT / crystal.volume,
        crystal.num_sites,
        np.unique(crystal.numbers).size,
    ]
    lengths = np.linalg.norm(crystal.lattice, axis=1)
    directions = crystal.lattice / lengths[:, None]
    cosines = (directions @ directions.T)[[1, 0, 0], [2, 2, 1]]
    angles = np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))
    return np.concatenate([moments, size, np.sort(lengths), np.sort(angles)])


def to_fitted(target: str, values: ArrayLike) -> NDArray[np.float64]:
    """Label values (any shape) in the space that they are fitted in, see ``LOG10_FLOORS``.

    Args:
        target: name of the label.
        values: values in the label's unit.
    """
    physical = np.asarray(values, dtype=np.float64)
    if target not in LOG10_FLOORS:
        return physical
    return np.log10(np.maximum(physical, LOG10_FLOORS[target]))


def from_fitted(target: str, values: ArrayLike) -> NDArray[np.float64]:
    """Label values in the label's unit from the fitted space; inverse of ``to_fitted`` above the
    floor.
    """
    fitted = np.asarray(values, dtype=np.float64)
    return 10.0**fitted if target in LOG10_FLOORS else fitted


def extra_trees(
    dataset: Dataset,
    target: str,
    train: Sequence[int] | NDArray[np.int64],
    test: Sequence[int] | NDArray[np.int64],
    seed: int = 0,
) -> NDArray[np.float64]:
    """Predictions of the tree baseline for the test crystals.

    Args:
        dataset: crystals and labels.
        target: name of the label.
        train: (T,) indices of the crystals to fit on.
        test: (E,) indices of the crystals to predict.
        seed: seed of the trees; the same seed gives the same predictions.

    Returns:
        (E,) predictions in the label's unit, in the order of ``test``.

    Raises:
        ValueError: if the dataset has no such label.
    """
    _require_target(dataset, target)
    features, labels = _feature_matrix(dataset), dataset.labels[target]
    return _fit_and_predict(features, labels, target, train, test, seed)


def baseline_table(
    dataset: Dataset,
    target: str,
    test_folds: Iterable[int] = range(NUM_FOLDS),
    trainings: Sequence[Training] = ("split", "rest"),
    seed: int = 0,
) -> tuple[BaselineScore, ...]:
    """Scores of the median guess and of the trees, one for each test fold and training set.

    Args:
        dataset: crystals and labels.
        target: name of the label.
        test_folds: folds to test on, each 0 to 4.
        trainings: which training sets to fit on; see ``BaselineScore.training``.
        seed: seed of the trees.

    Raises:
        ValueError: if the dataset has no such label or there is no such fold.
    """
    _require_target(dataset, target)
    features = _feature_matrix(dataset)
    labels = dataset.labels[target]
    scores = []
    for fold in test_folds:
        split = dataset.split(fold)
        for training in trainings:
            train = split.train
            if training == "rest":
                train = np.union1d(split.train, split.validation)
            predicted = _fit_and_predict(features, labels, target, train, split.test, seed)
            errors = _errors(target, labels[train], labels[split.test], predicted)
            scores.append(
                BaselineScore(
                    dataset=dataset.name,
                    target=target,
                    unit=dataset.units[target],
                    test_fold=fold,
                    training=training,
                    num_train=train.size,
                    num_test=split.test.size,
                    seed=seed,
                    **errors,
                )
            )
    return tuple(scores)


def _require_target(dataset: Dataset, target: str) -> None:
    if target not in dataset.labels:
        raise ValueError(
            f"{dataset.name} has no label {target!r}; it has {', '.join(dataset.labels)}"
        )


def _feature_matrix(dataset: Dataset) -> NDArray[np.float64]:
    """(D, F) features of all crystals."""
    return np.array([tree_features(crystal) for crystal in dataset.crystals])


def _fit_and_predict(
    features: NDArray[np.float64],
    labels: NDArray[np.float64],
    target: str,
    train: Sequence[int] | NDArray[np.int64],
    test: Sequence[int] | NDArray[np.int64],
    seed: int,
) -> NDArray[np.float64]:
    """Fit on the rows ``train`` and predict the rows ``test``, in the label's unit."""
    from sklearn.ensemble import ExtraTreesRegressor  # slow to load, and seldom needed

    trees = ExtraTreesRegressor(n_estimators=NUM_TREES, min_samples_leaf=1, random_state=seed)
    trees.fit(features[train], to_fitted(target, labels[train]))
    return from_fitted(target, trees.predict(features[test]))


def _errors(
    target: str,
    train: NDArray[np.float64],
    test: NDArray[np.float64],
    predicted: NDArray[np.float64],
) -> dict[str, float]:
    """The error fields of ``BaselineScore`` from training labels, test labels and predictions."""
    truth = to_fitted(target, test)
    residual = to_fitted(target, predicted) - truth
    return {
        "median_mae": float(np.abs(np.median(train) - test).mean()),
        "trees_mae": float(np.abs(predicted - test).mean()),
        "trees_fitted_mae": float(np.abs(residual).mean()),
        "trees_r2": float(1.0 - (residual**2).sum() / ((truth - truth.mean()) ** 2).sum()),
    }
