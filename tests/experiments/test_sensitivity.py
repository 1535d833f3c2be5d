"""Sensitivity of a mapped model: files, order, and agreement with the library."""

import csv
from pathlib import Path

import pytest
from safetensors.torch import load_file

from experiments.mapped import MappedModel, MappingSettings
from experiments.record import RunRecord
from experiments.sensitivity import mapped_sensitivity, write_sensitivity
from photonic import layer_sensitivity, load_hardware, map_linear
from tests.photonic.matrices import random_normal
from tests.tolerances import CLOSED_FORM_F64


@pytest.fixture
def mapped() -> MappedModel:
    shapes = {"calm": (4, 4), "lively": (9, 6)}
    programs = {
        name: map_linear(random_normal(index, *shape), tile=4, name=name)
        for index, (name, shape) in enumerate(shapes.items())
    }
    return MappedModel(None, programs, load_hardware("ideal"), MappingSettings(tile=4), None)


def test_layers_are_ranked_and_written(mapped: MappedModel, tmp_path: Path) -> None:
    calls: list[None] = []
    layers = mapped_sensitivity(mapped, 0.01, lambda: calls.append(None))
    assert len(calls) == 2
    assert layers[0].slope >= layers[1].slope
    write_sensitivity(layers, RunRecord.capture("test", {}, 0, {}), tmp_path)
    rows = list(csv.DictReader((tmp_path / "layers.csv").read_text().splitlines()))
    slopes = load_file(tmp_path / "mzi_slopes.safetensors")
    for row, layer in zip(rows, layers, strict=True):
        program = mapped.programs[row["layer"]]
        expected = layer_sensitivity(program, 0.01)
        assert float(row["slope_per_rad"]) == expected.slope
        meshes = [slopes[f"{layer.name}/{mesh}"] for mesh in ("V", "sigma", "U")]
        assert meshes[0].shape == (*program.grid_shape, 6)
        assert max(part.max().item() for part in meshes) == layer.largest_mzi
        screens = sum(
            part[..., -4:].sum().item()
            for mesh, part in expected.shifter_slopes().items()
            if mesh != "sigma"
        )
        total = sum(part.sum().item() for part in meshes) + screens
        assert total == pytest.approx(layer.slope, rel=CLOSED_FORM_F64)
