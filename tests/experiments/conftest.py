"""The shipped model, mapped once, and a few of its held-out crystals."""

from pathlib import Path

import pytest

from experiments.evaluation import HeldOut, load_held_out
from experiments.mapped import MappedModel, MappingSettings, map_model, save_mapped
from experiments.record import RunRecord
from experiments.training_info import TrainingInfo
from models import CrystalModel, load_checkpoint
from photonic import load_hardware

CHECKPOINT = "refractive_index"


@pytest.fixture(scope="session")
def model() -> CrystalModel:
    return load_checkpoint(CHECKPOINT)


@pytest.fixture(scope="session")
def record(model: CrystalModel) -> RunRecord:
    """The record of the mapping below."""
    config = {
        "checkpoint": CHECKPOINT,
        "hardware": load_hardware("soi_lab_good").model_dump(mode="json"),
        **MappingSettings().model_dump(mode="json"),
    }
    data = TrainingInfo.of(model).data_sha256
    return RunRecord.capture("lightframe test", config, 7, data)


@pytest.fixture(scope="session")
def held_out(model: CrystalModel) -> HeldOut:
    return load_held_out(model, limit=12)


@pytest.fixture(scope="session")
def mapped(model: CrystalModel, record: RunRecord) -> MappedModel:
    return map_model(model, load_hardware("soi_lab_good"), MappingSettings(), record)


@pytest.fixture(scope="session")
def mapped_dir(mapped: MappedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("mapped")
    save_mapped(mapped, CHECKPOINT, directory)
    return directory
