"""The 2 x 2 block: against the product of its parts and against closed forms."""

import cmath
import math

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from photonic.mzi import coupler, mzi_block
from photonic.reference import reference_block, reference_coupler
from tests.photonic.matrices import REAL_DTYPES, assert_close, assert_unitary
from tests.tolerances import MESH_EPS, MZI_EPS

PI = math.pi
angles = st.one_of(st.floats(0.0, 2 * PI), st.sampled_from([0.0, PI / 2, PI, 2 * PI]))
errors = st.floats(-0.5, 0.5)


def tensor(value: float | list[float], dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.tensor(value, dtype=dtype)


@pytest.mark.parametrize("dtype", REAL_DTYPES)
@given(theta=angles, phi=angles, a=errors, b=errors)
@example(theta=PI, phi=PI, a=0.0, b=0.0)
@example(theta=0.0, phi=0.0, a=0.1, b=-0.1)
def test_block_is_the_product_of_its_parts(theta, phi, a, b, dtype):
    theta, phi, error = tensor(theta, dtype), tensor(phi, dtype), tensor([a, b], dtype)
    block = mzi_block(theta, phi, error)
    expected = torch.from_numpy(reference_block(theta.item(), phi.item(), tuple(error.tolist())))
    assert block.dtype == dtype.to_complex()
    assert_close(assert_unitary(block), expected, MZI_EPS)
    ideal = torch.from_numpy(reference_block(theta.item(), phi.item()))
    assert_close(mzi_block(theta, phi), ideal, MZI_EPS)


@given(theta=angles, phi=angles, a=errors, b=errors)
def test_determinant_is_the_sum_of_the_phases(theta, phi, a, b):
    block = mzi_block(tensor(theta), tensor(phi), tensor([a, b]))
    expected = torch.exp(1j * tensor(theta + phi))
    assert_close(torch.linalg.det(block), expected, MZI_EPS)


@given(theta=angles, phi=angles)
def test_block_repeats_after_two_pi(theta, phi):
    block = mzi_block(tensor(theta), tensor(phi))
    assert_close(mzi_block(tensor(theta + 2 * PI), tensor(phi)), block, MESH_EPS)
    assert_close(mzi_block(tensor(theta), tensor(phi + 2 * PI)), block, MESH_EPS)


@given(theta=angles, a=errors, b=errors)
def test_power_in_the_bar_port(theta, a, b):
    power = mzi_block(tensor(theta), tensor(0.0), tensor([a, b]))[0, 0].abs().square()
    sin, cosines = math.sin(theta / 2), math.cos(2 * a) * math.cos(2 * b)
    expected = tensor(math.sin(a + b) ** 2 + sin**2 * cosines)
    assert_close(power, expected, MZI_EPS)


@given(turn=angles, phase=angles)
def test_block_in_the_convention_of_clements(turn, phase):
    """T(t, f) = exp(i t) M(pi - 2 t, f - pi), Clements et al. (2016)."""
    sin, cos, factor = math.sin(turn), math.cos(turn), cmath.exp(1j * phase)
    expected = torch.tensor([[factor * cos, -sin], [factor * sin, cos]], dtype=torch.complex128)
    block = torch.exp(1j * tensor(turn)) * mzi_block(tensor(PI - 2 * turn), tensor(phase - PI))
    assert_close(block, expected, MESH_EPS)


def test_bar_and_cross(dtype):
    bar = mzi_block(tensor(PI, dtype), tensor(0.0, dtype))
    cross = mzi_block(tensor(0.0, dtype), tensor(0.0, dtype))
    complex_dtype = dtype.to_complex()
    assert torch.equal(bar, torch.tensor([[-1, 0], [0, 1]], dtype=complex_dtype))
    assert torch.equal(cross, torch.tensor([[0, 1j], [1j, 0]], dtype=complex_dtype))
    identity = mzi_block(tensor(PI, dtype), tensor(PI, dtype))
    assert_close(identity, torch.eye(2, dtype=complex_dtype), MZI_EPS)


@given(first=errors, second=errors)
def test_couplers_in_series_add_their_angles(first, second):
    product = coupler(tensor(first)) @ coupler(tensor(second))
    assert_close(product, coupler(tensor(first + second)), MZI_EPS)
    assert_close(coupler(tensor(first)), torch.from_numpy(reference_coupler(first)), MZI_EPS)


def test_arguments_broadcast():
    block = mzi_block(torch.zeros(3, 1), torch.zeros(4), torch.zeros(2, 1, 1, 2))
    assert block.shape == (2, 3, 4, 2, 2)


def test_gradient_at_the_special_phases():
    theta = tensor([0.0, PI / 2, PI, 1.0]).requires_grad_()
    phi = tensor([1.0, PI, PI / 2, 0.0]).requires_grad_()
    error = torch.full((4, 2), 0.1, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(mzi_block, (theta, phi))
    assert torch.autograd.gradcheck(mzi_block, (theta, phi, error))
