"""The tree baseline: its features in closed form, its scores against the published ones."""

import dataclasses

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesRegressor

from experiments import baseline
from experiments.baseline import (
    NUM_FEATURES,
    baseline_table,
    extra_trees,
    from_fitted,
    to_fitted,
    tree_features,
)
from models.crystal import Crystal
from models.datasets import Dataset, load_dataset
from tests.tolerances import BASELINE_PUBLISHED, CLOSED_FORM_F64

SILICON_CELL = 5.431  # Angstrom
SILICON_DENSITY = 2.329  # g/cm^3, as printed in the CRC handbook


def zincblende(first: int, second: int, length: float) -> Crystal:
    """Primitive cell of two elements on the diamond lattice, ``length`` in Angstrom."""
    lattice = length / 2 * np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]])
    return Crystal(np.array([first, second]), lattice, np.array([[0.0] * 3, [0.25] * 3]))


@pytest.fixture
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baseline, "NUM_TREES", 20)


@pytest.fixture(scope="module")
def small() -> Dataset:
    """The first 200 dielectric crystals."""
    full = load_dataset("dielectric")
    return dataclasses.replace(
        full,
        ids=full.ids[:200],
        crystals=full.crystals[:200],
        labels={name: values[:200] for name, values in full.labels.items()},
        folds=full.folds[:200],
    )


def test_features_of_silicon() -> None:
    features = tree_features(zincblende(14, 14, SILICON_CELL))
    assert features.shape == (NUM_FEATURES,)
    mean, std, lowest, highest = features[:36].reshape(4, 9)
    assert np.array_equal(mean, lowest) and np.array_equal(mean, highest) and not std.any()
    assert mean[:3].tolist() == [14.0, 14.0, 3.0]
    volume, density, num_sites, num_elements = features[36:40]
    assert volume == pytest.approx(SILICON_CELL**3 / 8, rel=CLOSED_FORM_F64)
    assert round(density, 3) == SILICON_DENSITY
    assert (num_sites, num_elements) == (2, 1)
    edge = SILICON_CELL / np.sqrt(2)
    assert features[40:43] == pytest.approx([edge] * 3, rel=CLOSED_FORM_F64)
    assert features[43:] == pytest.approx([60.0] * 3, rel=CLOSED_FORM_F64)


def test_features_of_two_elements() -> None:
    mean, std, lowest, highest = tree_features(zincblende(30, 16, 5.41))[:36].reshape(4, 9)
    assert (mean[0], std[0], lowest[0], highest[0]) == (23.0, 7.0, 16.0, 30.0)


def test_missing_properties_count_as_zero() -> None:
    electronegativity = 3
    features = tree_features(zincblende(2, 9, 4.0))[:36].reshape(4, 9)[:, electronegativity]
    assert features.tolist() == [3.98 / 2, 3.98 / 2, 0.0, 3.98]


def test_lengths_and_angles_are_sorted() -> None:
    lattice = np.array([[0.0, 0.0, 7.0], [5.0, 0.0, 0.0], [3.0, 3.0 * np.sqrt(3), 0.0]])
    features = tree_features(Crystal(np.array([3]), lattice, np.zeros((1, 3))))
    assert features[40:] == pytest.approx([5, 6, 7, 60, 90, 90], rel=CLOSED_FORM_F64)


def test_features_see_no_positions() -> None:
    crystal = load_dataset("dielectric").crystals[5]
    moved = np.random.default_rng(0).random(crystal.frac_coords.shape)
    other = dataclasses.replace(crystal, frac_coords=moved)
    assert np.array_equal(tree_features(crystal), tree_features(other))


def test_element_beyond_the_table_is_refused() -> None:
    with pytest.raises(ValueError, match="element Z = 118 is beyond the table, which ends at 103"):
        tree_features(zincblende(118, 8, 6.0))


def test_log_targets_and_their_floor() -> None:
    assert to_fitted("K", [100.0]).tolist() == [2.0]
    assert to_fitted("gap", [1.7]).tolist() == [1.7]
    assert to_fitted("eij_max", [1e-5, 0.1]).tolist() == [-2.0, -1.0]
    for target in ("n", "gap", "eij_max"):
        values = np.array([0.05, 1.3, 16.0])
        error = np.abs(from_fitted(target, to_fitted(target, values)) / values - 1).max()
        assert error <= CLOSED_FORM_F64, f"{target}: {error:.1e}"


@pytest.mark.usefixtures("few_trees")
def test_trees_predict_in_the_unit_and_order_asked_for(small: Dataset) -> None:
    everything = np.arange(len(small))
    seen = extra_trees(small, "n", everything, everything)
    # Fully grown trees repeat what they were fitted on, unless two crystals share all features.
    assert np.median(np.abs(seen / small.labels["n"] - 1)) <= CLOSED_FORM_F64
    split = small.split(0)
    forward = extra_trees(small, "n", split.train, split.test)
    backward = extra_trees(small, "n", split.train, split.test[::-1])
    assert np.array_equal(forward, backward[::-1])
    assert not np.array_equal(forward, extra_trees(small, "n", split.train, split.test, seed=1))


@pytest.mark.usefixtures("few_trees")
def test_scores_follow_from_their_definition(small: Dataset) -> None:
    (score,) = baseline_table(small, "n", test_folds=[2], trainings=["split"])
    split, labels = small.split(2), small.labels["n"]
    truth = labels[split.test]
    predicted = extra_trees(small, "n", split.train, split.test)
    assert score.trees_mae == np.abs(predicted - truth).mean()
    assert score.median_mae == np.abs(np.median(labels[split.train]) - truth).mean()
    logs = np.log10(truth)
    residual = np.log10(predicted) - logs
    assert score.trees_fitted_mae == pytest.approx(np.abs(residual).mean(), rel=CLOSED_FORM_F64)
    r2 = 1 - np.mean(residual**2) / np.var(logs)
    assert score.trees_r2 == pytest.approx(r2, rel=CLOSED_FORM_F64)
    assert (score.num_train, score.num_test) == (split.train.size, split.test.size)
    assert (score.dataset, score.target, score.unit, score.test_fold) == ("dielectric", "n", "1", 2)


@pytest.mark.usefixtures("few_trees")
def test_no_test_crystal_is_fitted_on(small: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[int] = []
    fit = ExtraTreesRegressor.fit

    def counting_fit(self: ExtraTreesRegressor, features: np.ndarray, values: np.ndarray) -> object:
        rows.append(len(features))
        return fit(self, features, values)

    monkeypatch.setattr(ExtraTreesRegressor, "fit", counting_fit)
    scores = baseline_table(small, "gap", test_folds=[0])
    assert [score.training for score in scores] == ["split", "rest"]
    assert rows == [np.sum(small.folds > 1), np.sum(small.folds > 0)]
    assert [score.num_train for score in scores] == rows


def test_unknown_target_is_refused(small: Dataset) -> None:
    message = "dielectric has no label 'K'; it has n, gap, eps_e, eps_t"
    with pytest.raises(ValueError, match=message):
        baseline_table(small, "K")
    with pytest.raises(ValueError, match=message):
        extra_trees(small, "K", [0, 1], [2])


def test_refractive_index_of_one_fold_is_near_the_published_error() -> None:
    (score,) = baseline_table(load_dataset("dielectric"), "n", [0], ["rest"])
    assert abs(score.trees_mae / 0.234 - 1) <= BASELINE_PUBLISHED, f"MAE {score.trees_mae:.4f}"


# Five-fold mean absolute errors: median guess, trees; trees fitted on four folds.
PUBLISHED = {
    ("dielectric", "n"): (0.669, 0.247),
    ("dielectric", "gap"): (1.207, 0.581),
    ("dielectric", "eps_e"): (4.07, 2.02),
    ("dielectric", "eps_t"): (7.47, 5.03),
    ("elastic", "K"): (59.9, 11.9),
    ("elastic", "G"): (33.3, 12.6),
    ("elastic", "nu"): (0.0485, 0.0275),
    ("formation", "ef"): (0.865, 0.188),
    ("piezo", "eij_max"): (0.659, 0.507),
}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "target"), sorted(PUBLISHED))
def test_five_fold_errors_are_near_the_published_ones(name: str, target: str) -> None:
    scores = baseline_table(load_dataset(name), target, trainings=["rest"])
    median, trees = PUBLISHED[name, target]
    median_error = np.mean([score.median_mae for score in scores])
    trees_error = np.mean([score.trees_mae for score in scores])
    assert abs(median_error / median - 1) <= BASELINE_PUBLISHED, f"median {median_error:.4f}"
    assert abs(trees_error / trees - 1) <= BASELINE_PUBLISHED, f"trees {trees_error:.4f}"
