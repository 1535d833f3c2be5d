"""Fits: reachable targets are found to rounding, others are reported."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from photonic.fitting import Fit, fit_unitary, random_phases
from photonic.folding import fold_phases
from photonic.layout import MeshLayout
from photonic.phases import MeshPhases
from photonic.propagation import transfer_matrix
from photonic.quality import relative_error, trace_fidelity
from photonic.randomness import keyed_generator
from tests.photonic.matrices import assert_close, fourier, haar, identity, random_settings
from tests.tolerances import FIT_EVALUATIONS, FIT_F64, FOLD_EPS, MESH_EPS, STANDARD_ERRORS

SHALLOW = [(1, 0), (2, 0), (2, 1), (3, 2), (4, 2), (4, 3), (6, 3), (8, 2), (8, 4)]
DEEP = [(1, 1), (1, 4), (2, 2), (2, 5), (3, 3), (5, 8), (8, 8), (8, 9)]
layouts = st.one_of(
    st.builds(MeshLayout, st.sampled_from(["clements", "reck"]), st.integers(1, 8)),
    st.builds(MeshLayout.rectangular, st.integers(1, 8), st.integers(0, 10)),
    st.builds(MeshLayout.butterfly, st.sampled_from([1, 2, 4, 8])),
)


def matrix(layout: MeshLayout, phases: MeshPhases) -> torch.Tensor:
    return transfer_matrix(layout, phases.theta, phases.phi, phases.output_phase)


def assert_in_range(phases: MeshPhases) -> None:
    assert ((phases.theta >= 0) & (phases.theta <= math.pi)).all()
    for phase in (phases.phi, phases.output_phase):
        assert ((phase >= 0) & (phase < 2 * math.pi)).all()


def assert_fit(fit: Fit, target: torch.Tensor, layout: MeshLayout) -> Fit:
    """Settings in range, measures those of the settings; returns the fit."""
    assert_in_range(fit.phases)
    realised = matrix(layout, fit.phases)
    assert torch.equal(fit.relative_error, relative_error(target, realised))
    assert torch.equal(fit.trace_fidelity, trace_fidelity(target, realised))
    batch_shape = target.shape[:-2]
    for measure in (fit.num_evaluations, fit.is_reached, fit.is_converged):
        assert measure.shape == batch_shape
    return fit


def assert_reached(target: torch.Tensor, layout: MeshLayout) -> Fit:
    fit = assert_fit(fit_unitary(target, layout), target, layout)
    worst = fit.relative_error.max().item()
    assert worst <= FIT_F64, f"relative error {worst:.1e} exceeds {FIT_F64:.1e}"
    assert fit.is_reached.all()
    assert fit.is_converged.all()
    return fit


@pytest.mark.parametrize(("num_modes", "depth"), SHALLOW)
def test_shallow_rectangle_finds_its_own_matrices(num_modes, depth):
    layout = MeshLayout.rectangular(num_modes, depth)
    assert_reached(transfer_matrix(layout, *random_settings(layout, 0, 3)), layout)


@pytest.mark.parametrize("num_modes", [1, 2, 4, 8, 16])
def test_butterfly_finds_its_own_matrices(num_modes):
    layout = MeshLayout.butterfly(num_modes)
    assert_reached(transfer_matrix(layout, *random_settings(layout, 1, 3)), layout)


@pytest.mark.parametrize("num_modes", [2, 4, 8, 16])
def test_butterfly_performs_the_fourier_transform_of_reversed_inputs(num_modes):
    bits = num_modes.bit_length() - 1
    reversed_bits = [int(f"{mode:0{bits}b}"[::-1], 2) for mode in range(num_modes)]
    target = fourier(num_modes, 0)[:, reversed_bits]
    fit = assert_reached(target, MeshLayout.butterfly(num_modes))
    assert fit.num_evaluations <= FIT_EVALUATIONS
    assert_close(fit.phases.theta, torch.full_like(fit.phases.theta, math.pi / 2), FOLD_EPS)


@pytest.mark.parametrize(("num_modes", "depth"), DEEP)
@pytest.mark.parametrize("target", [haar, identity, fourier])
def test_deep_rectangle_reaches_everything_without_a_search(num_modes, depth, target):
    fit = assert_reached(target(num_modes, 2), MeshLayout.rectangular(num_modes, depth))
    assert fit.num_evaluations == 0


@pytest.mark.parametrize("kind", ["clements", "reck"])
def test_universal_mesh_is_decomposed(kind):
    fit = assert_reached(haar(5, 3, 2, 3), MeshLayout(kind, 5))
    assert fit.relative_error.shape == (2, 3)
    assert (fit.num_evaluations == 0).all()


@pytest.mark.parametrize("layout", [MeshLayout.butterfly(4), MeshLayout.rectangular(5, 2)])
def test_target_out_of_reach_is_reported(layout):
    target = haar(layout.num_modes, 4, 2)
    fit = assert_fit(fit_unitary(target, layout, restarts=2), target, layout)
    assert not fit.is_reached.any()
    assert (fit.relative_error > FIT_F64).all()
    assert (fit.trace_fidelity < 1).all()


def test_result_is_a_minimum():
    layout = MeshLayout.rectangular(5, 2)
    target = haar(5, 5)
    phases = fit_unitary(target, layout).phases
    settings = [phases.theta, phases.phi, phases.output_phase]
    settings = [part.clone().requires_grad_() for part in settings]
    error = relative_error(target, transfer_matrix(layout, *settings))
    gradient = torch.cat(torch.autograd.grad(error, settings))
    # The error is stationary to first order: its change within sqrt(eps) is lost in rounding.
    assert gradient.abs().max() <= torch.finfo(torch.float64).eps ** 0.5


def test_lack_of_evaluations_is_reported():
    layout = MeshLayout.butterfly(8)
    target = transfer_matrix(layout, *random_settings(layout, 6))
    fit = assert_fit(fit_unitary(target, layout, restarts=1, max_evaluations=3), target, layout)
    assert fit.num_evaluations == 3
    assert not fit.is_converged
    assert not fit.is_reached


def test_each_target_of_a_batch_is_fitted_alone():
    layout = MeshLayout.butterfly(4)
    targets = transfer_matrix(layout, *random_settings(layout, 7, 2, 2))
    together = fit_unitary(targets, layout)
    alone = fit_unitary(targets[1, 0], layout)
    assert torch.equal(together.phases.theta[1, 0], alone.phases.theta)
    assert torch.equal(together.relative_error[1, 0], alone.relative_error)


def test_seed_decides():
    layout, target = MeshLayout.rectangular(5, 2), haar(5, 8)
    first, again, other = (fit_unitary(target, layout, restarts=1, seed=s) for s in (1, 1, 2))
    assert torch.equal(first.phases.phi, again.phases.phi)
    assert not torch.equal(first.phases.phi, other.phases.phi)


def test_empty_batch():
    fit = fit_unitary(haar(4, 0)[None][:0], MeshLayout.butterfly(4))
    assert fit.relative_error.shape == (0,)
    assert fit.phases.theta.shape == (0, 4)


def test_array_and_real_matrix_are_taken():
    fit = fit_unitary(np.eye(4), MeshLayout.butterfly(4))
    assert fit.is_reached


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (torch.eye(3), r"`unitary` must have shape \(\.\.\., 4, 4\), got \(3, 3\)"),
        (torch.ones(4), r"`unitary` must have shape \(\.\.\., 4, 4\), got \(4,\)"),
        (torch.full((4, 4), math.nan), "`unitary` must be finite, got 16 entries"),
        (2 * torch.eye(4), r"`unitary` must be unitary: \|U\^H U - 1\| reaches 3.00e\+00"),
    ],
)
@pytest.mark.parametrize("layout", [MeshLayout.butterfly(4), MeshLayout.clements(4)])
def test_wrong_targets_raise(target, message, layout):
    with pytest.raises(ValueError, match=message):
        fit_unitary(target, layout)


@pytest.mark.parametrize("layout", [MeshLayout.butterfly(4), MeshLayout.clements(4)])
def test_printed_targets_are_projected_if_asked(layout):
    rough = (fourier(4, 0) * 1e4).real.round() / 1e4 + 1j * (fourier(4, 0) * 1e4).imag.round() / 1e4
    rough[0, 0] += 1e-4
    with pytest.raises(ValueError, match="`project=True` takes the nearest unitary"):
        fit_unitary(rough, layout)
    fit = fit_unitary(rough, layout, project=True)
    left, _, right = torch.linalg.svd(rough)
    found = relative_error(left @ right, matrix(layout, fit.phases))
    assert_close(fit.relative_error, found, MESH_EPS)


@pytest.mark.parametrize("name", ["restarts", "max_evaluations"])
def test_nothing_to_try_raises(name):
    with pytest.raises(ValueError, match=f"`{name}` must be an integer >= 1, got 0"):
        fit_unitary(torch.eye(4), MeshLayout.butterfly(4), **{name: 0})


@given(layout=layouts, seed=st.integers(0, 2**32))
def test_folding_keeps_the_matrix(layout, seed):
    theta, phi, output_phase = random_settings(layout, seed, 2)
    phases = MeshPhases(8 * theta - 12, 4 * phi - 12, 4 * output_phase - 12)
    folded = fold_phases(layout, phases)
    assert_in_range(folded)
    assert_close(matrix(layout, folded), matrix(layout, phases), FOLD_EPS)


@given(layout=layouts, seed=st.integers(0, 2**32))
def test_folding_leaves_settings_in_range(layout, seed):
    phases = MeshPhases(*random_settings(layout, seed))
    folded = fold_phases(layout, phases)
    for name in ("theta", "phi", "output_phase"):
        assert torch.equal(getattr(folded, name), getattr(phases, name))


def test_folding_of_one_interferometer_is_the_stated_identity():
    layout = MeshLayout.clements(2)
    theta, phi = torch.tensor([1.0], dtype=torch.float64), torch.tensor([0.5], dtype=torch.float64)
    screen = torch.zeros(2, dtype=torch.float64)
    folded = fold_phases(layout, MeshPhases(2 * math.pi - theta, phi, screen))
    assert_close(folded.theta, theta, MESH_EPS)
    assert_close(folded.phi, phi + math.pi, MESH_EPS)
    expected = torch.tensor([2 * math.pi - 1, math.pi - 1], dtype=torch.float64)
    assert_close(folded.output_phase, expected, MESH_EPS)


def test_random_interferometers_split_evenly_on_average():
    layout = MeshLayout.butterfly(4)
    phases = random_phases(layout, 1000, generator=keyed_generator(0, "test"))
    assert_in_range(phases)
    power = matrix(layout, phases).abs().square()
    error = power.std(0) / math.sqrt(len(power))
    assert ((power.mean(0) - 1 / 4).abs() <= STANDARD_ERRORS * error).all()
