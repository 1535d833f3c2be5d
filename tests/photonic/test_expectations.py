"""Closed forms against sampled meshes, each with errors of its own kind."""

import math

import pytest
import torch
from torch import Tensor

from photonic.conventions import TWO_PI
from photonic.expectations import (
    expected_corrected_error,
    expected_drift_fidelity,
    expected_layer_error,
    expected_relative_error,
    expected_relative_error_givens,
    expected_trace_fidelity,
    quantisation_phase_std,
)
from photonic.haar import haar_phases
from photonic.layout import MeshLayout
from photonic.mzi import mzi_block
from photonic.phases import MeshPhases
from photonic.propagation import transfer_matrix
from photonic.quality import relative_error, trace_fidelity
from photonic.randomness import keyed_generator
from tests.photonic.matrices import MESH_KINDS, assert_close, random_normal
from tests.tolerances import CLOSED_FORM, CLOSED_FORM_F64, CORRECTED_ERROR, UNITARITY_EPS

DRAWS = 2000
MODES = [4, 8, 16]
both_meshes = pytest.mark.parametrize("kind", MESH_KINDS)


def haar_mesh(layout: MeshLayout, draws: int = DRAWS) -> tuple[MeshPhases, Tensor]:
    phases = haar_phases(layout, draws, generator=keyed_generator(0, "mesh", layout.num_modes))
    return phases, transfer_matrix(layout, phases.theta, phases.phi, phases.output_phase)


def noisy_mesh(
    layout: MeshLayout,
    phases: MeshPhases,
    phase_std: float,
    coupler_std: float = 0.0,
    seed: int = 1,
) -> Tensor:
    parts = (phases.theta, phases.phi, phases.output_phase)
    noisy = [
        part + phase_std * random_normal(seed + i, *part.shape) for i, part in enumerate(parts)
    ]
    coupler_error = coupler_std * random_normal(seed + 3, *phases.theta.shape, 2)
    return transfer_matrix(layout, *noisy, coupler_error=coupler_error)


def root_mean_square(target: Tensor, realised: Tensor) -> float:
    return relative_error(target, realised).square().mean().sqrt().item()


def log_fidelity(target: Tensor, realised: Tensor) -> float:
    """-ln F_tr; F_tr itself is close to 1 whatever the formula."""
    return -trace_fidelity(target, realised).log().mean().item()


def assert_sampled(sampled: float, expected: float, tolerance: float = CLOSED_FORM) -> None:
    ratio = sampled / expected
    assert abs(ratio - 1) <= tolerance, f"sampled over expected {ratio:.3f}"


@both_meshes
@pytest.mark.parametrize("num_modes", MODES)
@pytest.mark.parametrize(
    ("phase_std", "coupler_std"), [(0.01, 0.0), (0.0, 0.01), (0.01, 0.01), (0.2, 0.1)]
)
def test_error_and_fidelity_of_a_mesh(num_modes, kind, phase_std, coupler_std):
    layout = MeshLayout(kind, num_modes)
    phases, target = haar_mesh(layout)
    realised = noisy_mesh(layout, phases, phase_std, coupler_std)
    expected = expected_relative_error(num_modes, phase_std, coupler_std)
    assert_sampled(root_mean_square(target, realised), expected)
    if phase_std < 0.1:
        fidelity = expected_trace_fidelity(num_modes, phase_std, coupler_std)
        assert_sampled(log_fidelity(target, realised), -math.log(fidelity))


def test_small_errors_add_in_the_square_and_large_ones_saturate():
    small = expected_relative_error(9, 1e-7, 2e-7)
    assert small == pytest.approx(math.sqrt(9 + 2 * 8 * 4) * 1e-7, rel=CLOSED_FORM_F64)
    assert expected_relative_error(9, 10.0) == pytest.approx(math.sqrt(2), rel=CLOSED_FORM_F64)
    assert expected_relative_error(9) == 0
    assert expected_trace_fidelity(1, 0.3, 0.2) == 1


@pytest.mark.parametrize("num_modes", [2, 6])
def test_error_of_real_givens_meshes(num_modes):
    """N (N - 1)/2 plane rotations of neighbours, as in a rectangle, one phase each."""
    layout, std = MeshLayout.clements(num_modes), 0.005
    angle = math.pi * random_normal(0, DRAWS, layout.num_mzis)
    noisy = angle + std * random_normal(1, *angle.shape)
    target, realised = (givens_mesh(layout, part) for part in (angle, noisy))
    expected = expected_relative_error_givens(num_modes, std)
    assert_sampled(root_mean_square(target, realised), expected)


def givens_mesh(layout: MeshLayout, angle: Tensor) -> Tensor:
    matrix = torch.eye(layout.num_modes, dtype=angle.dtype).repeat(len(angle), 1, 1)
    for mzi, mode in enumerate(layout.mode):
        sin, cos = angle[:, mzi, None].sin(), angle[:, mzi, None].cos()
        upper, lower = matrix[:, mode].clone(), matrix[:, mode + 1].clone()
        matrix[:, mode], matrix[:, mode + 1] = cos * upper - sin * lower, sin * upper + cos * lower
    return matrix


@both_meshes
@pytest.mark.parametrize("num_modes", MODES)
def test_error_of_a_layer_of_two_meshes(num_modes, kind):
    layout, std = MeshLayout(kind, num_modes), 0.005
    (u, left), (v, right) = haar_mesh(layout), haar_mesh(layout, DRAWS + 1)
    v, right = v[1:], right[1:]
    singular = random_normal(2, DRAWS, 1, num_modes).abs()
    target = left * singular @ right
    realised = noisy_mesh(layout, u, std) * singular @ noisy_mesh(layout, v, std, seed=9)
    square = (realised - target).abs().square().sum((-2, -1)) / singular.square().sum((-2, -1))
    assert_sampled(square.mean().sqrt().item(), expected_layer_error(num_modes, std))


@pytest.mark.parametrize("num_modes", MODES)
@pytest.mark.parametrize("bits", [5, 8])
def test_error_of_rounded_phases(num_modes, bits):
    layout, step = MeshLayout.clements(num_modes), TWO_PI / (2**bits - 1)
    phases, target = haar_mesh(layout)
    parts = (phases.theta, phases.phi, phases.output_phase)
    rounded = [step * torch.round(part / step) for part in parts]
    sampled = root_mean_square(target, transfer_matrix(layout, *rounded))
    expected = expected_relative_error(num_modes, quantisation_phase_std(bits))
    assert_sampled(sampled, expected)


@pytest.mark.parametrize("full_scale", [math.pi, TWO_PI])
def test_rounding_error_of_one_phase(full_scale):
    """Three bits, where eight codes and seven steps are easily told apart."""
    phase = full_scale * torch.rand(10 * DRAWS, generator=torch.Generator().manual_seed(0))
    step = full_scale / 7
    error = (phase - step * torch.round(phase / step)).std().item()
    assert_sampled(error, quantisation_phase_std(3, full_scale))


@pytest.mark.parametrize("num_modes", MODES)
def test_fidelity_of_a_drifting_mesh(num_modes):
    """Random walks of ten steps of 60 s."""
    layout, rate, step_s = MeshLayout.clements(num_modes), 1e-7, 60.0
    phases, target = haar_mesh(layout)
    parts = [phases.theta, phases.phi, phases.output_phase]
    for step in range(10):
        parts = [
            part + math.sqrt(rate * step_s) * random_normal(3 * step + i, *part.shape)
            for i, part in enumerate(parts)
        ]
    sampled = log_fidelity(target, transfer_matrix(layout, *parts))
    expected = expected_drift_fidelity(num_modes, rate, 10 * step_s)
    assert_sampled(sampled, -math.log(expected))


def locally_corrected(
    layout: MeshLayout, phases: MeshPhases, coupler_error: Tensor
) -> tuple[Tensor, Tensor]:
    """Matrices after local correction (Bandyopadhyay 2021), and which chips clipped a splitting."""
    a, b = coupler_error.unbind(-1)
    settings, matched = mzi_block(phases.theta, phases.phi), {"theta": [], "phi": []}
    arrears = torch.zeros_like(phases.output_phase)
    has_clipped = torch.zeros(len(arrears), dtype=torch.bool)
    for mzi, mode in enumerate(layout.mode):
        ends = slice(mode, mode + 2)
        goal = settings[:, mzi] * torch.exp(1j * arrears[:, ends]).unsqueeze(-2)
        leak = (a + b)[:, mzi].sin().square()
        reach = (2 * a[:, mzi]).cos() * (2 * b[:, mzi]).cos()
        split = (goal[:, 0, 0].abs().square() - leak) / reach
        has_clipped |= (split < 0) | (split > 1)
        theta = 2 * split.clamp(0, 1).sqrt().arcsin()
        block = mzi_block(theta, torch.zeros_like(theta), coupler_error[:, mzi])
        wanted, given = goal[:, 0, 0] / goal[:, 0, 1], block[:, 0, 0] / block[:, 0, 1]
        phi = (wanted / given).angle()
        block = block * torch.exp(1j * torch.stack((phi, 0 * phi), -1)).unsqueeze(-2)
        arrears[:, ends] = (goal * block.conj()).sum(-1).angle()
        matched["theta"].append(theta)
        matched["phi"].append(phi)
    theta, phi = (torch.stack(part, -1) for part in matched.values())
    screen = phases.output_phase + arrears
    return transfer_matrix(layout, theta, phi, screen, coupler_error=coupler_error), has_clipped


def test_local_correction_is_exact_where_every_splitting_is_in_reach():
    layout = MeshLayout.clements(4)
    phases, target = haar_mesh(layout)
    coupler_error = 1e-3 * random_normal(5, DRAWS, layout.num_mzis, 2)
    realised, has_clipped = locally_corrected(layout, phases, coupler_error)
    assert has_clipped.sum() < DRAWS / 2
    assert_close(realised[~has_clipped], target[~has_clipped], UNITARITY_EPS)


def test_error_after_local_correction():
    """N = 32 and N a^2 = 0.05, the range of the formula."""
    num_modes, std, draws = 32, 0.04, 150
    layout = MeshLayout.clements(num_modes)
    phases, target = haar_mesh(layout, draws)
    coupler_error = std * random_normal(6, draws, layout.num_mzis, 2)
    realised, _ = locally_corrected(layout, phases, coupler_error)
    expected = expected_corrected_error(num_modes, std)
    assert_sampled(root_mean_square(target, realised), expected, CORRECTED_ERROR)


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="`num_modes` must be an integer >= 1, got 0"):
        expected_relative_error(0, 0.1)
    with pytest.raises(ValueError, match=r"`coupler_std` must not be negative, got -0\.1"):
        expected_trace_fidelity(4, 0.1, -0.1)
    with pytest.raises(ValueError, match="`time_s` must be finite, got nan"):
        expected_drift_fidelity(4, 0.1, math.nan)
    with pytest.raises(ValueError, match="`bits` must be an integer >= 1, got 0"):
        quantisation_phase_std(0)
    with pytest.raises(ValueError, match="`full_scale` must be positive, got 0"):
        quantisation_phase_std(8, 0)
