"""Training: it learns, it resumes bit for bit, and what it writes can be loaded."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments import jobs, training
from experiments.output import OutputDirectory
from experiments.training import TrainConfig, TrainingRun, one_cycle
from experiments.training_data import LabelSpec, TrainingData, load_training_data
from models import GraphSettings, NetworkConfig, load_checkpoint

CONFIG = TrainConfig(
    target=LabelSpec.parse("dielectric:n"),
    auxiliary=(LabelSpec.parse("dielectric:gap"),),
    epochs=3,
    batch_size=8,
    graph=GraphSettings(num_neighbours=6),
    network=NetworkConfig(width=8, num_layers=1, num_scalars=8, num_vectors=2),
)


@pytest.fixture(scope="module")
def full() -> TrainingData:
    return load_training_data(CONFIG.label_specs, CONFIG.graph, 0)


@pytest.fixture(scope="module")
def data(full: TrainingData) -> TrainingData:
    """A few crystals of each part; the rest of the data set is left out."""
    return TrainingData(
        full.ids,
        full.graphs,
        full.labels,
        full.targets,
        full.train[:32],
        full.validation[:8],
        full.test[:8],
        full.sha256,
    )


def ignore(row: dict[str, float]) -> None:
    pass


def test_parts_share_no_formula_over_the_union_of_data_sets() -> None:
    specs = [LabelSpec.parse(text) for text in ("dielectric:n", "piezo:eij_max")]
    data = load_training_data(specs, GraphSettings(num_neighbours=1), 0)
    composition = [tuple(np.bincount(g.numbers) / g.num_sites) for g in data.graphs]
    parts = [{composition[i] for i in part} for part in (data.train, data.validation, data.test)]
    assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
    assert sum(map(len, (data.train, data.validation, data.test))) == len(data.ids)


def test_labels_are_standardised_by_training_crystals(full: TrainingData) -> None:
    train = full.targets[full.train]
    assert np.allclose(train.mean(0), 0)
    assert np.allclose(train.std(0), 1)


def test_resumed_training_gives_the_same_bits(
    data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = TrainingRun(CONFIG, data)
    (tmp_path / "whole").mkdir()
    expected = whole.fit(tmp_path / "whole", ignore).network.state_dict()

    class Killed(Exception):
        pass

    def kill(row: dict[str, float]) -> None:
        raise Killed

    (tmp_path / "parts").mkdir()
    with pytest.raises(Killed):
        TrainingRun(CONFIG, data).fit(tmp_path / "parts", kill)
    second = TrainingRun(CONFIG, data)
    assert second.restore(tmp_path / "parts") == 1
    resumed = second.fit(tmp_path / "parts", ignore).network.state_dict()
    assert second.state.epoch == CONFIG.epochs
    for name, value in expected.items():
        assert torch.equal(resumed[name], value), name


def test_the_loss_falls(data: TrainingData, tmp_path: Path) -> None:
    run = TrainingRun(CONFIG.model_copy(update={"epochs": 40, "max_lr": 1e-2}), data)
    run.fit(tmp_path, ignore)
    losses = [row["train_loss"] for row in run.state.history]
    assert np.mean(losses[-3:]) < 0.7 * losses[0], losses


def test_the_best_validation_epoch_is_kept(data: TrainingData, tmp_path: Path) -> None:
    run = TrainingRun(CONFIG, data)
    run.fit(tmp_path, ignore)
    best = run.mean_absolute_error(run.state.best, data.validation)
    assert best == min(row["validation_mae"] for row in run.state.history)


def test_missing_labels_do_not_count() -> None:
    run = object.__new__(TrainingRun)
    run.config = CONFIG.model_copy(update={"target_weight": 3.0})
    outputs = torch.tensor([[1.0, 2.0], [4.0, 8.0]])
    targets = torch.tensor([[0.0, torch.nan], [torch.nan, 6.0]])
    assert run._loss(outputs, targets).item() == pytest.approx((3 * 1 + 1 * 2) / 4)


def test_a_diverging_run_is_stopped(
    data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "one_cycle", lambda step, total: float("nan"))
    with pytest.raises(FloatingPointError, match="lower max_lr"):
        TrainingRun(CONFIG, data).fit(tmp_path, ignore)


def test_one_cycle() -> None:
    rates = [one_cycle(step, 1001) for step in range(1001)]
    assert rates[0] == pytest.approx(1 / 25)
    assert max(rates) == pytest.approx(1, rel=1e-4)
    assert int(np.argmax(rates)) == pytest.approx(300, abs=1)
    assert rates[-1] == pytest.approx(4e-6, rel=1e-3)


def test_a_run_killed_after_writing_its_checkpoint_ends_well(
    data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(Exception):
        pass

    def kill(self: OutputDirectory) -> Path:
        raise Killed

    monkeypatch.setattr(jobs, "load_training_data", lambda *_: data)
    with monkeypatch.context() as killing, pytest.raises(Killed):
        killing.setattr(OutputDirectory, "finish", kill)
        jobs.train(CONFIG, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    jobs.train(CONFIG, tmp_path / "out")
    model = load_checkpoint(tmp_path / "out")
    assert model.info["test_fold"] == 0
    assert [label.name for label in model.labels] == ["n", "gap"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "config.json",
        "weights.safetensors",
    ]


def test_a_damaged_state_is_named(data: TrainingData, tmp_path: Path) -> None:
    run = TrainingRun(CONFIG.model_copy(update={"epochs": 1}), data)
    run.fit(tmp_path, ignore)
    state = tmp_path / "training_state.safetensors"
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(ValueError, match="cannot be continued"):
        TrainingRun(CONFIG, data).restore(tmp_path)


def test_stored_weights_are_the_running_average(data: TrainingData) -> None:
    """d = min(decay, (1 + t) / (10 + t)): 2/11 in the first step, then up to the decay."""
    state = TrainingRun(CONFIG, data).state
    name = "head.outer.weight"
    start = state.averaged[name].clone()
    with torch.no_grad():
        state.network.head.outer.weight.add_(1.0)
    state.update_average(0.9)
    torch.testing.assert_close(state.averaged[name], start + (1 - 2 / 11))
    state.num_steps = 10_000
    before = state.averaged[name].clone()
    state.update_average(0.9)
    torch.testing.assert_close(state.averaged[name], before + 0.1 * (start + 1 - before))


def test_every_step_enters_the_average(data: TrainingData, tmp_path: Path) -> None:
    run = TrainingRun(CONFIG, data)
    run.fit(tmp_path, ignore)
    assert run.state.num_steps == CONFIG.epochs * run.steps_per_epoch
    moved = run.state.network.state_dict()["head.outer.weight"]
    assert not torch.equal(run.state.averaged["head.outer.weight"], moved)


def test_without_validation_all_other_folds_are_trained_on_and_the_last_epoch_is_kept(
    tmp_path: Path,
) -> None:
    specs = [LabelSpec.parse("dielectric:n")]
    config = CONFIG.model_copy(update={"auxiliary": (), "validation": "none", "epochs": 2})
    settings = GraphSettings(num_neighbours=1)
    both = load_training_data(specs, settings, 0)
    data = load_training_data(specs, settings, 0, has_validation=False)
    assert len(data.validation) == 0
    assert set(data.train) == set(both.train) | set(both.validation)
    assert np.array_equal(data.test, both.test)
    few = dataclasses.replace(data, train=data.train[:16], test=data.test[:8])
    run = TrainingRun(config, few)
    model = run.fit(tmp_path, ignore)
    assert run.state.best_epoch == 1
    info = run.info({})
    assert info["validation_fold"] is None
    assert set(info["metrics"]["n"]) == {"test_mae"}
    for name, value in model.network.state_dict().items():
        assert torch.equal(value, run.state.averaged[name])
