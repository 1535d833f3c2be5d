"""Cross-validation: real folds of a small network, continued, scored by independent arithmetic."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from experiments import crossval_worker, training
from experiments.baseline import extra_trees
from experiments.commands.crossval import crossval as command
from experiments.commands.training_options import TrainingOptions, assignments, whole_numbers
from experiments.crossval import crossval, crossval_config
from experiments.crossval_config import CrossvalConfig
from experiments.crossval_parts import Parts
from experiments.crossval_score import ACTIVE, IDLE, UNKNOWN, Scores, score
from experiments.training_config import TrainConfig
from experiments.training_data import LabelSpec
from experiments.wbm import load_out_of_distribution
from models import CrystalModel, GraphSettings, NetworkConfig, load_checkpoint
from models.crystal import Crystal, CrystalWarning
from models.datasets import DatasetError, load_dataset
from models.noop import is_frame_idle
from tests.experiments.wbm_file import wbm_file

TRAINING = TrainConfig(
    target=LabelSpec.parse("dielectric:n"),
    epochs=1,
    batch_size=256,
    graph=GraphSettings(num_neighbours=1),
    network=NetworkConfig(width=4, num_layers=1, num_scalars=4, num_vectors=2),
)
CONFIG = CrossvalConfig(training=TRAINING, folds=(1, 4))
PARENT = """
import multiprocessing, os, time
from concurrent.futures import ProcessPoolExecutor
from experiments.crossval_worker import end_with_parent
context = multiprocessing.get_context("spawn")
pool = ProcessPoolExecutor(1, mp_context=context, initializer=end_with_parent)
print(pool.submit(os.getpid).result(), flush=True)
pool.submit(time.sleep, 600)
time.sleep(600)
"""
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Scores]:
    """Two folds by two processes."""
    out = tmp_path_factory.mktemp("crossval") / "out"
    return out, crossval(CONFIG, out, workers=2, wbm=None)


def test_errors_are_those_of_the_checkpoints(result: tuple[Path, Scores]) -> None:
    out, scores = result
    dataset = load_dataset("dielectric")
    errors, idle = [], []
    for fold in CONFIG.folds:
        model = load_checkpoint(out / f"fold{fold}-seed0")
        assert model.info["test_fold"] == fold
        test = dataset.split(fold).test
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CrystalWarning)
            predicted = model.predict([dataset.crystals[i] for i in test])["n"]
        errors.append(np.abs(predicted - dataset.labels["n"][test]))
        idle.append([is_frame_idle(dataset.crystals[i]) for i in test])
    (label,) = scores.labels
    for row, found in zip(label.folds, errors, strict=True):
        assert row.network_mae == pytest.approx([found.mean()])
    pooled, is_idle = np.concatenate(errors), np.concatenate(idle)
    parts = {part.part: part for part in label.parts}
    assert parts["all"].network_mae == pytest.approx(pooled.mean())
    assert parts[IDLE].network_mae == pytest.approx(pooled[is_idle].mean())
    assert parts[ACTIVE].network_mae == pytest.approx(pooled[~is_idle].mean())
    assert parts[ACTIVE].num_crystals + parts[IDLE].num_crystals == parts["all"].num_crystals
    assert parts["n < 6"].num_crystals < parts["all"].num_crystals


def test_the_table_and_the_results_are_written(result: tuple[Path, Scores]) -> None:
    out, scores = result
    stored = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert stored["labels"][0]["folds"][0]["trees_mae"] == scores.labels[0].folds[0].trees_mae
    assert stored["record"]["config"] == CONFIG.model_dump(mode="json")
    text = (out / "table.md").read_text(encoding="utf-8")
    assert f"{scores.labels[0].parts[0].network_mae:.4g}" in text
    assert "Folds 1,4, seeds 0" in text and "commit" in text


def test_trees_are_fitted_on_what_the_network_was_trained_on(result: tuple[Path, Scores]) -> None:
    _, scores = result
    dataset = load_dataset("dielectric")
    split = dataset.split(1)
    predicted = extra_trees(dataset, "n", split.train, split.test)
    error = np.abs(predicted - dataset.labels["n"][split.test]).mean()
    assert scores.labels[0].folds[0].trees_mae == pytest.approx(error)
    alone = TRAINING.model_copy(update={"validation": "none"})
    four_folds = crossval_worker.trained_on(dataset, alone)
    assert set(four_folds) == set(np.flatnonzero(dataset.folds != alone.test_fold))


def test_finished_folds_are_not_repeated(
    result: tuple[Path, Scores], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, _ = result

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(crossval_worker, "train", refuse)
    monkeypatch.setattr(crossval_worker, "load_data", refuse)
    part = crossval_worker.network_part(CONFIG.runs[0], out, None)
    assert part["parameters"] > 0
    with pytest.raises(AssertionError, match="trained again"):
        crossval_worker.network_part(CrossvalConfig(training=TRAINING).runs[2], out, None)


def test_a_training_that_diverges_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of many: without its name nobody knows which settings to change."""
    monkeypatch.setattr(training, "rate_share", lambda schedule, step, total: float("nan"))
    twice = CONFIG.model_copy(update={"training": TRAINING.model_copy(update={"epochs": 2})})
    with pytest.raises(FloatingPointError, match=r"^out/fold1-seed0: .*lower max_lr"):
        crossval_worker.network_part(twice.runs[0], tmp_path / "out", None)


def test_predictions_for_other_crystals_are_refused(result: tuple[Path, Scores]) -> None:
    out, _ = result
    networks = {
        (run.training.test_fold, 0): crossval_worker.network_part(run, out, None)
        for run in CONFIG.runs
    }
    baselines = {
        fold: json.loads((out / f"fold{fold}-baseline.json").read_bytes()) for fold in CONFIG.folds
    }
    networks[1, 0]["labels"]["n"]["ids"][0] = "another"
    with pytest.raises(ValueError, match="not for its crystals"):
        score(CONFIG, Parts(networks, baselines), {"dielectric": load_dataset("dielectric")}, None)


def test_crystals_from_elsewhere_with_known_formulas_are_named(
    tmp_path: Path, model: CrystalModel
) -> None:
    """One crystal of the data set itself, one of a compound that does not exist."""
    formation = load_dataset("formation")
    known = formation.crystals[7]
    new = Crystal(np.array([2, 79]), 4.0 * np.eye(3), np.array([[0.0] * 3, [0.5] * 3]))
    elsewhere = load_out_of_distribution(wbm_file(tmp_path / "f.gz", [known, new], [-1.0, 0.5]))
    assert elsewhere.is_known(formation).tolist() == [True, False]
    joined, indices = elsewhere.joined_to(formation)
    assert joined.labels["ef"][indices].tolist() == [-1.0, 0.5]

    training = TRAINING.model_copy(update={"target": LabelSpec.parse("formation:ef")})
    config = CrossvalConfig(training=training, folds=(0,), seeds=(0, 1))
    test = formation.split(0).test
    ids, truth = [formation.ids[i] for i in test], formation.labels["ef"][test]
    networks = {
        (0, seed): {
            "labels": {"ef": {"ids": ids, "predicted": truth + error}},
            "wbm": wbm,
            "epoch_seconds": [1.0],
            "parameters": 5,
        }
        for seed, error, wbm in ((0, 0.2, [-1.0, 0.6]), (1, -0.1, [-0.8, 0.2]))
    }
    fitted = {"median": 0.0, "trees": np.zeros(len(test))}
    baselines = {0: {"labels": {"ef": fitted}, "wbm": {"median": 0.0, "trees": [0.0, 0.0]}}}
    scores = score(config, Parts(networks, baselines), {"formation": formation}, elsewhere)
    assert scores.elsewhere.known_ids == ("wbm-0",)
    everything, unknown = scores.elsewhere.parts
    assert unknown.part == UNKNOWN and unknown.num_crystals == 1
    assert everything.network_mae == pytest.approx((0.1 + 0.2 + 0.3) / 4)
    assert unknown.network_mae == pytest.approx((0.1 + 0.3) / 2)
    assert unknown.network_std == pytest.approx(np.std([0.1, 0.3], ddof=1))
    assert everything.ensemble_mae == pytest.approx((0.1 + 0.1) / 2)
    assert unknown.ensemble_mae == pytest.approx(0.1)
    assert everything.trees_mae == pytest.approx(0.75)
    held_out = scores.labels[0].parts[0]
    assert held_out.network_mae == pytest.approx((0.2 + 0.1) / 2)
    assert held_out.ensemble_mae == pytest.approx((0.2 - 0.1) / 2)


def test_a_damaged_file_from_elsewhere_is_named(tmp_path: Path) -> None:
    path = tmp_path / "wbm.json.gz"
    path.write_bytes(b"not gzip")
    with pytest.raises(DatasetError, match=r"wbm\.json\.gz: not readable JSON"):
        load_out_of_distribution(path)


def test_elsewhere_needs_its_label(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--wbm needs the label formation:ef"):
        crossval_config(TRAINING, (0,), (0,), tmp_path / "none.json.gz")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--folds 0,5", "folds are 0 to 4"),
        ("--folds 1,1", "different whole numbers"),
        ("--seeds x", "--seeds takes whole numbers"),
        ("--network width", "--network takes name=value"),
        ("--network widht=4", "widht"),
    ],
)
def test_wrong_options_are_refused(options: str, message: str, tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(command)
    arguments = ["--out", str(tmp_path / "out"), "--auxiliary", "", *options.split()]
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, ValueError) and message in str(result.exception)
    assert not (tmp_path / "out.partial").exists()


def test_assignments() -> None:
    found = assignments("--graph", ["a=1", "b=x=y", "c=1e-3", "d=True", "e=qr"])
    assert found == {"a": 1, "b": "x=y", "c": 1e-3, "d": True, "e": "qr"}
    assert [type(value) for value in found.values()] == [int, str, float, bool, str]
    few = TrainingOptions(graph=["num_neighbours=4"], network=["width=8"]).config()
    assert (few.graph.num_neighbours, few.network.width) == (4, 8)
    assert whole_numbers("--folds", "0, 3") == (0, 3)


def test_workers_end_with_a_killed_parent() -> None:
    """Otherwise they would write beside those of the run that is started next."""
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        worker = int(parent.stdout.readline())
        assert is_running(worker)
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE_S
    while is_running(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(worker)


def is_running(pid: int) -> bool:
    """True if there is a process of this number that has not ended."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"
