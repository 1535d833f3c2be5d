"""Tiles of several layers in one batch: the same tiles, in order, there and back."""

import pytest
import torch

from photonic.calibration.tile_batch import TileBatch
from photonic.hardware import load_hardware
from photonic.mapping import map_linear
from photonic.mesh_state import MESHES, nominal_commands
from photonic.program import Program
from photonic.randomness import keyed_generator
from tests.tolerances import IDEAL_CHIP_F64


def layer(name: str, rows: int, columns: int, tile: int | str = 4) -> Program:
    weight = torch.from_numpy(keyed_generator(0, name).standard_normal((rows, columns)))
    return map_linear(weight, tile=tile, name=name)


LAYERS = [layer("a", 10, 5), layer("b", 4, 4), layer("c", 3, 9)]


def test_weight_holds_the_tiles_of_the_layers():
    batch = TileBatch.of(LAYERS)
    targets, start = batch.program.weight().reshape(-1, 4, 4), 0
    assert len(targets) == sum(program.num_tiles for program in LAYERS)
    for program in LAYERS:
        part = targets[start : start + program.num_tiles].unflatten(0, program.grid_shape)
        whole = part.transpose(1, 2).flatten(0, 1).flatten(1, 2)
        cropped = whole[: program.out_features, : program.in_features]
        assert (cropped - program.weight()).abs().max() <= IDEAL_CHIP_F64
        start += program.num_tiles


def test_commands_go_there_and_back():
    batch, hardware = TileBatch.of(LAYERS), load_hardware("soi_typical")
    commands = {program.name: nominal_commands(program, hardware) for program in LAYERS}
    joined = batch.join(commands)
    expected = nominal_commands(batch.program, hardware)
    again = batch.split(joined)
    for mesh in MESHES:
        assert torch.equal(joined.phases[mesh], expected.phases[mesh])
        for name, command in commands.items():
            assert torch.equal(again[name].phases[mesh], command.phases[mesh])
    assert torch.equal(joined.scale, expected.scale)
    assert all(torch.equal(again[name].scale, commands[name].scale) for name in commands)


def test_layers_are_grouped_by_wiring():
    whole = layer("whole", 6, 5, "full")
    batches = TileBatch.all_of([LAYERS[0], whole, LAYERS[1]])
    assert [[x.name for x in batch.layers] for batch in batches] == [["a", "b"], ["whole"]]
    small = TileBatch.all_of([*LAYERS, layer("d", 4, 8)], max_tiles=5)
    assert [[x.name for x in batch.layers] for batch in small] == [["a"], ["b", "c"], ["d"]]
    for bad in ([], [LAYERS[0], whole]):
        with pytest.raises(ValueError, match="tiles of the same wiring"):
            TileBatch.of(bad)
