"""Haar statistics: ranks, distributions against quadrature, decompositions, sampled unitaries."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import gamma

from photonic.decomposition import decompose
from photonic.haar import (
    haar_phases,
    haar_ranks,
    haar_theta_cdf,
    haar_theta_density,
    haar_theta_mean,
    haar_theta_quantile,
    haar_theta_std,
)
from photonic.layout import MeshLayout
from photonic.propagation import transfer_matrix
from photonic.randomness import keyed_generator
from tests.photonic.matrices import MESH_KINDS, haar
from tests.tolerances import CLOSED_FORM_F64, KS_STATISTIC, STANDARD_ERRORS

PI = math.pi
DRAWS = 4000
both_meshes = pytest.mark.parametrize("kind", MESH_KINDS)


def assert_mean(samples, expected):
    """Means over the first axis, within standard errors."""
    samples = np.asarray(samples)
    error = samples.std(axis=0) / math.sqrt(len(samples))
    deviation = np.abs(samples.mean(axis=0) - expected) / error
    assert deviation.max() <= STANDARD_ERRORS, f"{deviation.max():.1f} standard errors"


def assert_uniform(values):
    """Kolmogorov-Smirnov test of each column against the uniform distribution on [0, 1]."""
    ordered = np.sort(values, axis=0)
    count = len(ordered)
    steps = np.arange(count + 1)[:, None] / count
    gap = np.maximum(steps[1:] - ordered, ordered - steps[:-1]).max() * math.sqrt(count)
    assert gap <= KS_STATISTIC, f"Kolmogorov-Smirnov statistic {gap:.2f}"


@given(kind=st.sampled_from(MESH_KINDS), num_modes=st.integers(1, 20))
def test_a_rank_occurs_as_often_as_it_must(kind, num_modes):
    counts = np.bincount(haar_ranks(MeshLayout(kind, num_modes)), minlength=num_modes)
    assert counts.tolist() == [0, *range(num_modes - 1, 0, -1)]


def test_ranks_of_small_meshes():
    """Clements, N = 4: columns (0, 2), (1), (0, 2), (1); Reck: y + 1."""
    assert haar_ranks(MeshLayout.clements(4)).tolist() == [1, 1, 3, 2, 2, 1]
    assert haar_ranks(MeshLayout.reck(3)).tolist() == [1, 2, 1]


@given(
    kind=st.sampled_from(MESH_KINDS),
    num_modes=st.integers(2, 8),
    seed=st.integers(0, 2**32),
)
def test_quantile_inverts_the_distribution(kind, num_modes, seed):
    layout = MeshLayout(kind, num_modes)
    probability = keyed_generator(seed, "p").random((3, layout.num_mzis))
    theta = haar_theta_quantile(layout, probability)
    assert np.abs(haar_theta_cdf(layout, theta) - probability).max() <= CLOSED_FORM_F64
    assert ((theta >= 0) & (theta <= PI)).all()
    edges = np.array([[0.0], [1.0]]) * np.ones(layout.num_mzis)
    assert np.array_equal(haar_theta_quantile(layout, edges), PI * edges)
    assert np.array_equal(haar_theta_cdf(layout, PI * edges), edges)


@both_meshes
def test_statistics_agree_with_quadrature(kind):
    """Every rank from 1 to 11: total, distribution at 0.7, mean and deviation of the density."""
    layout = MeshLayout(kind, 12)
    _, positions = np.unique(haar_ranks(layout), return_index=True)
    for mzi in positions:

        def moment(power, upper=PI, mzi=mzi):
            def integrand(theta):
                density = haar_theta_density(layout, np.full(layout.num_mzis, theta))
                return density[mzi] * theta**power

            return quad(integrand, 0, upper, epsabs=0, epsrel=CLOSED_FORM_F64)[0]

        mean, square = moment(1), moment(2)
        below = haar_theta_cdf(layout, np.full(layout.num_mzis, 0.7))[mzi]
        assert moment(0) == pytest.approx(1, rel=CLOSED_FORM_F64)
        assert moment(0, 0.7) == pytest.approx(below, rel=CLOSED_FORM_F64)
        assert haar_theta_mean(layout)[mzi] == pytest.approx(mean, rel=CLOSED_FORM_F64)
        std = haar_theta_std(layout)[mzi]
        assert std == pytest.approx(math.sqrt(square - mean**2), rel=10 * CLOSED_FORM_F64)


def test_mean_is_a_ratio_of_gamma_functions():
    layout = MeshLayout.clements(40)
    rank = haar_ranks(layout)
    expected = math.sqrt(PI) * gamma(rank + 0.5) / gamma(rank + 1)
    assert haar_theta_mean(layout) == pytest.approx(expected, rel=CLOSED_FORM_F64)


@both_meshes
@pytest.mark.parametrize("num_modes", [3, 6])
def test_decomposed_haar_unitaries_follow_the_statistics(num_modes, kind):
    layout = MeshLayout(kind, num_modes)
    phases = decompose(haar(num_modes, 5, DRAWS), layout)
    theta = phases.theta.numpy()
    assert_uniform(haar_theta_cdf(layout, theta))
    assert_uniform(phases.phi.numpy() / (2 * PI))
    assert_uniform(phases.output_phase.numpy() / (2 * PI))
    mean, std = haar_theta_mean(layout), haar_theta_std(layout)
    assert_mean(theta, mean)
    assert_mean((theta - mean) ** 2, std**2)


@both_meshes
@pytest.mark.parametrize("num_modes", [1, 2, 5])
def test_sampled_meshes_are_haar(num_modes, kind):
    """Moments of entries and of tr U^j: E|tr U^j|^2 = j for j <= N, phases of tr U uniform."""
    layout = MeshLayout(kind, num_modes)
    phases = haar_phases(layout, DRAWS, generator=keyed_generator(0, "haar", kind))
    matrix = transfer_matrix(layout, phases.theta, phases.phi, phases.output_phase)
    power = matrix.abs().square().flatten(1).numpy()
    if num_modes > 1:
        assert_mean(power, 1 / num_modes)
        assert_mean(power**2, 2 / (num_modes * (num_modes + 1)))
    else:
        assert power == pytest.approx(1, rel=CLOSED_FORM_F64)
    product = torch.eye(num_modes, dtype=matrix.dtype)
    for exponent in range(1, num_modes + 1):
        product = product @ matrix
        trace = product.diagonal(dim1=-2, dim2=-1).sum(-1).numpy()
        if num_modes > 1:
            assert_mean(np.abs(trace) ** 2, exponent)
        assert_uniform((np.angle(trace)[:, None] / (2 * PI)) % 1)


@both_meshes
def test_same_generator_state_gives_the_same_bits(kind):
    layout = MeshLayout(kind, 5)
    first, again, other = (
        haar_phases(layout, 2, 3, generator=keyed_generator(seed, "haar")) for seed in (1, 1, 2)
    )
    assert first.batch_shape == (2, 3)
    for name in ("theta", "phi", "output_phase"):
        assert torch.equal(getattr(first, name), getattr(again, name))
        assert not torch.isclose(getattr(first, name), getattr(other, name), rtol=0, atol=0).any()


@pytest.mark.parametrize("layout", [MeshLayout.rectangular(4, 4), MeshLayout.butterfly(4)])
def test_other_meshes_have_no_ranks(layout):
    with pytest.raises(ValueError, match="need a clements or reck mesh, got"):
        haar_ranks(layout)


def test_arguments_are_checked():
    layout = MeshLayout.clements(3)
    with pytest.raises(ValueError, match=r"`theta` must have shape \(..., 3\), got \(2,\)"):
        haar_theta_cdf(layout, [0.0, 1.0])
    with pytest.raises(ValueError, match=r"`theta` must lie in \[0, 3.14159\]"):
        haar_theta_density(layout, [0.0, 1.0, 3.2])
    with pytest.raises(ValueError, match=r"`probability` must lie in \[0, 1\]"):
        haar_theta_quantile(layout, [0.0, -0.1, math.nan])
