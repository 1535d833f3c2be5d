"""Mapped models: equal to the digital ones on ideal hardware, and to themselves after a reload."""

import hashlib
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from experiments.cli import main
from experiments.evaluation import HeldOut, chip_predictions, digital_predictions, load_held_out
from experiments.mapped import (
    MappedError,
    MappedModel,
    MappingSettings,
    dense_layers,
    load_mapped,
    map_model,
)
from experiments.record import RunRecord
from models import CrystalModel, load_checkpoint
from models.checkpoint import save_checkpoint
from models.elements import element_table
from photonic import Chip, load_hardware
from tests import tolerances
from tests.experiments.conftest import CHECKPOINT
from tests.experiments.study_inputs import random_network


def ideal_difference(mapped: MappedModel, held_out: HeldOut) -> float:
    ideal = Chip(load_hardware("ideal"), 0, 0)
    digital = digital_predictions(mapped.model, held_out)
    return float(np.abs(chip_predictions(mapped, held_out, ideal) / digital - 1).max())


@pytest.mark.parametrize("mesh", ["clements", "reck"])
@pytest.mark.parametrize("tile", [16, 10, "full"])
def test_ideal_chip_predicts_as_the_digital_model(
    mesh: str, tile: int | str, record: RunRecord, dtype: torch.dtype
) -> None:
    model = load_checkpoint(CHECKPOINT, dtype=dtype)
    settings = MappingSettings(mesh=mesh, tile=tile)
    mapped = map_model(model, load_hardware("ideal"), settings, record)
    difference = ideal_difference(mapped, load_held_out(model, limit=6))
    bounds = {
        torch.float32: tolerances.IDEAL_CHIP_F32,
        torch.float64: tolerances.IDEAL_CHIP_F64,
    }
    assert difference <= bounds[dtype], f"relative difference {difference:.1e}"


def test_every_dense_layer_is_mapped(mapped: MappedModel, model: CrystalModel) -> None:
    matrices = {
        name.removesuffix(".weight")
        for name, parameter in model.network.named_parameters()
        if parameter.ndim == 2
    }
    assert mapped.programs.keys() == matrices
    assert {name for name, _ in dense_layers(model.network)} == matrices


def test_reload_gives_the_same_bits(
    mapped: MappedModel, mapped_dir: Path, held_out: HeldOut
) -> None:
    again = load_mapped(mapped_dir)
    chip = Chip(mapped.hardware, 3, 1, 3600.0)
    first = chip_predictions(mapped, held_out, chip)
    second = chip_predictions(again, held_out, Chip(again.hardware, 3, 1, 3600.0))
    assert np.array_equal(first, second)
    assert again.record == mapped.record


def test_other_chips_predict_otherwise(mapped: MappedModel, held_out: HeldOut) -> None:
    one, other = (chip_predictions(mapped, held_out, Chip(mapped.hardware, 3, i)) for i in (0, 1))
    assert not np.array_equal(one, other)


def test_too_large_meshes_are_refused(model: CrystalModel, record: RunRecord) -> None:
    with pytest.raises(ValueError, match=r"carries at most 6 modes.*--tile 6"):
        map_model(model, load_hardware("flw6_like"), MappingSettings(), record)


def test_non_finite_weights_are_refused(record: RunRecord) -> None:
    model = load_checkpoint(CHECKPOINT)
    model.network.head.outer.weight[0, 0] = torch.nan
    with pytest.raises(ValueError, match="finite"):
        map_model(model, load_hardware("ideal"), MappingSettings(), record)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: (d / "mapped.json").unlink(), "is not a mapped model"),
        (lambda d: (d / "programs.safetensors").unlink(), "programs.safetensors is missing"),
        (lambda d: truncate(d / "programs.safetensors"), "truncated or was changed"),
        (lambda d: truncate(d / "mapped.json"), "not valid"),
        (lambda d: edit(d / "mapped.json", format_version=99), "99 is unknown"),
        (lambda d: truncate(d / "checkpoint" / "weights.safetensors"), "copy of the checkpoint"),
        (lambda d: truncate(d / "checkpoint" / "training_set.json"), "training_set.json not JSON"),
        (lambda d: drop_program(d), "programs and dense layers differ at head.inner"),
    ],
)
def test_damaged_directories_are_refused(
    damage: object, message: str, mapped_dir: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(mapped_dir, copy)
    damage(copy)  # type: ignore[operator]
    with pytest.raises(ValueError, match=message) as caught:
        load_mapped(copy)
    assert "\n" not in str(caught.value)


def test_a_map_that_fails_leaves_nothing(
    model: CrystalModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Here because its cost cannot be told: no crystals are held out."""
    info = {**model.info, "test_fold": None}
    network = random_network(len(model.labels))
    everything = CrystalModel(network, model.graph_settings, model.labels, info)
    (tmp_path / "checkpoint").mkdir()
    save_checkpoint(everything, element_table().names, tmp_path / "checkpoint")
    command = ["map", f"--checkpoint={tmp_path / 'checkpoint'}", f"--out={tmp_path / 'out'}"]
    monkeypatch.setattr(sys, "argv", ["lightframe", *command, "--tile=4"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "no crystals are held out" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]


def test_the_copy_of_the_checkpoint_has_its_training_set(mapped_dir: Path, tmp_path: Path) -> None:
    expected = load_checkpoint(CHECKPOINT).training_set
    assert expected is not None and load_mapped(mapped_dir).model.training_set == expected
    # Directories of versions without records are read as before.
    copy = Path(shutil.copytree(mapped_dir, tmp_path / "copy"))
    (copy / "checkpoint" / "training_set.json").unlink()
    assert load_mapped(copy).model.training_set is None


def test_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(MappedError, match=r"nowhere is not a mapped model"):
        load_mapped(tmp_path / "nowhere")


def drop_program(directory: Path) -> None:
    """Without its program a layer would silently stay digital."""
    programs = json.loads((directory / "mapped.json").read_text())["programs"]
    del programs["head.inner"]
    tensors = load((directory / "programs.safetensors").read_bytes())
    data = save({k: x for k, x in tensors.items() if not k.startswith("head.inner/")})
    (directory / "programs.safetensors").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    edit(directory / "mapped.json", programs=programs, programs_sha256=digest)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
