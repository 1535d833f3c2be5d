"""Decompose and rebuild: exact for every kind of unitary, and Haar statistics of the angles."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from photonic.decomposition import decompose
from photonic.haar import haar_ranks
from photonic.layout import MeshLayout
from photonic.phases import MeshPhases
from photonic.propagation import transfer_matrix
from tests.photonic.matrices import (
    KINDS,
    MESH_KINDS,
    REAL_DTYPES,
    assert_close,
    assert_unitary,
    haar,
    near_identity,
    near_permutation,
    permutation,
    reflection,
    rotation,
    signs,
)
from tests.tolerances import (
    CLOSED_FORM_F64,
    LONG_PATH_EPS,
    MESH_EPS,
    MZI_EPS,
    PRINTED,
    STANDARD_ERRORS,
    UNITARITY_EPS,
)

EPS = torch.finfo(torch.float64).eps
both_meshes = pytest.mark.parametrize("mesh", MESH_KINDS)


def rebuild(layout: MeshLayout, phases: MeshPhases) -> torch.Tensor:
    return transfer_matrix(layout, phases.theta, phases.phi, phases.output_phase)


def assert_mesh(unitary: torch.Tensor, layout: MeshLayout) -> MeshPhases:
    """Angles in range and matrix rebuilt; returns the settings."""
    phases = decompose(unitary, layout)
    assert phases.batch_shape == unitary.shape[:-2]
    assert ((phases.theta >= 0) & (phases.theta <= math.pi)).all()
    for turn in (phases.phi, phases.output_phase):
        assert ((turn >= 0) & (turn < 2 * math.pi)).all()
    assert_close(assert_unitary(rebuild(layout, phases)), unitary.to(torch.complex128), MESH_EPS)
    return phases


@both_meshes
@pytest.mark.parametrize("num_modes", range(1, 65))
def test_every_kind_of_unitary_is_rebuilt(num_modes, mesh):
    unitaries = torch.stack([kind(num_modes, num_modes) for kind in KINDS])
    assert_mesh(unitaries, MeshLayout(mesh, num_modes))


@both_meshes
@given(num_modes=st.integers(1, 8), seed=st.integers(0, 2**32), kind=st.sampled_from(KINDS))
def test_any_draw_is_rebuilt(num_modes, seed, kind, mesh):
    assert_mesh(kind(num_modes, seed), MeshLayout(mesh, num_modes))


@pytest.mark.parametrize("dtype", REAL_DTYPES)
@both_meshes
@given(num_modes=st.integers(1, 8), seed=st.integers(0, 2**32), kind=st.sampled_from(KINDS))
def test_settings_are_rebuilt_in_both_precisions(num_modes, seed, kind, mesh, dtype):
    layout, unitary = MeshLayout(mesh, num_modes), kind(num_modes, seed)
    phases = decompose(unitary, layout)
    settings = (phases.theta, phases.phi, phases.output_phase)
    rebuilt = transfer_matrix(layout, *(part.to(dtype) for part in settings))
    assert rebuilt.dtype == dtype.to_complex()
    assert_close(rebuilt, unitary, MESH_EPS)


@both_meshes
@given(num_modes=st.integers(1, 8), seed=st.integers(0, 2**32))
def test_real_orthogonal_matrices_stay_real(num_modes, seed, mesh):
    """O(N) given as a real tensor, both signs of the determinant."""
    layout = MeshLayout(mesh, num_modes)
    for kind in (rotation, reflection):
        real = kind(num_modes, seed).real
        rebuilt = rebuild(layout, assert_mesh(real, layout))
        assert_close(rebuilt.imag, torch.zeros_like(real), MESH_EPS)


@both_meshes
@given(seed=st.integers(0, 2**32))
def test_zero_pivots_in_any_place_are_rebuilt(seed, mesh):
    """Products of a few interferometers on a permutation: sparse, with exact zeros."""
    unitary = permutation(6, seed)
    for mode in torch.randint(5, (4,), generator=torch.Generator().manual_seed(seed)).tolist():
        pair = slice(mode, mode + 2)
        unitary[pair] = haar(2, seed + mode) @ unitary[pair]
    assert_mesh(unitary, MeshLayout(mesh, 6))


@both_meshes
@pytest.mark.parametrize("num_modes", [128, 255, 256])
def test_large_meshes_are_rebuilt(num_modes, mesh):
    kinds = [kind for kind in KINDS if not kind.__name__.startswith("near")]
    unitaries = torch.stack([kind(num_modes, 0) for kind in kinds])
    assert_mesh(unitaries, MeshLayout(mesh, num_modes))


@both_meshes
def test_near_degenerate_large_meshes_are_rebuilt(mesh):
    """Light keeps to single paths of up to 509 blocks, whose rounding one entry carries: 17 eps in
    the triangle. The root mean square over rows stays within the bound of an entry."""
    unitaries = torch.stack([near_identity(256, 0), near_permutation(256, 0)])
    layout = MeshLayout(mesh, 256)
    error = (rebuild(layout, decompose(unitaries, layout)) - unitaries).abs()
    rows = error.square().sum((-2, -1)).div(256).sqrt().max().item() / EPS
    assert rows <= MESH_EPS, f"{rows:.1f} eps"
    assert error.max().item() / EPS <= LONG_PATH_EPS


@both_meshes
@pytest.mark.parametrize("size", [1e-20, 1e-200, 5e-324])
def test_small_entries_are_not_dropped(size, mesh):
    layout = MeshLayout(mesh, 2)
    unitary = torch.tensor([[size, 1.0], [1.0, -size]], dtype=torch.float64)
    rebuilt = rebuild(layout, decompose(unitary, layout))
    assert_close(rebuilt[0, 0].abs() / size, torch.tensor(1.0, dtype=torch.float64), MZI_EPS)


@both_meshes
@pytest.mark.parametrize("num_modes", [2, 5, 16])
def test_real_diagonals_need_bars_and_no_phase(num_modes, mesh):
    phases = decompose(signs(num_modes, 3), MeshLayout(mesh, num_modes))
    assert (phases.theta == math.pi).all()
    assert (phases.phi == 0.0).all()
    assert set(phases.output_phase.tolist()) <= {0.0, math.pi}


@both_meshes
def test_permutations_need_bars_and_crosses(mesh):
    phases = decompose(permutation(16, 7), MeshLayout(mesh, 16))
    assert set(phases.theta.unique().tolist()) == {0.0, math.pi}


@both_meshes
@pytest.mark.parametrize("num_modes", [2, 5, 6])
def test_angles_of_haar_unitaries_follow_their_distribution(num_modes, mesh):
    """cos^2(theta/2) = u^(1/k) with u uniform, so its mean is k/(k+1); phi is uniform."""
    layout, draws = MeshLayout(mesh, num_modes), 4000
    rank = torch.from_numpy(haar_ranks(layout)).to(torch.float64)
    assert torch.bincount(rank.int())[1:].tolist() == list(range(num_modes - 1, 0, -1))
    phases = decompose(haar(num_modes, 11, draws), layout)
    mean = (phases.theta / 2).cos().square().mean(0)
    standard_error = (rank / (rank + 2) / draws).sqrt() / (rank + 1)
    deviation = (mean - rank / (rank + 1)).abs() / standard_error
    assert deviation.max() < STANDARD_ERRORS, f"{deviation} standard errors"
    for angle in (phases.phi, phases.output_phase):
        resultant = torch.exp(1j * angle).mean(0).abs() * math.sqrt(draws)
        assert resultant.max() < STANDARD_ERRORS, f"{resultant} standard errors"


@both_meshes
def test_a_batch_is_decomposed_matrix_by_matrix(mesh):
    layout = MeshLayout(mesh, 16)
    unitaries = haar(16, 5, 2, 150)  # more than one chunk
    phases = assert_mesh(unitaries, layout)
    for index in ((0, 0), (1, 149)):
        alone = rebuild(layout, decompose(unitaries[index], layout))
        assert_close(rebuild(layout, phases[index]), alone, MESH_EPS)


@both_meshes
def test_order_of_a_batch_does_not_matter(mesh):
    layout, unitaries = MeshLayout(mesh, 5), haar(5, 6, 7)
    forward, backward = decompose(unitaries, layout), decompose(unitaries.flip(0), layout)
    assert_close(rebuild(layout, backward).flip(0), rebuild(layout, forward), MESH_EPS)


def test_empty_batch_has_no_settings():
    phases = decompose(torch.zeros(0, 3, 3), MeshLayout.clements(3))
    assert phases.theta.shape == (0, 3)


def test_numpy_and_conjugate_views_are_accepted():
    layout, unitary = MeshLayout.clements(4), haar(4, 8)
    for view in (unitary.numpy(), unitary.mH.mH, unitary.clone().requires_grad_()):
        assert_close(rebuild(layout, decompose(view, layout)), unitary, MESH_EPS)
    assert_close(rebuild(layout, decompose(unitary.mH, layout)), unitary.mH, MESH_EPS)


def test_input_is_left_alone():
    unitary = haar(4, 9)
    before = unitary.clone()
    decompose(unitary, MeshLayout.reck(4))
    assert torch.equal(unitary, before)


def test_matrix_that_is_not_unitary_is_refused():
    with pytest.raises(ValueError, match=r"U\^H U - 1\| reaches 3.00e\+00"):
        decompose(2 * torch.eye(3), MeshLayout.clements(3))


def test_columns_of_norm_one_that_are_not_orthogonal_are_refused():
    oblique = torch.eye(3, dtype=torch.float64)
    oblique[0, 2], oblique[2, 2] = 0.6, 0.8
    with pytest.raises(ValueError, match=r"U\^H U - 1\| reaches 6.00e-01"):
        decompose(oblique, MeshLayout.clements(3))
    batch = torch.stack([torch.eye(3, dtype=torch.float64)] * 4 + [oblique])
    with pytest.raises(ValueError, match=r"reaches 6\.00e-01"):
        decompose(batch, MeshLayout.reck(3))


@pytest.mark.parametrize("tolerance", [-1e-3, math.nan])
def test_tolerance_is_checked(tolerance):
    with pytest.raises(ValueError, match=r"`tolerance` must (not be negative|be finite)"):
        decompose(torch.eye(2), MeshLayout.clements(2), tolerance=tolerance)


def printed(matrix: torch.Tensor, digits: int = 4) -> torch.Tensor:
    """What is left of a matrix that was printed with a few digits."""
    return torch.complex(matrix.real.round(decimals=digits), matrix.imag.round(decimals=digits))


@both_meshes
@given(num_modes=st.integers(1, 8), seed=st.integers(0, 2**32))
def test_printed_unitary_is_projected_on_the_nearest(mesh, num_modes, seed):
    exact = haar(num_modes, seed, 2)
    rough, layout = printed(exact), MeshLayout(mesh, num_modes)
    found = rebuild(layout, decompose(rough, layout, project=True))
    # For the nearest unitary, U^H A is Hermitian and not negative.
    hermitian = found.mH @ rough
    assert_close(hermitian, hermitian.mH, UNITARITY_EPS)
    assert (torch.linalg.eigvalsh(hermitian) > 0).all()
    away = torch.linalg.matrix_norm(found - rough)
    assert (away <= torch.linalg.matrix_norm(exact - rough) * (1 + CLOSED_FORM_F64)).all()
    whole = rebuild(layout, decompose(exact, layout, project=True))
    assert_close(whole, exact, UNITARITY_EPS)


def test_refusal_of_a_printed_unitary_names_both_ways_out():
    layout, rough = MeshLayout.clements(4), printed(haar(4, 0))
    with pytest.raises(ValueError, match=r"above 1\.0e-10; `tolerance=` .* `project=True`"):
        decompose(rough, layout)
    by_tolerance = rebuild(layout, decompose(rough, layout, tolerance=1e-3))
    away = (by_tolerance - rough).abs().max()
    assert away <= PRINTED
    with pytest.raises(ValueError, match="must not be singular: it has no nearest unitary"):
        decompose(torch.ones(4, 4), layout, project=True)


def test_tolerance_admits_single_precision():
    unitary = haar(4, 10).to(torch.complex64)
    with pytest.raises(ValueError, match="`unitary` must be unitary"):
        decompose(unitary, MeshLayout.clements(4))
    phases = decompose(
        unitary, MeshLayout.clements(4), tolerance=torch.finfo(torch.float32).eps * 4
    )
    rebuilt = rebuild(MeshLayout.clements(4), phases).to(torch.complex64)
    assert_close(rebuilt, unitary, MESH_EPS)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_entries_that_are_not_finite_are_refused(value):
    unitary = torch.eye(3)
    unitary[0, 1] = unitary[2, 2] = value
    with pytest.raises(ValueError, match="must be finite, got 2 entries"):
        decompose(unitary, MeshLayout.clements(3))


@pytest.mark.parametrize("shape", [(3,), (3, 4), (4, 4), (2, 3, 2)])
def test_shape_is_checked(shape):
    with pytest.raises(ValueError, match=r"`unitary` must have shape \(\.\.\., 3, 3\), got"):
        decompose(torch.zeros(shape), MeshLayout.clements(3))
