"""The identity calibration of L2ight on complex meshes: it ends at bar, from powers alone."""

import pytest
import torch

from photonic.calibration.identity import IdentityDescent, calibrate_identity
from photonic.calibration.simulated_bench import SimulatedBench
from photonic.chip import Chip
from photonic.mesh_optics import mesh_matrix
from photonic.mesh_state import MESHES, mesh_layouts
from photonic.realisation import layer_errors
from tests.photonic.benches import IDEAL, layer, realised_state
from tests.tolerances import IDENTITY_LOSS, STRAIGHT

BIASED = IDEAL.replace(
    bias_range_rad=0.4, is_bias_calibrated=False, is_attenuator_biased=False, dac_bits=12
)
SHORT = IdentityDescent(num_epochs=150, num_restarts=0)


@pytest.mark.parametrize("mesh", ["clements", "reck"])
def test_light_goes_straight_through_both_meshes(mesh):
    program = layer(4, 4, 4, mesh)
    chip = Chip(BIASED, 3)
    bench = SimulatedBench(program, chip, 0.0)
    found = calibrate_identity(bench, SHORT)
    assert found.loss.max() <= IDENTITY_LOSS
    # MZIs in a row may make up for each other, so thetas need not be their biases one by one.
    errors, layouts = layer_errors(program, chip), mesh_layouts(program)
    for part in ("V", "U"):
        state = realised_state(found.commands[part], errors[part], BIASED, layouts[part])
        matrix = mesh_matrix(layouts[part], state, torch.float64)
        assert matrix.diagonal(dim1=-2, dim2=-1).abs().min() >= STRAIGHT
    assert set(found.commands) == set(MESHES)
    assert (found.num_settings, found.num_reads) == (bench.num_settings, bench.num_reads)


def test_the_best_state_is_kept_and_repeatable():
    program, short = layer(4, 4, 4), IdentityDescent(num_epochs=5, num_restarts=0)
    first, second = (
        calibrate_identity(SimulatedBench(program, Chip(BIASED, 3), 1e-3), short) for _ in range(2)
    )
    assert torch.equal(first.loss, second.loss)
    longer = IdentityDescent(num_epochs=40, num_restarts=0)
    better = calibrate_identity(SimulatedBench(program, Chip(BIASED, 3), 0.0), longer)
    assert (better.loss < first.loss).all()


def test_tiles_that_failed_start_again():
    hopeless = IdentityDescent(num_epochs=1, num_restarts=2)
    wild = BIASED.replace(bias_range_rad=3.0)
    found = calibrate_identity(SimulatedBench(layer(4, 4, 4), Chip(wild, 3), 0.0), hopeless)
    assert found.num_restarts.max() == 2
