"""Exact statistics of noisy meshes: quadrature, samples, limits of small and large noise."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from photonic._covariance import known_fields, noisy_mesh, propagate
from photonic.conventions import db_to_power
from photonic.layout import MeshLayout
from photonic.moments import expected_power, expected_square_deviation, mean_transfer_matrix
from photonic.propagation import transfer_matrix
from tests.photonic.matrices import (
    MESH_KINDS,
    assert_close,
    random_normal,
    random_settings,
)
from tests.tolerances import (
    CLOSED_FORM_F64,
    MESH_EPS,
    MOMENTS_F32,
    STANDARD_ERRORS,
    UNITARITY_EPS,
)

layouts = (
    st.builds(MeshLayout, st.sampled_from(MESH_KINDS), st.integers(1, 6))
    | st.builds(MeshLayout.rectangular, st.integers(1, 6), st.integers(0, 8))
    | st.builds(MeshLayout.butterfly, st.sampled_from([1, 2, 4, 8]))
)
seeds = st.integers(0, 2**32)
SMALL_MESHES = [
    MeshLayout.clements(5),
    MeshLayout.reck(4),
    MeshLayout.rectangular(5, 3),
    MeshLayout.butterfly(4),
]


def num_shifters(layout):
    return 2 * layout.num_mzis + layout.num_modes


def random_stds(layout, seed, *batch):
    """Noise between 0 and about 1 rad, its own for each shifter."""
    return 0.5 * random_normal(seed, *batch, num_shifters(layout)).abs()


def random_defects(layout, seed, *batch):
    shape = (*batch, layout.num_mzis)
    return {
        "coupler_error": 0.1 * random_normal(seed, *shape, 2),
        "insertion_loss_db": random_normal(seed + 1, *shape).abs(),
        "arm_loss_db": 0.5 * random_normal(seed + 2, *shape, 3, 2).abs(),
    }


def shifted(layout, settings, errors, defects):
    """Transfer matrices with phase errors (..., S), in flat order."""
    flat = torch.cat(settings, dim=-1) + errors
    m = layout.num_mzis
    return transfer_matrix(
        layout, flat[..., :m], flat[..., m : 2 * m], flat[..., 2 * m :], **defects
    )


def gauss_hermite_grid(stds):
    """Normal errors (Q, 4) of four shifters and their weights (Q,), exact for smooth functions."""
    nodes, weights = (torch.from_numpy(x) for x in np.polynomial.hermite_e.hermegauss(12))
    points = torch.stack(torch.meshgrid(*[nodes] * 4, indexing="ij"), dim=-1).reshape(-1, 4)
    weight = torch.stack(torch.meshgrid(*[weights / weights.sum()] * 4, indexing="ij")).prod(0)
    return stds * points, weight.flatten()


def all_moments(*args, **defects):
    functions = (mean_transfer_matrix, expected_power, expected_square_deviation)
    return tuple(function(*args, **defects) for function in functions)


@given(layout=layouts, seed=seeds)
def test_without_noise_they_are_those_of_the_ideal_mesh(layout, seed):
    settings, defects = random_settings(layout, seed, 2), random_defects(layout, seed, 2)
    ideal = transfer_matrix(layout, *settings, **defects)
    mean, power, deviation = all_moments(layout, *settings, 0.0, **defects)
    assert_close(mean, ideal, MESH_EPS)
    assert_close(power, ideal.abs().square(), UNITARITY_EPS)
    assert_close(deviation, torch.zeros_like(deviation), MESH_EPS)


@given(layout=layouts, seed=seeds)
def test_no_power_is_lost_without_loss(layout, seed):
    """Rows and columns of the powers sum to 1, and E||T~ - T||^2 = 2 N - 2 Re tr(T^H E[T~])."""
    settings, stds = random_settings(layout, seed), random_stds(layout, seed)
    defects = {"coupler_error": random_defects(layout, seed)["coupler_error"]}
    ideal = transfer_matrix(layout, *settings, **defects)
    mean, power, deviation = all_moments(layout, *settings, stds, **defects)
    for sums in (power.sum(0), power.sum(1)):
        assert_close(sums, torch.ones_like(sums), UNITARITY_EPS)
    overlap = (ideal.conj() * mean).real.sum()
    assert_close(deviation, 2 * layout.num_modes - 2 * overlap, layout.num_modes * UNITARITY_EPS)


@given(seed=seeds)
def test_two_modes_agree_with_quadrature(seed):
    """Gauss-Hermite over all four phases of one interferometer, losses and errors included."""
    layout = MeshLayout.clements(2)
    settings, defects = random_settings(layout, seed), random_defects(layout, seed)
    stds = random_stds(layout, seed).clamp(max=0.5)
    errors, weight = gauss_hermite_grid(stds)
    matrices = shifted(layout, settings, errors, defects)
    change = matrices - transfer_matrix(layout, *settings, **defects)
    expected = (
        torch.tensordot(weight.to(matrices), matrices, 1),
        torch.tensordot(weight, matrices.abs().square(), 1),
        weight @ change.abs().square().sum((-2, -1)),
    )
    for actual, exact in zip(
        all_moments(layout, *settings, stds, **defects), expected, strict=True
    ):
        assert (actual - exact).abs().max() <= CLOSED_FORM_F64


def test_pseudo_covariance_of_two_lossy_modes_agrees_with_quadrature():
    """E[T T^T] - E[T] E[T]^T, which layers use without loss."""
    layout = MeshLayout.clements(2)
    settings, defects = random_settings(layout, 1), random_defects(layout, 2)
    stds = random_stds(layout, 3).clamp(max=0.4)
    errors, weight = gauss_hermite_grid(stds)
    matrices = shifted(layout, settings, errors, defects)
    weight = weight.to(matrices)
    mean = torch.tensordot(weight, matrices, 1)
    exact = torch.tensordot(weight, matrices @ matrices.mT, 1) - mean @ mean.mT
    batch = [part.unsqueeze(0) for part in (*settings, stds.square(), *defects.values())]
    unit = torch.eye(2, dtype=matrices.dtype).unsqueeze(-1)
    state = propagate(layout, noisy_mesh(*batch), known_fields(unit, has_pseudo=True))
    assert (state.pseudo[..., 0] - exact).abs().max() <= CLOSED_FORM_F64


@pytest.mark.parametrize("layout", SMALL_MESHES, ids=lambda layout: layout.kind)
def test_samples_agree(layout):
    draws, settings, stds = 20000, random_settings(layout, 1), random_stds(layout, 2)
    defects = random_defects(layout, 3)
    errors = stds * random_normal(4, draws, num_shifters(layout))
    matrices = shifted(layout, settings, errors, defects)
    change = matrices - transfer_matrix(layout, *settings, **defects)
    mean, power, deviation = all_moments(layout, *settings, stds, **defects)
    for samples, exact in (
        (torch.view_as_real(matrices), torch.view_as_real(mean)),
        (matrices.abs().square(), power),
        (change.abs().square().sum((-2, -1)), deviation),
    ):
        error = samples.std(0) / math.sqrt(draws)
        # Entries that no light reaches are 0 without scatter.
        gap = (samples.mean(0) - exact).abs() / error.clamp(min=CLOSED_FORM_F64)
        assert gap.max() <= STANDARD_ERRORS, f"{gap.max():.1f} standard errors"


@given(layout=layouts, seed=seeds)
def test_small_noise_counts_the_shifters(layout, seed):
    """Each shifter turns fields of total power 1: s^2 per shifter on one arm, s = 1e-8 included.

    A screen has N of them, an interferometer 2, whatever the settings and coupler errors.
    """
    settings, std = random_settings(layout, seed), 1e-8
    coupler_error = random_defects(layout, seed)["coupler_error"]
    deviation = expected_square_deviation(layout, *settings, std, coupler_error=coupler_error)
    ratio = deviation / (std**2 * num_shifters(layout))
    assert (ratio - 1).abs() <= CLOSED_FORM_F64


@given(layout=layouts, seed=seeds)
def test_large_noise_leaves_the_powers_of_incoherent_light(layout, seed):
    """Without phases, powers pass couplers and losses as (cos^2, sin^2; sin^2, cos^2)."""
    settings, defects = random_settings(layout, seed), random_defects(layout, seed)
    mean, power, _ = all_moments(layout, *settings, 50.0, **defects)
    expected = torch.eye(layout.num_modes, dtype=torch.float64)
    arms = db_to_power(defects["arm_loss_db"])
    arms[:, 2] *= db_to_power(defects["insertion_loss_db"]).unsqueeze(-1)
    for mzi, (upper, lower) in enumerate(zip(layout.mode, layout.partner, strict=True)):
        block = arms[mzi, 0].diag()
        for error, gain in zip(defects["coupler_error"][mzi], arms[mzi, 1:], strict=True):
            bar = (math.pi / 4 + error).cos().square()
            split = torch.stack((bar, 1 - bar, 1 - bar, bar)).reshape(2, 2)
            block = gain.diag() @ split @ block
        ends = [upper, lower]
        expected[ends] = block @ expected[ends]
    assert_close(power, expected, UNITARITY_EPS)
    assert_close(mean, torch.zeros_like(mean), MESH_EPS)


def test_single_precision_agrees():
    layout = MeshLayout.clements(6)
    settings, defects = random_settings(layout, 1), random_defects(layout, 2)
    for std in (1e-4, 0.3):
        exact = all_moments(layout, *settings, std, **defects)
        single = all_moments(layout, *(part.float() for part in settings), std, **defects)
        for actual, expected in zip(single, exact, strict=True):
            assert torch.finfo(actual.dtype).eps == torch.finfo(torch.float32).eps
            error = ((actual - expected).abs().max() / expected.abs().max()).item()
            assert error <= MOMENTS_F32, f"{error:.1e}"


def test_arguments_broadcast():
    layout = MeshLayout.reck(4)
    settings, defects = random_settings(layout, 1), random_defects(layout, 2, 5, 1)
    stds = random_stds(layout, 3, 3)
    alone = {name: part[4, 0] for name, part in defects.items()}
    batch = all_moments(layout, *settings, stds, **defects)
    single = all_moments(layout, *settings, stds[2], **alone)
    for many, one in zip(batch, single, strict=True):
        assert many.shape[:2] == (5, 3)
        assert_close(many[4, 2], one, UNITARITY_EPS)


@pytest.mark.parametrize("layout", SMALL_MESHES[1:], ids=lambda layout: layout.kind)
def test_gradients(layout):
    stds = random_stds(layout, 1, 2).requires_grad_()
    settings = [part.requires_grad_() for part in random_settings(layout, 2)]
    defects = random_defects(layout, 3)
    errors = [part.requires_grad_() for part in defects.values()]

    def statistics(stds, theta, phi, output_phase, *errors):
        extra = dict(zip(defects, errors, strict=True))
        return all_moments(layout, theta, phi, output_phase, stds, **extra)

    assert torch.autograd.gradcheck(statistics, (stds, *settings, *errors), fast_mode=True)


def test_shapes_are_checked():
    layout = MeshLayout.clements(3)
    settings = random_settings(layout, 0)
    for function in (mean_transfer_matrix, expected_power, expected_square_deviation):
        message = r"`phase_std` must be a scalar or have shape \(\.\.\., 9\), got \(2, 8\)"
        with pytest.raises(ValueError, match=message):
            function(layout, *settings, torch.ones(2, 8))
        message = r"`arm_loss_db` must have shape \(\.\.\., 3, 3, 2\), got \(3, 2\)"
        with pytest.raises(ValueError, match=message):
            function(layout, *settings, 0.1, arm_loss_db=torch.ones(3, 2))
        with pytest.raises(ValueError, match=r"`phi` must have shape \(\.\.\., 3\), got \(2,\)"):
            function(layout, settings[0], settings[1][:2], settings[2], 0.1)
        with pytest.raises(TypeError, match=r"`theta` must (be float32 or float64|hold real)"):
            function(layout, settings[0].int(), *settings[1:], 0.1)
