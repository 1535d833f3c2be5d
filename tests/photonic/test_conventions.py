"""Wrapping of phases and conversion of losses."""

import math

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from photonic.conventions import TWO_PI, db_to_amplitude, db_to_power, wrap_phase
from tests.photonic.matrices import REAL_DTYPES, assert_close
from tests.tolerances import MZI_EPS

phases = st.floats(-50.0, 50.0)
losses = st.floats(0.0, 40.0)


@pytest.mark.parametrize("dtype", REAL_DTYPES)
@given(phase=phases)
@example(phase=-1e-17)
@example(phase=-5e-324)
@example(phase=-0.0)
@example(phase=math.pi)
@example(phase=TWO_PI)
@example(phase=-TWO_PI)
@example(phase=math.nextafter(TWO_PI, 0.0))
def test_wrapped_phase_is_in_range_and_stays(phase, dtype):
    wrapped = wrap_phase(torch.tensor(phase, dtype=dtype))
    assert wrapped.dtype == dtype
    assert 0.0 <= wrapped.item() < TWO_PI
    assert torch.equal(wrap_phase(wrapped), wrapped)


@given(phase=st.floats(-2 * TWO_PI, 2 * TWO_PI))  # each turn costs 1.1 eps, the rounding of 2 pi
def test_wrapped_phase_is_the_same_phase(phase):
    angle = torch.tensor(phase, dtype=torch.float64)
    wrapped = wrap_phase(angle)
    field, expected = torch.exp(1j * wrapped), torch.exp(1j * angle)
    assert_close(field, expected, MZI_EPS)


def test_wrapping_keeps_the_gradient():
    phase = torch.tensor([-1e-17, -1.0, 1.0, 7.0], dtype=torch.float64, requires_grad=True)
    wrap_phase(phase).sum().backward()
    assert torch.equal(phase.grad, torch.ones_like(phase))


@given(first=losses, second=losses)
def test_losses_in_series_add_in_db(first, second):
    a, b = torch.tensor([first, second], dtype=torch.float64)
    assert_close(db_to_amplitude(a) * db_to_amplitude(b), db_to_amplitude(a + b), MZI_EPS)
    assert_close(db_to_amplitude(a).square(), db_to_power(a), MZI_EPS)


def test_known_losses(dtype):
    loss_db = torch.tensor([0.0, 10.0, 20.0], dtype=dtype)
    assert_close(db_to_power(loss_db), torch.tensor([1.0, 0.1, 0.01], dtype=dtype), MZI_EPS)
    assert db_to_power(loss_db)[0] == 1.0
    assert db_to_amplitude(loss_db)[0] == 1.0
