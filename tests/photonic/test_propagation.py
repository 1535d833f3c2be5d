"""Meshes column by column: reference, direction, invariants, errors against closed forms."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from photonic.conventions import db_to_amplitude
from photonic.decomposition import decompose
from photonic.layout import MeshLayout
from photonic.propagation import apply, transfer_matrix
from photonic.quality import relative_error, trace_fidelity
from photonic.reference import reference_mesh
from tests.photonic.matrices import (
    MESH_KINDS,
    REAL_DTYPES,
    assert_close,
    assert_unitary,
    haar,
    random_normal,
    random_settings,
)
from tests.tolerances import CLOSED_FORM, MESH_EPS, UNITARITY_EPS

PI = math.pi
layouts = (
    st.builds(MeshLayout, st.sampled_from(MESH_KINDS), st.integers(1, 8))
    | st.builds(MeshLayout.rectangular, st.integers(1, 8), st.integers(0, 12))
    | st.builds(MeshLayout.butterfly, st.sampled_from([1, 2, 4, 8]))
)
seeds = st.integers(0, 2**32)
backends = pytest.mark.parametrize("backend", ["numba", "torch"])
both_meshes = pytest.mark.parametrize("mesh", MESH_KINDS)


def random_defects(layout, seed, *batch, dtype=torch.float64):
    """Coupler errors of 0.1 rad and losses of the order of 1 dB."""
    shape = (*batch, layout.num_mzis)
    return {
        "coupler_error": 0.1 * random_normal(seed, *shape, 2, dtype=dtype),
        "insertion_loss_db": random_normal(seed + 1, *shape, dtype=dtype).abs(),
        "arm_loss_db": 0.5 * random_normal(seed + 2, *shape, 3, 2, dtype=dtype).abs(),
    }


@backends
@pytest.mark.parametrize("dtype", REAL_DTYPES)
@given(layout=layouts, seed=seeds)
def test_mesh_agrees_with_the_dense_reference(layout, seed, dtype, backend):
    settings = random_settings(layout, seed, dtype=dtype)
    defects = random_defects(layout, seed, dtype=dtype)
    without_arms = {name: defects[name] for name in ("coupler_error", "insertion_loss_db")}
    for extra in ({}, without_arms, defects):
        matrix = transfer_matrix(layout, *settings, **extra, backend=backend)
        doubles = [part.double().numpy() for part in settings]
        errors = {name: part.double().numpy() for name, part in extra.items()}
        expected = torch.from_numpy(
            reference_mesh(layout.mode, *doubles, **errors, partner=layout.partner)
        )
        assert matrix.dtype == dtype.to_complex()
        assert_close(matrix, expected, MESH_EPS)


@pytest.mark.parametrize("dtype", REAL_DTYPES)
@given(layout=layouts, seed=seeds)
def test_mesh_without_loss_is_unitary(layout, seed, dtype):
    settings = random_settings(layout, seed, 3, dtype=dtype)
    coupler_error = random_defects(layout, seed, 3, dtype=dtype)["coupler_error"]
    assert_unitary(transfer_matrix(layout, *settings, coupler_error=coupler_error))


@pytest.mark.parametrize("dtype", REAL_DTYPES)
@given(layout=layouts, seed=seeds)
def test_mesh_with_loss_never_amplifies(layout, seed, dtype):
    settings = random_settings(layout, seed, dtype=dtype)
    defects = random_defects(layout, seed, dtype=dtype)
    lossy = transfer_matrix(layout, *settings, **defects)
    slack = UNITARITY_EPS * torch.finfo(dtype).eps
    assert torch.linalg.svdvals(lossy).max() <= 1 + slack
    defects["insertion_loss_db"] = defects["insertion_loss_db"] + 1.0
    lossier = transfer_matrix(layout, *settings, **defects)
    assert lossier.abs().square().sum() <= lossy.abs().square().sum() * (1 + slack)


@pytest.mark.parametrize("dtype", REAL_DTYPES)
@given(seed=seeds)
def test_losses_add_in_db(seed, dtype):
    layout = MeshLayout.clements(2)
    settings = random_settings(layout, seed, dtype=dtype)
    first, second = random_normal(seed, 2, 1, dtype=dtype).abs()
    both = transfer_matrix(layout, *settings, insertion_loss_db=first + second)
    one = transfer_matrix(layout, *settings, insertion_loss_db=second)
    assert_close(both, db_to_amplitude(first) * one, MESH_EPS)


@pytest.mark.parametrize("dtype", REAL_DTYPES)
@given(layout=layouts, seed=seeds)
def test_zero_defects_change_nothing(layout, seed, dtype):
    settings = random_settings(layout, seed, dtype=dtype)
    defects = random_defects(layout, seed, dtype=dtype)
    zeros = {name: 0 * part for name, part in defects.items()}
    ideal = transfer_matrix(layout, *settings)
    assert_close(transfer_matrix(layout, *settings, **zeros), ideal, MESH_EPS)


@pytest.mark.parametrize("dtype", REAL_DTYPES)
@given(layout=layouts, seed=seeds)
def test_phases_repeat_after_two_pi(layout, seed, dtype):
    settings = random_settings(layout, seed, dtype=dtype)
    turned = [part + 2 * PI for part in settings]
    assert_close(
        transfer_matrix(layout, *turned), transfer_matrix(layout, *settings), UNITARITY_EPS
    )


def test_direction_of_a_cyclic_permutation():
    """Cross, cross, bar on (0, 1), (1, 2), (0, 1): light goes 0 -> 2, 1 -> 0, 2 -> 1."""
    layout = MeshLayout.clements(3)
    theta = torch.tensor([0.0, 0.0, PI], dtype=torch.float64)
    matrix = transfer_matrix(layout, theta, torch.zeros(3), torch.zeros(3))
    expected = torch.zeros(3, 3, dtype=torch.float64)
    for source, target in ((0, 2), (1, 0), (2, 1)):
        expected[target, source] = 1.0
    assert torch.equal(matrix.abs(), expected)
    light = torch.tensor([[1.0, 0.0, 0.0]])
    out = apply(layout, theta, torch.zeros(3), torch.zeros(3), light)
    assert out.abs().argmax().item() == 2


def test_external_phase_is_met_first_and_output_phase_last():
    layout = MeshLayout.clements(3)
    theta, phi, screen = random_settings(layout, 0)
    matrix = transfer_matrix(layout, theta, phi, screen)
    shift = torch.tensor([0.7, 0.0, 0.0], dtype=torch.float64)
    factor = torch.exp(1j * shift)
    assert_close(transfer_matrix(layout, theta, phi + shift, screen), matrix * factor, MESH_EPS)
    shifted = transfer_matrix(layout, theta, phi, screen + shift)
    assert_close(shifted, matrix * factor[:, None], MESH_EPS)


@pytest.mark.parametrize("dtype", REAL_DTYPES)
@given(layout=layouts, seed=seeds, num_fields=st.integers(0, 5))
def test_fields_pass_as_through_the_matrix(layout, seed, num_fields, dtype):
    settings = random_settings(layout, seed, 3, dtype=dtype)
    defects = random_defects(layout, seed, 3, dtype=dtype)
    fields = random_normal(seed, num_fields, layout.num_modes, dtype=dtype.to_complex())
    fields = fields / max(1.0, fields.abs().max() if num_fields else 0.0)
    out = apply(layout, *settings, fields, **defects)
    matrix = transfer_matrix(layout, *settings, **defects)
    assert out.dtype == dtype.to_complex()
    assert_close(out, fields @ matrix.transpose(-1, -2), UNITARITY_EPS)


@backends
@pytest.mark.parametrize("dtype", REAL_DTYPES)
@pytest.mark.parametrize("is_lossy", [False, True])
def test_bars_do_not_leak(is_lossy, dtype, backend):
    """theta at the float nearest to pi: exactly diagonal, through every formula of the block."""
    layout = MeshLayout.clements(6)
    _, phi, screen = random_settings(layout, 0, dtype=dtype)
    arms = random_defects(layout, 1, dtype=dtype)["arm_loss_db"] if is_lossy else None
    matrix = transfer_matrix(
        layout, torch.full_like(phi, PI), phi, screen, arm_loss_db=arms, backend=backend
    )
    leak = matrix - torch.diag(matrix.diagonal())
    if is_lossy:  # arms between the couplers differ: only their own imbalance couples the modes
        balanced = arms.mean(-1, keepdim=True).expand_as(arms)
        matrix = transfer_matrix(
            layout, torch.full_like(phi, PI), phi, screen, arm_loss_db=balanced, backend=backend
        )
        assert leak.abs().max() > torch.finfo(dtype).eps
        leak = matrix - torch.diag(matrix.diagonal())
    assert torch.equal(leak, torch.zeros_like(leak))


@pytest.mark.parametrize("dtype", REAL_DTYPES)
@given(num_modes=st.integers(1, 8), seed=seeds, first=st.integers(0, 4), second=st.integers(0, 7))
def test_meshes_in_series_are_one_mesh(num_modes, seed, first, second, dtype):
    """An even number of columns, then more: the matrices multiply, the later one from the left."""
    layout = MeshLayout.rectangular(num_modes, 2 * first + second)
    parts = MeshLayout.rectangular(num_modes, 2 * first), MeshLayout.rectangular(num_modes, second)
    theta, phi, screen = random_settings(layout, seed, dtype=dtype)
    defects = random_defects(layout, seed, dtype=dtype)
    whole = transfer_matrix(layout, theta, phi, screen, **defects)
    ranges = slice(0, parts[0].num_mzis), slice(parts[0].num_mzis, None)
    before, behind = (
        transfer_matrix(
            part,
            theta[mzis],
            phi[mzis],
            output_phase,
            **{name: value[mzis] for name, value in defects.items()},
        )
        for part, mzis, output_phase in zip(parts, ranges, (0 * screen, screen), strict=True)
    )
    assert_close(whole, behind @ before, MESH_EPS)


@pytest.mark.parametrize("dtype", REAL_DTYPES)
@given(layout=layouts, seed=seeds)
def test_mesh_is_linear_in_the_field(layout, seed, dtype):
    settings = random_settings(layout, seed, dtype=dtype)
    first, second = random_normal(seed, 2, 1, layout.num_modes, dtype=dtype.to_complex())
    joint = apply(layout, *settings, 0.25 * first + 0.125j * second)
    parts = 0.25 * apply(layout, *settings, first) + 0.125j * apply(layout, *settings, second)
    assert_close(joint, parts, UNITARITY_EPS)


def test_leading_dimensions_broadcast():
    layout = MeshLayout.reck(4)
    theta, phi, screen = random_settings(layout, 1)
    defects = random_defects(layout, 2, 5, 1)
    phi = phi + torch.arange(3.0, dtype=torch.float64)[:, None]
    matrix = transfer_matrix(layout, theta, phi, screen, **defects)
    assert matrix.shape == (5, 3, 4, 4)
    alone = {name: part[4, 0] for name, part in defects.items()}
    assert_close(matrix[4, 2], transfer_matrix(layout, theta, phi[2], screen, **alone), MESH_EPS)
    fields = random_normal(3, 5, 1, 2, 4)
    assert apply(layout, theta, phi, screen, fields).shape == (5, 3, 2, 4)


@both_meshes
def test_batch_larger_than_a_chunk_keeps_its_order(mesh):
    layout = MeshLayout(mesh, 8)
    settings = random_settings(layout, 4, 2500)
    matrices = transfer_matrix(layout, *settings)
    pick = [0, 1023, 1024, 2499]
    alone = transfer_matrix(layout, *(part[pick] for part in settings))
    assert_close(matrices[pick], alone, MESH_EPS)
    backward = transfer_matrix(layout, *(part.flip(0) for part in settings))
    assert_close(backward.flip(0), matrices, MESH_EPS)


def test_empty_batch_and_single_mode():
    layout = MeshLayout.clements(3)
    assert transfer_matrix(layout, *random_settings(layout, 0, 0)).shape == (0, 3, 3)
    phase = torch.tensor([0.5], dtype=torch.float64)
    matrix = transfer_matrix(MeshLayout.clements(1), phase[:0], phase[:0], phase)
    assert_close(matrix, torch.exp(1j * phase)[:, None], MESH_EPS)


@both_meshes
@pytest.mark.parametrize("num_modes", [8, 16])
def test_sampled_errors_follow_their_closed_forms(num_modes, mesh):
    """E = s sqrt(N), E = a sqrt(2 (N-1)), F_tr = exp(-(N-1)(s^2 + 2 a^2)) for Haar targets."""
    layout, draws, s, a = MeshLayout(mesh, num_modes), 400, 0.02, 0.015
    target = haar(num_modes, 8, draws)
    phases = decompose(target, layout)
    settings = (phases.theta, phases.phi, phases.output_phase)
    noisy = [part + s * random_normal(9 + i, *part.shape) for i, part in enumerate(settings)]
    coupler_error = a * random_normal(12, draws, layout.num_mzis, 2)

    phase_only = transfer_matrix(layout, *noisy)
    coupler_only = transfer_matrix(layout, *settings, coupler_error=coupler_error)
    both = transfer_matrix(layout, *noisy, coupler_error=coupler_error)

    def root_mean_square(realised):
        return relative_error(target, realised).square().mean().sqrt().item()

    rank = num_modes - 1
    saturated = 2 * (1 - math.exp(-(num_modes * s**2 + 2 * rank * a**2) / 2))
    assert root_mean_square(phase_only) == pytest.approx(s * num_modes**0.5, rel=CLOSED_FORM)
    assert root_mean_square(coupler_only) == pytest.approx(a * (2 * rank) ** 0.5, rel=CLOSED_FORM)
    assert root_mean_square(both) == pytest.approx(saturated**0.5, rel=CLOSED_FORM)
    infidelity = -trace_fidelity(target, both).log().mean().item()
    assert infidelity == pytest.approx(rank * (s**2 + 2 * a**2), rel=CLOSED_FORM)


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("theta", (4, 27), r"\(\.\.\., 28\), got \(4, 27\)"),
        ("phi", (), r"\(\.\.\., 28\), got \(\)"),
        ("output_phase", (4, 7), r"\(\.\.\., 8\), got \(4, 7\)"),
        ("coupler_error", (28,), r"\(\.\.\., 28, 2\), got \(28,\)"),
        ("insertion_loss_db", (28, 1), r"\(\.\.\., 28\), got \(28, 1\)"),
        ("fields", (2, 9), r"\(\.\.\., 2, 8\), got \(2, 9\)"),
        ("fields", (8,), r"\(\.\.\., R, 8\), got \(8,\)"),
    ],
)
def test_shapes_are_checked(name, shape, expected):
    layout = MeshLayout.clements(8)
    theta, phi, screen = random_settings(layout, 0)
    arguments = {"theta": theta, "phi": phi, "output_phase": screen, "fields": torch.zeros(2, 8)}
    arguments[name] = torch.zeros(shape, dtype=torch.float64)
    with pytest.raises(ValueError, match=f"`{name}` must have shape {expected}"):
        apply(layout, **arguments)


def test_batches_must_broadcast():
    layout = MeshLayout.clements(3)
    theta, phi, screen = random_settings(layout, 0)
    with pytest.raises(ValueError, match="batch dimensions do not broadcast"):
        transfer_matrix(layout, theta.expand(2, 3), phi.expand(3, 3), screen)


def test_phases_must_be_real_floats():
    layout = MeshLayout.clements(3)
    with pytest.raises(TypeError, match=r"`theta` must (be float32 or float64|hold real)"):
        transfer_matrix(layout, torch.zeros(3, dtype=torch.int64), torch.zeros(3), torch.zeros(3))
