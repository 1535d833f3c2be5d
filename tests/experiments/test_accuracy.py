"""The shipped checkpoint against the baselines on its held-out fold."""

import pytest

from experiments.accuracy import Accuracy, accuracy_table
from models import CrystalModel


@pytest.fixture(scope="module")
def row(model: CrystalModel) -> Accuracy:
    return accuracy_table(model, ("n",))[0]


def test_the_network_beats_the_trees(row: Accuracy) -> None:
    """Also the trees that may fit the network's validation fold."""
    assert row.num_test == 228
    assert row.network_mae < row.rest_baseline.trees_mae < row.split_baseline.trees_mae
    assert row.split_baseline.trees_mae < row.split_baseline.median_mae


def test_the_checkpoint_states_its_error(row: Accuracy, model: CrystalModel) -> None:
    stated = model.info["metrics"]["n"]["test_mae"]
    assert row.network_mae == pytest.approx(stated, rel=1e-4)
    assert model.info["test_fold"] == 0
