"""Training: it learns, it resumes bit for bit, and what it writes can be loaded."""

import csv
import dataclasses
import importlib.util
import resource
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments import training, training_job
from experiments.output import OutputDirectory
from experiments.training import TrainingRun
from experiments.training_config import MachineConfig, TrainConfig
from experiments.training_data import LabelSpec, TrainingData, load_training_data
from experiments.training_info import TrainingInfo
from experiments.training_log import METRICS_FILE, TensorBoardLog, count_epochs
from experiments.training_network import parameter_groups
from experiments.training_schedule import cosine, one_cycle
from experiments.training_state import STATE_FILE
from models import GraphSettings, NetworkConfig, load_checkpoint
from models.datasets import load_dataset
from photonic.linear import photonic_linear
from tests.tolerances import BRAIN_FLOAT_LOSS

CONFIG = TrainConfig(
    target=LabelSpec.parse("dielectric:n"),
    auxiliary=(LabelSpec.parse("dielectric:gap"),),
    epochs=3,
    batch_size=8,
    graph=GraphSettings(num_neighbours=4),  # as other files of tests: cached graphs
    network=NetworkConfig(width=8, num_layers=1, num_scalars=8, num_vectors=2),
)


@pytest.fixture(scope="module")
def full() -> TrainingData:
    return load_training_data(CONFIG.label_specs, CONFIG.graph, 0)


def test_the_record_is_that_of_the_training_crystals(full: TrainingData, tmp_path: Path) -> None:
    record = full.training_set
    assert record is not None
    [part] = record.crystals.values()
    assert [f"dielectric/{id_}" for id_ in part.id] == [full.ids[i] for i in full.train]
    assert part.sites == [full.graphs[i].num_sites for i in full.train]
    config = CONFIG.model_copy(update={"epochs": 1, "batch_size": 256})
    training_job.train(config, tmp_path / "out", data=full, is_quiet=True)
    assert load_checkpoint(tmp_path / "out").training_set == record
    # A record that names other crystals would be worse than none.
    assert dataclasses.replace(full, train=full.train[:32]).training_set is None


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
    data = load_training_data(specs, CONFIG.graph, 0)
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
    best = run.label_errors(run.state.best, data.validation)
    assert best["n"] == min(row["validation_mae"] for row in run.state.history)


def test_missing_labels_do_not_count(data: TrainingData) -> None:
    run = TrainingRun(CONFIG.model_copy(update={"target_weight": 3.0}), data)
    outputs = torch.tensor([[1.0, 2.0], [4.0, 8.0]])
    targets = torch.tensor([[0.0, torch.nan], [torch.nan, 6.0]])
    assert run._loss(outputs, targets).item() == pytest.approx((3 * 1 + 1 * 2) / 4)


def test_a_diverging_run_is_stopped(
    data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "rate_share", lambda schedule, step, total: float("nan"))
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

    with monkeypatch.context() as killing, pytest.raises(Killed):
        killing.setattr(OutputDirectory, "finish", kill)
        training_job.train(CONFIG, tmp_path / "out", data=data)
    assert not (tmp_path / "out").exists()
    training_job.train(CONFIG, tmp_path / "out", data=data)
    model = load_checkpoint(tmp_path / "out")
    assert model.info["test_fold"] == 0
    assert [label.name for label in model.labels] == ["n", "gap"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "config.json",
        "metrics.csv",
        "weights.safetensors",
    ]


@contextmanager
def full_disk() -> Iterator[None]:
    """No file may grow beyond a page: the system refuses writes as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_named_and_costs_no_finished_epoch(
    data: TrainingData, tmp_path: Path
) -> None:
    whole = TrainingRun(CONFIG, data)
    expected = whole.fit(tmp_path, ignore).network.state_dict()
    (tmp_path / STATE_FILE).unlink()
    with ExitStack() as disk, pytest.raises(OSError, match=f"{STATE_FILE} cannot be written"):
        TrainingRun(CONFIG, data).fit(tmp_path, lambda row: disk.enter_context(full_disk()))
    assert [path.name for path in tmp_path.iterdir()] == [STATE_FILE]
    resumed = TrainingRun(CONFIG, data)
    assert resumed.restore(tmp_path) == 1
    for name, value in resumed.fit(tmp_path, ignore).network.state_dict().items():
        assert torch.equal(value, expected[name]), name


def test_a_full_disk_from_the_start_leaves_nothing(data: TrainingData, tmp_path: Path) -> None:
    with full_disk(), pytest.raises(OSError, match="cannot be written"):
        training_job.train(CONFIG, tmp_path / "out", data=data)
    assert list(tmp_path.iterdir()) == []


def test_a_run_goes_on_with_the_threads_it_began_with(
    data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sums over another number of threads round differently; which number is in the record."""

    def config(threads: int | None) -> TrainConfig:
        return CONFIG.model_copy(update={"machine": MachineConfig(threads=threads), "epochs": 1})

    def kill(*_: object) -> None:
        assert torch.get_num_threads() == 2
        raise InterruptedError

    before = torch.get_num_threads()
    with monkeypatch.context() as killing, pytest.raises(InterruptedError):
        killing.setattr(training_job, "save_checkpoint", kill)
        training_job.train(config(2), tmp_path / "out", data=data)
    assert torch.get_num_threads() == before
    with pytest.raises(FileExistsError, match=r"config\.machine\.threads \(was 2, is 1\)"):
        training_job.train(config(1), tmp_path / "out", data=data)
    torch.set_num_threads(2)
    try:
        model = training_job.train(config(None), tmp_path / "out", data=data)
    finally:
        torch.set_num_threads(before)
    assert model.info["record"]["config"]["machine"]["threads"] == 2


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
    both = load_training_data(specs, CONFIG.graph, 0)
    data = load_training_data(specs, CONFIG.graph, 0, has_validation=False)
    assert len(data.validation) == 0
    assert set(data.train) == set(both.train) | set(both.validation)
    assert np.array_equal(data.test, both.test)
    few = dataclasses.replace(data, train=data.train[:16], test=data.test[:8])
    run = TrainingRun(config, few)
    model = run.fit(tmp_path, ignore)
    assert run.state.best_epoch == 1
    info = run.info({})
    assert info["validation_fold"] is None
    assert TrainingInfo.of(dataclasses.replace(model, info=info)).validation_fold is None
    assert set(info["metrics"]["n"]) == {"test_mae"}
    for name, value in model.network.state_dict().items():
        assert torch.equal(value, run.state.averaged[name])


def test_everything_is_trained_on_and_nothing_is_held_out(tmp_path: Path) -> None:
    specs = [LabelSpec.parse("dielectric:n")]
    data = load_training_data(specs, CONFIG.graph, None)
    assert np.array_equal(data.train, np.arange(len(load_dataset("dielectric"))))
    assert len(data.validation) == len(data.test) == 0
    everything = {"auxiliary": (), "validation": "none", "test_fold": None, "epochs": 1}
    run = TrainingRun(
        CONFIG.model_copy(update=everything), dataclasses.replace(data, train=data.train[:16])
    )
    run.fit(tmp_path, ignore)
    info = run.info({})
    assert info["test_fold"] is None
    assert info["validation_fold"] is None
    assert info["metrics"] == {"n": {}}


def test_everything_leaves_no_fold_to_validate_on() -> None:
    with pytest.raises(ValueError, match="leaves no fold to validate on"):
        TrainConfig(**{**dict(CONFIG), "test_fold": None})


def test_cosine_warms_up_for_a_twentieth() -> None:
    rates = [cosine(step, 1000) for step in range(1000)]
    assert np.all(np.diff(rates[:51]) > 0) and np.all(np.diff(rates[50:]) < 0)
    assert rates[50] == pytest.approx(1)
    assert rates[-1] == pytest.approx(4e-6)
    assert cosine(0, 1) > 0


def test_the_loss_may_not_grow_without_end(
    data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([1.0, 10.5])
    monkeypatch.setattr(TrainingRun, "_epoch", lambda self, epoch: next(losses))
    with pytest.raises(FloatingPointError, match=r"grown from 1 to 10\.5 in epoch 1; lower max_lr"):
        TrainingRun(CONFIG, data).fit(tmp_path, ignore)


def test_a_gradient_that_is_not_finite_is_stopped(data: TrainingData) -> None:
    """The loss may still be finite in the step before."""
    run = TrainingRun(CONFIG, data)
    run.state.network.train()
    run.state.network.head.outer.weight.register_hook(lambda gradient: gradient * float("inf"))
    batch, targets = next(run._batches(0))
    with pytest.raises(FloatingPointError, match="gradient is not finite in epoch 0"):
        run.step(0, batch, targets)


def test_a_learning_rate_that_can_only_diverge_is_refused() -> None:
    with pytest.raises(ValueError, match="max_lr"):
        TrainConfig(target=CONFIG.target, max_lr=2.0)


def test_metrics_have_every_label_in_its_unit(data: TrainingData, tmp_path: Path) -> None:
    training_job.train(CONFIG, tmp_path / "out", data=data, is_quiet=True)
    with open(tmp_path / "out" / METRICS_FILE, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "epoch",
        "train_loss",
        "learning_rate",
        "validation_mae_n [1]",
        "validation_mae_gap [eV]",
        "seconds",
    ]
    assert len(rows) == count_epochs(tmp_path / "out") == CONFIG.epochs
    model = load_checkpoint(tmp_path / "out")
    best = model.info["best_epoch"]
    for name, unit in (("n", "1"), ("gap", "eV")):
        stated = model.info["metrics"][name]["validation_mae"]
        assert float(rows[best][f"validation_mae_{name} [{unit}]"]) == stated


def test_frames_that_are_not_the_wanted_ones_are_counted(
    data: TrainingData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = [dataclasses.replace(graph, has_frame_fallback=True) for graph in data.graphs[:2]]
    some = dataclasses.replace(data, graphs=(*changed, *data.graphs[2:]))
    config = CONFIG.model_copy(update={"epochs": 1})
    for name, used, count in (("none", data, 0), ("some", some, 2)):
        training_job.train(config, tmp_path / name, data=used)
        assert load_checkpoint(tmp_path / name).info["frame_fallbacks"] == count
        assert ("QR frames instead" in capsys.readouterr().out) is (count > 0)


def test_tensorboard_is_asked_for_by_name_if_it_is_missing(tmp_path: Path) -> None:
    if importlib.util.find_spec("tensorboard") is not None:
        pytest.skip("TensorBoard is installed")
    with pytest.raises(ValueError, match="pip install tensorboard"):
        training_job.train(CONFIG, tmp_path / "out", has_tensorboard=True)
    assert not (tmp_path / "out.partial").exists()


def test_tensorboard_files_hold_the_metrics(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = TensorBoardLog(tmp_path, 0)
    log.add({"epoch": 0, "train_loss": 0.75, "validation_mae": 1.0})
    log.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert events.Tags()["scalars"] == ["train_loss"]
    assert events.Scalars("train_loss")[0].value == 0.75


@pytest.mark.parametrize("kind", ["weight", "usv", "phases"])
def test_only_weights_of_dense_layers_decay(kind: str) -> None:
    layer = photonic_linear(parameterisation=kind, tile=4)(4, 4)
    network = torch.nn.Sequential(layer, torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2))
    decaying, others = parameter_groups(network, 0.5)
    names = {id(p): name for name, p in network.named_parameters()}
    found = {names[id(p)] for p in decaying["params"]}
    assert found == ({"0.weight", "2.weight"} if kind == "weight" else {"2.weight"})
    assert len(found) + len(others["params"]) == len(names)
    assert (decaying["weight_decay"], others["weight_decay"]) == (0.5, 0.0)


def test_products_in_bfloat16_keep_names_and_train(data: TrainingData, tmp_path: Path) -> None:
    machine = MachineConfig(precision="bfloat16")
    half = TrainingRun(CONFIG.model_copy(update={"machine": machine, "epochs": 2}), data)
    single = TrainingRun(CONFIG.model_copy(update={"epochs": 2}), data)
    assert half.state.network.state_dict().keys() == single.state.network.state_dict().keys()
    half.fit(tmp_path, ignore)
    (tmp_path / "single").mkdir()
    single.fit(tmp_path / "single", ignore)
    ours, theirs = (run.state.history[-1]["train_loss"] for run in (half, single))
    assert ours != theirs
    assert ours == pytest.approx(theirs, rel=BRAIN_FLOAT_LOSS)
    for name, value in half.state.network.state_dict().items():
        assert value.dtype == single.state.network.state_dict()[name].dtype, name
