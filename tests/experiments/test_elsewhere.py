"""Formation energies of crystals from elsewhere: errors, shift, files, refusals."""

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from experiments.cli import app
from experiments.elsewhere import MEAN, Elsewhere, predict_elsewhere
from experiments.energy_corrections import shift_to_2020
from experiments.wbm import load_out_of_distribution
from models.crystal import Crystal
from models.datasets import load_dataset
from models.model import CrystalModel
from tests.experiments.wbm_file import wbm_file
from tests.tolerances import CLOSED_FORM_F64

SELENIDE = Crystal(np.array([30, 34]), 4.0 * np.eye(3), np.array([[0.0] * 3, [0.5] * 3]))
ALLOY = Crystal(np.array([13, 28]), 2.9 * np.eye(3), np.array([[0.0] * 3, [0.5] * 3]))
VALUES = [-0.5, -0.6, -1.0]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    known = load_dataset("formation").crystals[7]
    place = tmp_path_factory.mktemp("elsewhere") / "wbm.json.gz"
    return wbm_file(place, [SELENIDE, ALLOY, known], VALUES)


@pytest.fixture(scope="module")
def result(path: Path, model: CrystalModel) -> Elsewhere:
    other = dataclasses.replace(model, network=model.network)
    return predict_elsewhere({"a": model, "b": other}, load_out_of_distribution(path))


def test_networks_predict_as_on_single_crystals(result: Elsewhere, model: CrystalModel) -> None:
    outputs = model.standardised(list(model.batches([model.graph(SELENIDE)])))
    alone = model.to_physical(outputs)["ef"][0]
    assert result.predicted["a"][0] == pytest.approx(alone, rel=1e-5)
    assert np.array_equal(result.predicted["a"], result.predicted[MEAN])


def test_errors_with_and_without_the_shift(result: Elsewhere) -> None:
    assert [row.name for row in result.rows] == ["a", "b", MEAN, "median", "trees"]
    assert np.array_equal(result.shift, shift_to_2020(result.crystals.crystals))
    assert result.shift[0] == pytest.approx(-0.472 / 2, abs=CLOSED_FORM_F64)
    assert result.is_known.tolist() == [False, False, True]
    for row in result.rows:
        error = result.predicted[row.name] - VALUES
        assert row.mae == pytest.approx(abs(error).mean())
        assert row.aligned_mae == pytest.approx(abs(error + result.shift).mean())
        assert row.aligned_bias == pytest.approx((error + result.shift).mean())
        assert row.unknown_mae == pytest.approx(abs(error + result.shift)[:2].mean())


def test_trees_and_median_are_of_all_formation_energies(result: Elsewhere) -> None:
    labels = load_dataset("formation").labels["ef"]
    assert (result.predicted["median"] == np.median(labels)).all()
    assert abs(result.predicted["trees"][2] - labels[7]) < labels.std()


def test_the_mean_is_that_of_different_networks(path: Path, model: CrystalModel) -> None:
    label = next(label for label in model.labels if label.name == "ef")
    moved = label.model_copy(update={"mean": label.mean + 1})
    shifted = [moved if known is label else known for known in model.labels]
    other = dataclasses.replace(model, labels=tuple(shifted))
    both = predict_elsewhere({"a": model, "b": other}, load_out_of_distribution(path)).predicted
    assert np.allclose(both["b"], both["a"] + 1, rtol=0, atol=1e-6)
    assert np.allclose(both[MEAN], both["a"] + 0.5, rtol=0, atol=1e-6)


def test_a_network_without_the_label_is_refused(path: Path, model: CrystalModel) -> None:
    without = dataclasses.replace(model, labels=model.labels[:1])
    with pytest.raises(ValueError, match="x was not trained on formation:ef"):
        predict_elsewhere({"x": without}, load_out_of_distribution(path))


def test_command_writes_errors_and_predictions(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["elsewhere", str(path), "multitask", "--out", str(out)]
    run = CliRunner().invoke(app, arguments)
    assert run.exit_code == 0, run.output
    stored = json.loads((out / "elsewhere.json").read_bytes())
    assert stored["num_known_formulas"] == 1
    assert stored["record"]["data_sha256"]["wbm.json.gz"]
    with (out / "predictions.csv").open(encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header[:4] == ["id", "formula", "efc [eV/atom]", "shift"]
    assert [row[1] for row in rows[:2]] == ["ZnSe", "AlNi"]
    errors = [abs(float(row[4]) - float(row[2])) for row in rows]
    assert stored["rows"][0]["mae"] == pytest.approx(np.mean(errors))


@pytest.mark.parametrize(
    ("names", "message"),
    [(["multitask", "multitask"], "named twice"), (["nowhere"], "nowhere")],
)
def test_mistakes_give_one_line(names: list[str], message: str, path: Path, tmp_path: Path) -> None:
    run = CliRunner().invoke(app, ["elsewhere", str(path), *names, "--out", str(tmp_path / "o")])
    assert run.exit_code != 0
    assert message in str(run.exception)
