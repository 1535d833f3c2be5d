"""The trained model, digital and on one frozen noisy chip: predictions follow the crystal alone."""

import numpy as np
import pytest
import torch
from torch import Tensor

from experiments.mapped import MappingSettings, map_model
from experiments.record import RunRecord
from models import Crystal, CrystalModel, build_graph, load_checkpoint
from models.descriptions import (
    image_shifted,
    permuted,
    random_rotation,
    random_unimodular,
    recelled,
    reflected,
    rotated,
    supercell,
    translated,
)
from photonic import Chip, load_hardware
from tests import tolerances
from tests.experiments.conftest import CHECKPOINT
from tests.models.prototypes import PROTOTYPES

NAMES = ("wurtzite", "rutile", "quartz", "scheelite", "ilmenite", "triclinic", "rocksalt")
CHIP = "soi_typical"


@pytest.fixture(scope="module")
def double_model() -> CrystalModel:
    return load_checkpoint(CHECKPOINT, dtype=torch.float64)


@pytest.fixture(scope="module")
def weights(double_model: CrystalModel, record: RunRecord) -> dict[str, dict[str, Tensor] | None]:
    """None for the digital model; weights of one drawn chip three hours after calibration."""
    hardware = load_hardware(CHIP).replace(
        random_walk_rad_per_sqrt_hour=0.003, shot_phase_noise_rad=0.002
    )
    mapped = map_model(double_model, hardware, MappingSettings(), record)
    return {"digital": None, "chip": mapped.weights(Chip(hardware, 11, 4, 3 * 3600.0), shot=2)}


def descriptions(crystal: Crystal, seed: int) -> dict[str, Crystal]:
    rng = np.random.default_rng(seed)
    shifts = rng.integers(-3, 4, (crystal.num_sites, 3))
    return {
        "rotated": rotated(crystal, random_rotation(rng)),
        "reflected": reflected(crystal, rng),
        "translated": translated(crystal, rng.uniform(-1, 1, 3)),
        "permuted": permuted(crystal, rng.permutation(crystal.num_sites)),
        "image-shifted": image_shifted(crystal, shifts),
        "re-celled": recelled(crystal, random_unimodular(rng)),
        "super-celled": supercell(crystal, (2, 1, 2)),
        "all": reflected(recelled(supercell(crystal, (1, 2, 1)), random_unimodular(rng)), rng),
    }


def predictions(
    model: CrystalModel, crystals: list[Crystal], weights: dict[str, Tensor] | None
) -> np.ndarray:
    graphs = [build_graph(crystal, model.graph_settings) for crystal in crystals]
    outputs = model.standardised(list(model.batches(graphs)), weights)
    return model.to_physical(outputs)["n"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("where", ["digital", "chip"])
def test_prediction_is_unchanged(
    name: str,
    where: str,
    double_model: CrystalModel,
    weights: dict[str, dict[str, Tensor] | None],
) -> None:
    crystal = PROTOTYPES[name]
    changed = descriptions(crystal, seed=3)
    values = predictions(double_model, [crystal, *changed.values()], weights[where])
    spread = np.abs(values[1:] / values[0] - 1)
    worst = list(changed)[int(spread.argmax())]
    assert spread.max() <= tolerances.INVARIANCE_F64, f"{worst}: {spread.max():.1e}"


def test_the_chip_is_noisy(
    double_model: CrystalModel, weights: dict[str, dict[str, Tensor] | None]
) -> None:
    crystals = [PROTOTYPES[name] for name in NAMES]
    digital, chip = (predictions(double_model, crystals, weights[w]) for w in ("digital", "chip"))
    assert np.abs(chip / digital - 1).min() > tolerances.VISIBLE
