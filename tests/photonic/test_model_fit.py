"""Phases fitted on a model: known errors vanish, unknown ones stay, tiles are independent."""

import pytest
import torch
from torch import Tensor

from photonic.calibration.model_fit import ModelFit, fit_to_model
from photonic.chip import Chip
from photonic.hardware import load_hardware
from photonic.mapping import map_linear
from photonic.mesh_state import (
    MESHES,
    Commands,
    mesh_layouts,
    target_phases,
)
from photonic.program import Program
from photonic.randomness import keyed_generator
from photonic.realisation import layer_errors, realise_commands
from tests.photonic.benches import realised_state
from tests.tolerances import MODEL_FIT, MODEL_FIT_GAIN

IMPERFECT = load_hardware("soi_typical").only("loss", "coupler").replace(insertion_loss_std_db=0.0)


def layer(kind: str = "clements", tile: int = 6, grid: tuple[int, int] = (2, 3)) -> Program:
    rows, columns = (size * tile for size in grid)
    weight = torch.from_numpy(keyed_generator(0, "fit").standard_normal((rows, columns)))
    return map_linear(weight, kind, tile, "layer")


def tiles(program: Program) -> Tensor:
    (rows, columns), (m, n) = program.grid_shape, program.tile_shape
    return program.weight().reshape(rows, m, columns, n).transpose(1, 2)


def fit(program: Program, chip: Chip, **options: object) -> ModelFit:
    phases, errors = target_phases(program), layer_errors(program, chip)
    layouts = mesh_layouts(program)
    start = {
        mesh: realised_state(phases[mesh], errors[mesh], chip.hardware, layouts[mesh])
        for mesh in MESHES
    }
    return fit_to_model(tiles(program), start, layouts, **options)


@pytest.mark.parametrize("kind", ["clements", "reck"])
def test_known_loss_and_couplers_vanish_on_the_chip(kind):
    """The fitted phases, sent to the chip whose errors were known, give the weight."""
    program, chip = layer(kind), Chip(IMPERFECT.replace(is_loss_compensated=False))
    before = fit(program, chip, num_steps=0)
    after = fit(program, chip, num_steps=300, dtype=torch.float64)
    assert after.relative_error.max() <= MODEL_FIT < MODEL_FIT_GAIN * before.relative_error.min()
    realised = realise_commands([program], [Commands(after.phases, after.scale)], chip)[0]
    error = (realised - program.weight()).norm() / program.weight().norm()
    assert error <= after.relative_error.max()


def test_no_errors_keep_the_settings():
    program = layer()
    found = fit(program, Chip(load_hardware("ideal")), num_steps=5, dtype=torch.float64)
    assert found.relative_error.max() <= MODEL_FIT
    assert torch.allclose(found.scale, program.scale)


def test_more_steps_are_never_worse():
    errors = [fit(layer(), Chip(IMPERFECT), num_steps=n).relative_error for n in (0, 20, 100)]
    assert (errors[0] >= errors[1]).all()
    assert (errors[1] >= errors[2]).all()


def test_a_tile_of_zeros_is_left_alone():
    program = layer(grid=(1, 2))
    phases, layouts = target_phases(program), mesh_layouts(program)
    errors = layer_errors(program, Chip(IMPERFECT))
    start = {
        mesh: realised_state(phases[mesh], errors[mesh], IMPERFECT, layouts[mesh])
        for mesh in MESHES
    }
    target = tiles(program)
    target[0, 0] = 0
    found = fit_to_model(target, start, layouts, num_steps=3)
    assert found.relative_error[0, 0] == 0
    assert found.scale[0, 0] == 0
    assert torch.equal(found.phases["U"][0, 0], phases["U"][0, 0])


def test_negative_steps_are_refused():
    with pytest.raises(ValueError, match="`num_steps` must be an integer >= 0, got -1"):
        fit(layer(), Chip(IMPERFECT), num_steps=-1)
