"""A network trained on light from scratch is written as the digital one that does the same."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import nn

from experiments import training_job
from experiments.mapped import MappingSettings, dense_layers, map_model
from experiments.record import RunRecord
from experiments.training import TrainingRun
from experiments.training_config import MachineConfig, OpticalConfig, TrainConfig
from experiments.training_data import LabelSpec, TrainingData, load_training_data
from models import GraphSettings, NetworkConfig, load_checkpoint
from models.batch import collate
from photonic import load_hardware
from photonic.linear import PhotonicLinear
from tests.tolerances import OPTICAL_F32

CONFIG = TrainConfig(
    target=LabelSpec.parse("dielectric:n"),
    epochs=2,
    batch_size=8,
    graph=GraphSettings(num_neighbours=4),
    network=NetworkConfig(width=4, num_layers=1, num_scalars=4, num_vectors=2),
)


@pytest.fixture(scope="module")
def data() -> TrainingData:
    """A few crystals of each part."""
    full = load_training_data(CONFIG.label_specs, CONFIG.graph, 0)
    parts = {part: getattr(full, part)[:16] for part in ("train", "validation", "test")}
    return dataclasses.replace(full, **parts)


@pytest.mark.parametrize("mode", ["usv", "phases"])
def test_the_written_checkpoint_does_what_the_optical_network_does(
    mode: str, data: TrainingData, tmp_path: Path, record: RunRecord
) -> None:
    optical = OpticalConfig(parameterisation=mode, tile=4)
    config = CONFIG.model_copy(update={"optical": optical})
    run = TrainingRun(config, data)
    before = {name: p.detach().clone() for name, p in run.state.network.named_parameters()}
    layers = [m for m in run.state.network.modules() if isinstance(m, PhotonicLinear)]
    assert layers and not any(isinstance(m, nn.Linear) for m in run.state.network.modules())
    run.fit(tmp_path, lambda row: None)
    moved = {n for n, p in run.state.network.named_parameters() if not torch.equal(p, before[n])}
    assert {name for name in before if name.startswith("head.outer")} <= moved

    network = run.state.network
    network.load_state_dict(run.state.best)
    batch = collate([data.graphs[i] for i in data.test], torch.float32)
    with torch.no_grad():
        expected = network.eval()(batch)
    training_job.train(config, tmp_path / "out", data=data, is_quiet=True)
    model = load_checkpoint(tmp_path / "out")
    assert len(list(dense_layers(model.network))) == len(layers)
    found = model.standardised([batch])
    error = ((found - expected).abs().max() / expected.abs().max()).item()
    assert error <= OPTICAL_F32, f"{error:.1e}"
    assert model.info["record"]["config"]["optical"]["parameterisation"] == mode
    settings = MappingSettings(tile=4, is_time_multiplexed=True)
    mapped = map_model(model, load_hardware("ideal"), settings, record)
    assert len(mapped.programs) == len(layers)


def test_optical_layers_refuse_bfloat16() -> None:
    with pytest.raises(ValueError, match="optical layers compute in float32"):
        TrainConfig(
            target=CONFIG.target,
            optical=OpticalConfig(),
            machine=MachineConfig(precision="bfloat16"),
        )
