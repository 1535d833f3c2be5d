"""Noise-aware training: the real chain in the loop, exact straight-through, resumed bit for bit."""

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from experiments import noise_aware_job
from experiments.bench.products import matrix_products, multiply
from experiments.bench.timing import Timing
from experiments.bench.training import (
    StepTimes,
    measure_training,
    print_step_times,
    sample_data,
    write_step_times,
)
from experiments.commands.finetune import finetune
from experiments.mapped import MappingSettings, dense_layers, map_model
from experiments.noise_aware import FineTuneConfig, FineTuningRun
from experiments.noise_aware_chip import ChipInTheLoop, TileStack
from experiments.noise_aware_job import fine_tune, fine_tune_config
from experiments.output import OutputDirectory
from experiments.record import RunRecord
from experiments.training import TrainConfig, TrainingRun
from experiments.training_data import LabelSpec, TrainingData, load_training_data
from models import CrystalModel, GraphSettings, NetworkConfig, load_checkpoint
from models.batch import collate
from models.checkpoint import save_checkpoint
from models.elements import element_table
from photonic import Chip, load_hardware, map_linear
from photonic.mesh_errors import MeshErrors
from tests.tolerances import IDEAL_CHIP_F32, WEIGHT_EPS

IDEAL = load_hardware("ideal")
NOISY = load_hardware("soi_typical").replace(is_crosstalk_compensated=True)
TILE = MappingSettings(tile=4)
SMALL = TrainConfig(
    target=LabelSpec.parse("dielectric:n"),
    auxiliary=(LabelSpec.parse("dielectric:gap"),),
    epochs=1,
    batch_size=8,
    graph=GraphSettings(num_neighbours=6),
    network=NetworkConfig(width=8, num_layers=1, num_scalars=8, num_vectors=2),
)


@pytest.fixture(scope="module")
def data() -> TrainingData:
    """A few crystals of each part; the rest of the data set is left out."""
    full = load_training_data(SMALL.label_specs, SMALL.graph, SMALL.test_fold)
    parts = full.train[:32], full.validation[:8], full.test[:8]
    return TrainingData(full.ids, full.graphs, full.labels, full.targets, *parts, full.sha256)


@pytest.fixture(scope="module")
def checkpoint(data: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small network, trained for an epoch; its record tells of more crystals."""
    directory = tmp_path_factory.mktemp("checkpoint")
    run = TrainingRun(SMALL, data)
    best = run.fit(directory, ignore)
    record = RunRecord.capture("test", SMALL.model_dump(mode="json"), SMALL.seed, data.sha256)
    info = run.info(record.model_dump(mode="json"))
    known = load_training_data(SMALL.label_specs, SMALL.graph, SMALL.test_fold).training_set
    model = dataclasses.replace(best, info=info, training_set=known)
    save_checkpoint(model, element_table().names, directory)
    return str(directory)


@pytest.fixture
def start(checkpoint: str, data: TrainingData, record: RunRecord) -> Callable[..., FineTuningRun]:
    """Makes a fine-tuning of the small network; arguments are fields of its configuration."""

    def make(hardware=NOISY, **changes: object) -> FineTuningRun:
        values = {"epochs": 2, "validation_chips": 2, **changes}
        return FineTuningRun(fine_tune_config(checkpoint, hardware, TILE, **values), data, record)

    return make


def ignore(row: dict[str, float]) -> None:
    pass


SHAPES = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=4)


@given(shapes=SHAPES, tile=st.integers(1, 5))
def test_tiles_hold_every_entry_once_and_zeros(shapes: list[tuple[int, int]], tile: int) -> None:
    """Split undoes join; what is beside the weights is zero, so the sums of squares agree."""
    sizes = [math.prod(shape) for shape in shapes]
    parts = torch.arange(1.0, 1 + sum(sizes)).split(sizes)
    weights = [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]
    stack = TileStack((weight.shape for weight in weights), tile)
    joined = stack.join(weights)
    assert joined.shape == (stack.num_tiles * tile, tile)
    for weight, again in zip(weights, stack.split(joined), strict=True):
        assert torch.equal(again, weight.double())
    assert joined.square().sum() == sum(weight.square().sum() for weight in weights)


@given(rows=st.integers(1, 9), columns=st.integers(1, 9), tile=st.integers(1, 4))
def test_tiles_are_those_of_a_mapped_layer(rows: int, columns: int, tile: int) -> None:
    weight = torch.arange(1.0, 1 + rows * columns).view(rows, columns).cos()
    stack = TileStack([weight.shape], tile)
    alone = map_linear(weight, tile=tile)
    stacked = map_linear(stack.join([weight]), tile=tile)
    assert stack.num_tiles == alone.num_tiles
    assert torch.equal(stacked.scale.flatten(), alone.scale.flatten())
    (again,) = stack.split(stacked.weight())
    error = (again - weight).abs().max().item()
    assert error <= WEIGHT_EPS * torch.finfo(torch.float64).eps, f"{error:.1e}"


def test_an_ideal_chip_has_the_weights_of_the_network(model: CrystalModel) -> None:
    on_chip = ChipInTheLoop(model.network, IDEAL, MappingSettings()).weights(0, 0)
    assert on_chip.keys() == {f"{name}.weight" for name, _ in dense_layers(model.network)}
    for name, layer in dense_layers(model.network):
        error = (on_chip[f"{name}.weight"] - layer.weight).abs().max() / layer.weight.abs().max()
        assert error <= IDEAL_CHIP_F32, f"{name}: {error:.1e}"


def test_the_chain_in_the_loop_is_that_of_a_mapped_model(
    model: CrystalModel, record: RunRecord
) -> None:
    """With effects that are the same on every chip both ways must give the same weights."""
    hardware = NOISY.replace(
        insertion_loss_std_db=0.0,
        gamma_spread=0.0,
        phase_noise_rad=0.0,
        coupler_sigma_rad=0.0,
        coupler_offset_rad=0.02,
    )
    settings = MappingSettings(order="centred")
    expected = map_model(model, hardware, settings, record).weights(Chip(hardware))
    found = ChipInTheLoop(model.network, hardware, settings).weights(5, 3)
    for name, layer in dense_layers(model.network):
        weight = expected[f"{name}.weight"]
        scale = layer.weight.abs().max()
        error = (found[f"{name}.weight"] - weight).abs().max() / scale
        assert error <= IDEAL_CHIP_F32, f"{name}: {error:.1e}"
        assert (weight - layer.weight).abs().max() / scale > 1e3 * IDEAL_CHIP_F32


def test_gradients_pass_straight_through_the_chip(model: CrystalModel) -> None:
    network = model.to(torch.float64).network.requires_grad_(True)
    on_chip = ChipInTheLoop(network, NOISY, MappingSettings()).weights(0, 0)
    sum(weight.square().sum() for weight in on_chip.values()).backward()
    for name, layer in dense_layers(network):
        there = on_chip[f"{name}.weight"].detach()
        assert torch.equal(layer.weight.grad, 2 * there), name
        assert not torch.equal(there, layer.weight), name


def test_every_index_is_another_chip(model: CrystalModel) -> None:
    loop = ChipInTheLoop(model.network, NOISY, MappingSettings())
    name = "head.outer.weight"
    assert torch.equal(loop.weights(3, 1)[name], loop.weights(3, 1)[name])
    assert not torch.equal(loop.weights(3, 1)[name], loop.weights(3, 2)[name])
    assert not torch.equal(loop.weights(3, 1)[name], loop.weights(4, 1)[name])


def test_every_chip_is_drawn_once(model: CrystalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the thread that draws ahead, and not again where the weights are realised."""
    drawn = []
    draw = Chip.joint_errors

    def counted(chip: Chip, *args: object) -> list[MeshErrors]:
        drawn.append((type(chip), chip.index))
        return draw(chip, *args)

    monkeypatch.setattr(Chip, "joint_errors", counted)
    loop = ChipInTheLoop(model.network, NOISY, MappingSettings())
    for index in range(3):
        loop.weights(0, index)
    loop._next.drawn.result()
    assert drawn == [(Chip, index) for index in range(4)]


def test_chips_drawn_ahead_are_the_same_chips(model: CrystalModel) -> None:
    """Whether the errors were drawn ahead, for another chip, or not at all."""
    name = "head.outer.weight"

    def fresh(seed: int, index: int) -> torch.Tensor:
        return ChipInTheLoop(model.network, NOISY, MappingSettings()).weights(seed, index)[name]

    loop = ChipInTheLoop(model.network, NOISY, MappingSettings())
    for seed, index in ((3, 1), (3, 2), (3, 7), (4, 8), (4, 9)):
        assert torch.equal(loop.weights(seed, index)[name], fresh(seed, index)), (seed, index)


def test_chips_of_training_validation_and_test_differ(
    start: Callable[..., FineTuningRun],
) -> None:
    runs = start(), start(seed=1)
    purposes = "training", "validation", "test"
    assert len({run.chip_seed(purpose) for run in runs for purpose in purposes}) == 6


def test_each_step_draws_new_chips_and_averages_their_losses(
    start: Callable[..., FineTuningRun], data: TrainingData
) -> None:
    """Two chips per step see what steps 2 and 3 of one chip per step see, at the same weights."""
    graphs = [data.graphs[i] for i in data.train[:8]]
    batch = collate(graphs, torch.float32, [0] * len(graphs))
    targets = torch.tensor(data.targets[data.train[:8]], dtype=torch.float32)
    one, two = start(), start(chips_per_step=2)
    alone = [one.batch_loss(number, batch, targets) for number in (2, 3)]
    together = two.batch_loss(1, batch, targets)
    assert alone[0] != alone[1]
    torch.testing.assert_close(together, (alone[0] + alone[1]) / 2)


def test_without_errors_it_is_digital_training(
    start: Callable[..., FineTuningRun], tmp_path: Path
) -> None:
    """On ideal chips, validation on chips and without agree; weights move all the same."""
    run = start(IDEAL)
    before = run.state.network.head.outer.weight.detach().clone()
    run.fit(tmp_path, ignore)
    for row in run.state.history:
        assert row["validation_mae"] == pytest.approx(row["digital_mae"], rel=IDEAL_CHIP_F32)
    assert not torch.equal(run.state.network.head.outer.weight, before)


def test_training_learns_around_the_errors_of_a_chip(
    start: Callable[..., FineTuningRun], tmp_path: Path
) -> None:
    """A bad chip: the error of crystals in training falls on chips that are not in training."""
    bad = NOISY.replace(insertion_loss_db=2.0)
    run = start(bad, epochs=30, max_lr=5e-3, average_decay=0.0)
    indices, before = run.data.train, dict(run.state.averaged)
    errors = run.chip_errors(before, indices, "test", 3)
    run.fit(tmp_path, ignore)
    after = run.chip_errors(run.state.averaged, indices, "test", 3)
    assert after.mean() < 0.8 * errors.mean(), f"{after.mean():.3f} of {errors.mean():.3f}"


def test_resumed_fine_tuning_gives_the_same_bits(
    start: Callable[..., FineTuningRun], tmp_path: Path
) -> None:
    class Killed(Exception):
        pass

    def kill(row: dict[str, float]) -> None:
        raise Killed

    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    expected = start().fit(tmp_path / "whole", ignore).network.state_dict()
    with pytest.raises(Killed):
        start().fit(tmp_path / "parts", kill)
    second = start()
    assert second.restore(tmp_path / "parts") == 1
    resumed = second.fit(tmp_path / "parts", ignore).network.state_dict()
    for name, value in expected.items():
        assert torch.equal(resumed[name], value), name


def test_the_best_epoch_on_validation_chips_is_kept(
    start: Callable[..., FineTuningRun], tmp_path: Path
) -> None:
    run = start()
    run.fit(tmp_path, ignore)
    best = run.chip_errors(run.state.best, run.data.validation, "validation", 2).mean()
    assert best == min(row["validation_mae"] for row in run.state.history)


def test_killed_jobs_end_well_and_the_checkpoint_tells_its_origin(
    checkpoint: str, data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(Exception):
        pass

    def kill(self: OutputDirectory) -> Path:
        raise Killed

    monkeypatch.setattr(noise_aware_job, "load_training_data", lambda *_, **__: data)
    monkeypatch.setattr("experiments.noise_aware.TEST_CHIPS", 2)
    config = fine_tune_config(checkpoint, NOISY, TILE, epochs=1, validation_chips=1, seed=4)
    with monkeypatch.context() as killing, pytest.raises(Killed):
        killing.setattr(OutputDirectory, "finish", kill)
        fine_tune(config, tmp_path / "out")
    fine_tune(config, tmp_path / "out")
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["config.json", "training_set.json", "weights.safetensors"]
    model = load_checkpoint(tmp_path / "out")
    # What the weights were trained on before counts; the crystals of the fine-tuning are among it.
    assert model.training_set == load_checkpoint(checkpoint).training_set is not None
    origin = model.info["fine_tuned_from"]
    assert origin["weights_sha256"] == config.checkpoint_sha256
    assert origin["record"] == load_checkpoint(checkpoint).info["record"]
    stored = model.info["record"]["config"]
    assert stored["hardware"]["gamma_spread"] == NOISY.gamma_spread
    errors = model.info["test_mae"]
    assert set(errors) == {"before", "after"}
    assert all(value > 0 for row in errors.values() for value in row.values())
    # A fine-tuned checkpoint can be fine-tuned again.
    again = fine_tune_config(str(tmp_path / "out"), NOISY, TILE)
    assert (again.target, again.network, again.seed) == (SMALL.target, SMALL.network, 4)


def test_data_of_another_training_are_refused(
    checkpoint: str, data: TrainingData, record: RunRecord
) -> None:
    labels = (data.labels[0].model_copy(update={"mean": 0.5}), *data.labels[1:])
    other = TrainingData(**{**vars(data), "labels": labels})
    with pytest.raises(ValueError, match="trained on other data"):
        FineTuningRun(fine_tune_config(checkpoint, NOISY, TILE), other, record)


def test_whole_matrices_and_wrong_values_are_refused(checkpoint: str) -> None:
    with pytest.raises(ValueError, match="number of modes"):
        fine_tune_config(checkpoint, NOISY, MappingSettings(tile="full"))
    with pytest.raises(ValueError, match="max_lr"):
        fine_tune_config(checkpoint, NOISY, TILE, max_lr=0.0)


def test_a_chip_that_cannot_carry_the_tiles_is_refused(
    start: Callable[..., FineTuningRun], tmp_path: Path
) -> None:
    run = start(NOISY.replace(max_modes=3))
    with pytest.raises(ValueError, match="at most 3 modes"):
        run.fit(tmp_path, ignore)


def test_the_command_passes_its_options_on(
    checkpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[FineTuneConfig] = []
    monkeypatch.setattr(noise_aware_job, "fine_tune", lambda config, out: seen.append(config))
    app = typer.Typer()
    app.command()(finetune)
    options = "--hardware soi_typical --mesh reck --tile 8 --epochs 3 --max-lr 0.25 --batch-size 9"
    options += " --chips-per-step 2 --validation-chips 5 --seed 6"
    out = tmp_path / "out"
    result = CliRunner().invoke(
        app, [*options.split(), "--checkpoint", checkpoint, "--out", str(out)]
    )
    assert result.exit_code == 0, result.output
    (config,) = seen
    assert config.hardware == load_hardware("soi_typical")
    assert (config.mapping.mesh, config.mapping.tile) == ("reck", 8)
    assert (config.epochs, config.max_lr, config.batch_size) == (3, 0.25, 9)
    assert (config.chips_per_step, config.validation_chips, config.seed) == (2, 5, 6)


def test_the_benchmark_takes_crystals_of_all_data_sets(model: CrystalModel) -> None:
    sample = sample_data(model, 20)
    assert len(sample.graphs) == len(set(sample.ids)) == 20
    assert {id_.split("/")[0] for id_ in sample.ids} == {lab.dataset for lab in model.labels}
    is_labelled = ~np.isnan(sample.targets)
    assert is_labelled.any(axis=1).all()
    datasets = [id_.split("/")[0] for id_ in sample.ids]
    for column, label in enumerate(model.labels):
        rows = [name == label.dataset for name in datasets]
        assert (is_labelled[:, column] == rows).all()


def test_step_times_are_measured_and_written(
    checkpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setattr("experiments.bench.timing.WARMING_S", 0.0)
    times = measure_training(checkpoint, NOISY, TILE, batch_size=4, threads=1, turns=2)
    assert times.num_crystals == 4
    assert times.num_tiles == sum(
        map_linear(layer.weight, tile=4).num_tiles
        for _, layer in dense_layers(load_checkpoint(checkpoint).network)
    )
    write_step_times(times, RunRecord.capture("test", {}, 0, {}), tmp_path)
    stored = json.loads((tmp_path / "training.json").read_text())
    assert stored["ratio"] == times.ratio > 0
    assert stored["overhead"] == times.overhead > 1
    print_step_times(times)
    assert "digital over products" in capsys.readouterr().out


def test_the_ratio_is_that_of_the_fastest_turns(capsys: pytest.CaptureFixture[str]) -> None:
    digital, noise_aware = Timing((1.0, 9.0, 1.5)), Timing((8.0, 3.0, 2.5))
    times = StepTimes(2, 64, 10, digital, noise_aware, Timing((0.8, 0.9, 0.8)))
    assert times.ratio == 2.5
    assert times.overhead == 1.25
    assert times.is_stalled
    print_step_times(times)
    assert capsys.readouterr().out.count("MISSED") == 1


def test_products_are_those_of_both_passes() -> None:
    layer = torch.nn.Linear(5, 3)
    x = torch.randn(7, 5, requires_grad=True)
    calls = matrix_products(lambda: layer(x).square().sum().backward())
    shapes = {tuple(product(*operands).shape) for product, operands in calls}
    assert len(calls) == 3
    assert shapes == {(7, 3), (7, 5), (3, 5)}
    multiply(calls)
