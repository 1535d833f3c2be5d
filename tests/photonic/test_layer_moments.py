"""Exact errors of noisy layers: quadrature, drawn chips, first order, padding and chunks."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from photonic import layer_moments
from photonic.chip import Chip
from photonic.decomposition import decompose
from photonic.hardware import load_hardware
from photonic.layer_moments import expected_weight_error, num_shifters
from photonic.layout import MeshLayout
from photonic.mapping import map_linear
from photonic.mesh_state import MESHES, MeshState, target_phases
from photonic.program import Program
from photonic.realisation import attenuator_field, mesh_matrix, realise
from tests.photonic.matrices import random_normal, rotation
from tests.tolerances import CLOSED_FORM, CLOSED_FORM_F64, MOMENTS_F32, STANDARD_ERRORS

# Cropped, wide, tall and single tiles: out_features, in_features, tile.
SHAPES = [(5, 7, 4), (2, 4, "full"), (4, 3, "full"), (3, 3, 3)]


def layer(rows, columns, tile, seed=0):
    return map_linear(random_normal(seed, rows, columns), tile=tile, name="layer")


def random_stds(program, seed):
    """Noise up to 1 rad, its own for each shifter."""
    return {
        mesh: 0.3 * random_normal(seed + i, *program.grid_shape, size).abs()
        for i, (mesh, size) in enumerate(num_shifters(program).items())
    }


def realised_tiles(program, errors):
    """(..., R, C, m, n) weights of the tiles with phase errors by mesh, (..., R, C, S) each."""
    phases = target_phases(program)
    states = {mesh: MeshState(phases[mesh] + errors.get(mesh, torch.zeros(1))) for mesh in MESHES}
    u = mesh_matrix(program.u_layout, states["U"], torch.float64)
    v = mesh_matrix(program.v_layout, states["V"], torch.float64)
    sigma = attenuator_field(states["sigma"])
    tiles = (u[..., : program.rank] * sigma.unsqueeze(-2) @ v[..., : program.rank, :]).real
    return tiles * program.scale[..., None, None]


def cropped_square(program, change):
    """(..., R, C) squared norm of the part of each tile that is no padding."""
    (m, n), (grid_rows, grid_columns) = program.tile_shape, program.grid_shape
    rows = torch.arange(grid_rows * m).reshape(-1, 1, m, 1) < program.out_features
    columns = torch.arange(grid_columns * n).reshape(-1, 1, n) < program.in_features
    return (change * (rows & columns)).square().sum((-2, -1))


def gauss_hermite(order):
    nodes, weights = np.polynomial.hermite_e.hermegauss(order)
    return torch.from_numpy(nodes), torch.from_numpy(weights / weights.sum())


@pytest.mark.parametrize("shape", SHAPES)
def test_each_shifter_alone_agrees_with_quadrature(shape):
    """The noise of one shifter, the same one of every tile, integrated by Gauss-Hermite."""
    program, std = layer(*shape), 0.4
    ideal = realised_tiles(program, {})
    nodes, weights = gauss_hermite(16)
    for mesh, size in num_shifters(program).items():
        for shifter in range(size):
            unit = torch.zeros(*program.grid_shape, size, dtype=torch.float64)
            unit[..., shifter] = std
            errors = nodes[:, None, None, None] * unit
            square = cropped_square(program, realised_tiles(program, {mesh: errors}) - ideal)
            exact = torch.tensordot(weights, square, 1)
            actual = expected_weight_error(program, dict.fromkeys(MESHES, 0.0) | {mesh: unit})
            gap = (actual - exact).abs().max() / program.scale.max().square()
            assert gap <= CLOSED_FORM_F64, f"{mesh} {shifter}: {gap:.1e}"


@pytest.mark.parametrize("seed", range(3))
def test_one_weight_agrees_with_quadrature(seed):
    """All four phases of a 1 x 1 tile at once."""
    program = layer(1, 1, 1, seed)
    stds = {mesh: std.clamp(max=0.5) for mesh, std in random_stds(program, seed).items()}
    nodes, weights = gauss_hermite(12)
    weight = torch.stack(torch.meshgrid(*[weights] * 4, indexing="ij")).prod(0).flatten()
    points = torch.stack(torch.meshgrid(*[nodes] * 4, indexing="ij"), dim=-1).reshape(-1, 1, 1, 4)
    v, sigma, u = points.split((1, 2, 1), dim=-1)
    errors = {"V": v * stds["V"], "sigma": sigma * stds["sigma"], "U": u * stds["U"]}
    change = realised_tiles(program, errors) - program.weight()
    exact = weight @ cropped_square(program, change).flatten()
    gap = (expected_weight_error(program, stds) - exact).abs() / program.scale.square()
    assert gap <= CLOSED_FORM_F64, f"{gap.item():.1e}"


@pytest.mark.parametrize("shape", SHAPES)
def test_samples_agree(shape):
    program, draws = layer(*shape), 10000
    stds = random_stds(program, 1)
    errors = {
        mesh: std * random_normal(10 + i, draws, *std.shape)
        for i, (mesh, std) in enumerate(stds.items())
    }
    change = realised_tiles(program, errors) - realised_tiles(program, {})
    square = cropped_square(program, change)
    gap = (square.mean(0) - expected_weight_error(program, stds)).abs()
    gap = (gap / (square.std(0) / math.sqrt(draws))).max()
    assert gap <= STANDARD_ERRORS, f"{gap:.1f} standard errors"


def test_drawn_chips_agree():
    program, std, chips = layer(12, 9, 5), 0.05, 200
    hardware = load_hardware("ideal").replace(phase_noise_rad=std)
    weight = program.weight()
    square = torch.stack(
        [(realise(program, Chip(hardware, 3, i)) - weight).square().sum() for i in range(chips)]
    )
    expected = expected_weight_error(program, std).sum()
    gap = (square.mean() - expected).abs() / (square.std() / math.sqrt(chips))
    assert gap <= STANDARD_ERRORS, f"{gap:.1f} standard errors"


@pytest.mark.parametrize("n", [1, 2, 5])
def test_small_noise_on_an_orthogonal_weight(n):
    """Each of the N (N - 1) thetas adds s^2/2 to ||dW||^2: half a rotation, of which half is real.

    The other phases turn real amplitudes by i, and open attenuators stand still.
    """
    layout, std = MeshLayout.clements(n), 1e-7
    u, v = (decompose(rotation(n, seed).reshape(1, 1, n, n), layout) for seed in (1, 2))
    ones = torch.ones(1, 1, n, dtype=torch.float64)
    program = Program("layer", n, n, layout, layout, u, v, ones, ones[..., 0])
    error = expected_weight_error(program, std).item() / std**2
    assert error == pytest.approx(n * (n - 1) / 2, abs=n * CLOSED_FORM_F64)


@pytest.mark.parametrize("n", [4, 8, 16])
def test_small_noise_on_gaussian_weights(n):
    """(N - 1)/4 per mesh on average, weighted by S^2, and (1 - S^2)/4 per attenuator."""
    program, std = layer(24 * n, 24 * n, n), 1e-3
    power = program.attenuation.square()
    total = power.sum(-1)
    square = expected_weight_error(program, std) / (program.scale.square() * total)
    formula = (n - 1) / 2 + (1 - power).sum(-1) / 4 / total
    ratio = (square.mean() / (std**2 * formula.mean())).sqrt().item()
    assert ratio == pytest.approx(1, abs=CLOSED_FORM), f"{ratio:.3f}"


@given(
    rows=st.integers(1, 5),
    columns=st.integers(1, 5),
    tile=st.integers(1, 4) | st.just("full"),
    std=st.floats(1e-6, 3),
    seed=st.integers(0, 100),
)
def test_error_vanishes_without_noise_and_scales_with_the_weight(rows, columns, tile, std, seed):
    weight = random_normal(seed, rows, columns)
    program, double = map_linear(weight, tile=tile), map_linear(2 * weight, tile=tile)
    scale = program.scale.max().square().item()
    assert expected_weight_error(program, 0.0).max().item() <= scale * CLOSED_FORM_F64
    error = expected_weight_error(program, std)
    assert error.shape == program.grid_shape
    gap = (expected_weight_error(double, std) - 4 * error).abs().max().item()
    assert gap <= scale * CLOSED_FORM_F64


def test_a_tile_of_zeros_has_no_error():
    weight = random_normal(0, 4, 8)
    weight[:, 4:] = 0
    errors = expected_weight_error(map_linear(weight, tile=4), 0.3)
    assert errors[0, 0] > 0
    assert errors[0, 1] == 0


def test_chunks_do_not_matter(monkeypatch):
    program = layer(9, 11, 4)
    whole = expected_weight_error(program, 0.2)
    monkeypatch.setattr(layer_moments, "_CHUNK_NUMBERS", 1)
    single = expected_weight_error(program, 0.2)
    assert (whole / single - 1).abs().max() <= CLOSED_FORM_F64


def test_noise_by_mesh_broadcasts():
    program = layer(5, 7, 4)
    equal = expected_weight_error(program, 0.5)
    half = torch.tensor(0.5, dtype=torch.float64)
    stds = {
        "V": 0.5,
        "sigma": half.expand(num_shifters(program)["sigma"]),
        "U": half.expand(2, 1, 1),
    }
    by_mesh = expected_weight_error(program, stds)
    assert (by_mesh / equal - 1).abs().max() <= CLOSED_FORM_F64


def test_single_precision_agrees():
    program = layer(9, 11, 4)
    for std in (1e-4, 0.3):
        exact = expected_weight_error(program, std)
        single = expected_weight_error(program, std, dtype=torch.float32)
        assert single.dtype == torch.float32
        error = (single / exact - 1).abs().max().item()
        assert error <= MOMENTS_F32, f"{error:.1e}"


@pytest.mark.parametrize("shape", SHAPES[:3])
def test_gradients(shape):
    program = layer(*shape)
    stds = {mesh: std.requires_grad_() for mesh, std in random_stds(program, 1).items()}

    def errors(*values):
        return expected_weight_error(program, dict(zip(stds, values, strict=True)))

    assert torch.autograd.gradcheck(errors, tuple(stds.values()), fast_mode=True)


def test_arguments_are_checked():
    program = layer(5, 7, 4)
    with pytest.raises(ValueError, match=r"`phase_std` needs the meshes \['V', 'sigma', 'U'\]"):
        expected_weight_error(program, {"V": 0.1, "U": 0.1})
    message = r"`phase_std` of U must broadcast to \(2, 2, 16\), got \(3,\)"
    with pytest.raises(ValueError, match=message):
        expected_weight_error(program, {"V": 0.1, "sigma": 0.1, "U": torch.ones(3)})


def test_shifters_are_counted_as_by_the_program():
    program: Program = layer(5, 7, "full")
    assert sum(num_shifters(program).values()) == program.num_phase_shifters
