"""Tiles read as matrices: probes, noise, responses of shifters, distance from targets."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from photonic.calibration.tile_reading import (
    TileTarget,
    complex_tiles,
    inner,
    probe_vectors,
    real_tiles,
    shifter_response,
    trial_complex_tiles,
    trial_real_tiles,
)
from photonic.driven import electronic_gain
from photonic.mesh_state import MESHES, nominal_commands
from tests.photonic.benches import IDEAL, OPTICS, TYPICAL, bench, layer, realised, targets
from tests.photonic.matrices import assert_close, random_normal
from tests.tolerances import IDEAL_CHIP_F64, STANDARD_ERRORS, WEIGHT_EPS


@pytest.mark.parametrize("num_modes", range(1, 17))
def test_probes_are_orthogonal_and_within_full_scale(num_modes):
    probes = probe_vectors(num_modes)
    gain = num_modes if num_modes in (1, 2, 4, 8, 16) else num_modes / 2
    unit = torch.eye(num_modes, dtype=torch.float64)
    assert_close(probes @ probes.T / gain, unit, WEIGHT_EPS)
    assert probes.abs().max() <= 1


@pytest.mark.parametrize("columns", [6, 8])
def test_tiles_are_those_of_the_chip(columns):
    program = layer(columns=columns, tile=3)
    on = bench(program, TYPICAL)
    gain = electronic_gain(program, TYPICAL)
    weight = realised(program, TYPICAL, nominal_commands(program, TYPICAL))
    read = gain * program.join_tiles(real_tiles(on))
    assert (read - weight).abs().max() <= IDEAL_CHIP_F64
    assert on.num_reads == 3


def test_both_quadratures_of_a_tile():
    program = layer()
    on = bench(program, OPTICS)
    unit = torch.eye(4, dtype=torch.complex128)
    expected = torch.complex(on.fields(unit).mT, on.fields(-1j * unit).mT)
    on.num_reads = 0
    assert (complex_tiles(on) - expected).abs().max() <= IDEAL_CHIP_F64
    assert on.num_reads == 8
    assert (real_tiles(on, 2) - expected.real).abs().max() <= IDEAL_CHIP_F64
    assert on.num_reads == 16


def test_noise_falls_with_modes_and_repeats():
    noise = 1e-3
    program = layer(32, 32, tile=8)
    exact = real_tiles(bench(program, IDEAL))
    noisy = bench(program, IDEAL, noise)
    for num_repeats in (1, 4):
        for read in (real_tiles, complex_tiles):
            deviation = (read(noisy, num_repeats).real - exact).flatten()
            expected = noise / math.sqrt(8 * num_repeats)
            standard_error = expected / math.sqrt(2 * len(deviation))
            assert abs(deviation.std().item() - expected) <= STANDARD_ERRORS * standard_error


@pytest.mark.parametrize("mesh", MESHES)
def test_a_response_predicts_every_phase(mesh):
    program = layer()
    on = bench(program, OPTICS.without("gamma"))
    phases = nominal_commands(program, OPTICS).phases[mesh]
    tiles, settings = complex_tiles(on), on.num_settings
    for shifter in range(0, phases.shape[-1], 3):
        present = phases[..., shifter]
        response = shifter_response(on, tiles, mesh, shifter, present, present + math.pi)
        step = torch.full_like(present, 0.7)
        moved = trial_complex_tiles(on, mesh, shifter, (present + step)[None])[0]
        predicted = tiles + torch.expm1(1j * step)[..., None, None] * response
        assert (predicted - moved).abs().max() <= IDEAL_CHIP_F64
        real = trial_real_tiles(on, mesh, shifter, (present + step)[None])[0]
        assert (real - moved.real).abs().max() <= IDEAL_CHIP_F64
    assert (complex_tiles(on) - tiles).abs().max() <= IDEAL_CHIP_F64
    assert on.num_settings - settings == 3 * len(range(0, phases.shape[-1], 3))


@given(scale=st.floats(0.01, 100), angle=st.floats(0, math.pi / 2), seed=st.integers(0, 100))
def test_loss_is_the_sine_of_the_angle_to_the_target(scale, angle, seed):
    program = layer()
    target = TileTarget.of(program, targets(program))
    across = random_normal(seed, 2, 2, 4, 4)
    norm = inner(target.weights, target.weights)[..., None, None]
    across = across - inner(across, target.weights)[..., None, None] / norm * target.weights
    across = across * (norm / inner(across, across)[..., None, None]).sqrt()
    tiles = (math.cos(angle) * target.weights + math.sin(angle) * across) / scale
    loss, found = target.loss(tiles), target.scale(tiles)
    assert (loss - math.sin(angle) ** 2).abs().max() <= IDEAL_CHIP_F64
    assert (found / scale - math.cos(angle)).abs().max() <= IDEAL_CHIP_F64
    residue = found[..., None, None] * tiles - target.weights
    assert (inner(residue, residue) / norm[..., 0, 0] - loss).abs().max() <= IDEAL_CHIP_F64


def test_a_tile_of_the_wrong_sign_has_no_scale():
    program = layer()
    target = TileTarget.of(program, targets(program))
    assert torch.equal(target.scale(-target.weights), torch.zeros(2, 2, dtype=torch.float64))
    assert torch.equal(target.loss(-target.weights), torch.ones(2, 2, dtype=torch.float64))


def test_padding_and_dark_tiles_do_not_count():
    program = layer(6, 5)
    weights = targets(program)
    weights[0, 0] = 0.0
    target = TileTarget.of(program, weights)
    beyond = torch.where(target.is_used, weights, 7.0)
    assert not torch.equal(beyond, weights)
    assert target.loss(beyond).max() <= IDEAL_CHIP_F64
    assert target.loss(beyond)[0, 0] == 0
    assert target.scale(beyond)[0, 0] == 0


def test_targets_must_fit_the_tiles():
    program = layer()
    with pytest.raises(ValueError, match=r"`target` must have shape \(2, 2, 4, 4\), got \(8, 8\)"):
        TileTarget.of(program, program.weight())
