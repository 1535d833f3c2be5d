"""Studies over meshes, tiles and orders: programs are mapped again, with the same bits anywhere."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from experiments.evaluation import chip_predictions
from experiments.mapped import MappedModel, MappingSettings, map_model
from experiments.study.evaluate import Task, evaluate_block
from experiments.study.inputs import KEPT_LAYOUTS
from experiments.study.recent import Recent
from experiments.study.run import Study, Workers
from experiments.threads import on_threads
from photonic import Chip, HardwareConfig
from tests.experiments.study_inputs import HERE, study

AS_MAPPED = {"mesh": ["clements"], "tile": [4], "order": ["descending"]}


def predictions(of: Study, point: int = 0) -> np.ndarray:
    return evaluate_block(of.source, of.points[point], of.description.seed, Task(point, 0, 2))


def layouts(folder: Path, **axes: Any) -> Study:
    return study(folder, axes=axes)


def settings_of(mapped: MappedModel) -> dict[str, torch.Tensor]:
    return {
        f"{name}/{key}": tensor
        for name, program in mapped.programs.items()
        for key, tensor in program.to_tensors().items()
    }


def test_the_layout_on_disk_has_the_bits_of_no_axis(tmp_path: Path) -> None:
    plain = study(tmp_path, axes={"dac_bits": [8]})
    named = layouts(tmp_path, dac_bits=[8], **AS_MAPPED)
    assert np.array_equal(predictions(named), predictions(plain))
    other = layouts(tmp_path, dac_bits=[8], tile=[8])
    assert not np.array_equal(predictions(other), predictions(plain))


def test_a_model_that_is_mapped_again_has_the_same_bits(tmp_path: Path) -> None:
    inputs = study(tmp_path).inputs
    again = inputs.mapped_as({"tile": 8})
    assert inputs.mapped_as({"tile": 8}) is again
    for tile in range(1, KEPT_LAYOUTS + 1):
        inputs.mapped_as({"tile": tile, "mesh": "reck"})
    once_more = inputs.mapped_as({"tile": 8})
    assert once_more is not again
    first, second = settings_of(again), settings_of(once_more)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("layout", [{"tile": 8}, {"mesh": "reck", "tile": "full"}])
def test_a_layout_is_that_of_the_mapping(layout: dict[str, Any], tmp_path: Path) -> None:
    found = layouts(tmp_path, **{name: [value] for name, value in layout.items()})
    base = found.inputs.mapped
    settings = MappingSettings.model_validate({**base.settings.model_dump(), **layout})
    with on_threads(1):
        mapped = map_model(base.model, base.hardware, settings, base.record)
        direct = [
            chip_predictions(mapped, found.inputs.held_out, Chip(found.hardware, 3, index))
            for index in range(2)
        ]
    assert np.array_equal(predictions(found), direct)


def test_layouts_are_stored_as_numbers_or_text(tmp_path: Path) -> None:
    chosen = layouts(tmp_path, tile=[4, 8], mesh=["reck"], order=["centred"])
    results = chosen.run(tmp_path / "out", Workers(block=1), is_resumed=False)
    assert results["tile"].values.tolist() == [4, 8]
    assert set(results["mesh"].values) == {"reck"}
    mixed = study(tmp_path, axes={"tile": [4, "full"]}, chips=1)
    found = mixed.run(tmp_path / "mixed", HERE, is_resumed=False)
    assert found["tile"].values.tolist() == ["4", "full"]


@pytest.mark.parametrize(
    ("chip", "axes", "message"),
    [
        ({"max_modes": 4}, {"tile": [4, 8]}, r"point 1 \(tile = 8\): .*carries at most 4 modes"),
        ({"max_modes": 4}, {"tile": ["full"]}, r"point 0 \(tile = full\): .*at most 4 modes"),
        (
            {"mesh": "clements"},
            {"mesh": ["clements", "reck"]},
            r"point 1 \(mesh = reck\): .*is wired as clements, .* as reck",
        ),
        ({"num_tiles": 9}, {"tile": [8]}, r"point 0 \(tile = 8\): .*holds 9 tiles at a time"),
        (
            {"crosstalk_law": "matrix", "crosstalk_rows": [[1.0, 0.0], [0.0, 1.0]]},
            {"tile": [2, 4]},
            r"point 0 \(tile = 2\): .*crosstalk_rows",
        ),
        ({}, {"tile": {"from": 1, "to": 1025, "num": 2}}, r"point 1 \(tile = 1025\): .*1024"),
    ],
)
def test_layouts_that_do_not_fit_are_named_before_anything_runs(
    chip: dict[str, Any],
    axes: dict[str, Any],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_chip(monkeypatch, HardwareConfig(name="small", **chip))
    with pytest.raises(ValueError, match=message):
        study(tmp_path, axes=axes, hardware="small")


def with_chip(monkeypatch: pytest.MonkeyPatch, chip: HardwareConfig) -> None:
    """Let studies find a chip by any name."""
    monkeypatch.setattr("experiments.study.run.load_hardware", lambda name: chip)


def test_what_is_asked_for_last_is_kept() -> None:
    made: list[int] = []
    recent: Recent[int, int] = Recent(2)

    def value(key: int) -> int:
        return recent.get(key, lambda: made.append(key) or 10 * key)

    assert [value(key) for key in (1, 2, 1, 3, 1, 2)] == [10, 20, 10, 30, 10, 20]
    assert made == [1, 2, 3, 2]
