"""What each measure of matrix quality sees, and what it is blind to."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from photonic.quality import (
    amplitude_fidelity,
    matrix_distance,
    normalised_fidelity,
    relative_error,
    trace_fidelity,
)
from tests.photonic.matrices import assert_close, haar, random_normal
from tests.tolerances import MESH_EPS

FIDELITIES = [trace_fidelity, normalised_fidelity, amplitude_fidelity]
seeds = st.integers(0, 2**32)


def value(number: float) -> torch.Tensor:
    return torch.tensor(number, dtype=torch.float64)


@given(num_modes=st.integers(1, 8), seed=seeds)
def test_equal_unitaries_are_perfect(num_modes, seed):
    unitary = haar(num_modes, seed)
    for fidelity in FIDELITIES:
        assert_close(fidelity(unitary, unitary), value(1.0), MESH_EPS)
    assert relative_error(unitary, unitary) == 0.0
    assert matrix_distance(unitary, unitary) == 0.0


@given(num_modes=st.integers(1, 8), seed=seeds, gain=st.floats(0.1, 1.0))
def test_uniform_loss(num_modes, seed, gain):
    target = haar(num_modes, seed)
    realised = gain * target
    assert_close(trace_fidelity(target, realised), value(gain**2), MESH_EPS)
    assert_close(normalised_fidelity(target, realised), value(1.0), MESH_EPS)
    assert_close(amplitude_fidelity(target, realised), value(gain), MESH_EPS)
    assert_close(relative_error(target, realised), value(1 - gain), MESH_EPS)


@given(num_modes=st.integers(1, 8), seed=seeds, phase=st.floats(0.0, 2 * math.pi))
def test_global_phase(num_modes, seed, phase):
    target = haar(num_modes, seed)
    realised = torch.exp(1j * value(phase)) * target
    for fidelity in FIDELITIES:
        assert_close(fidelity(target, realised), value(1.0), MESH_EPS)
    expected = value(2 * abs(math.sin(phase / 2)))
    assert_close(relative_error(target, realised), expected, MESH_EPS)


def test_amplitude_fidelity_alone_is_blind_to_output_phases():
    target = haar(4, 0)
    flipped = target * torch.tensor([1.0, -1.0, 1.0, -1.0], dtype=torch.float64)[:, None]
    assert_close(amplitude_fidelity(target, flipped), value(1.0), MESH_EPS)
    trace = sum((1, -1, 1, -1)[row] for row in range(4)) / 4
    assert_close(trace_fidelity(target, flipped), value(trace**2), MESH_EPS)
    assert_close(relative_error(target, flipped), value(math.sqrt(2)), MESH_EPS)


@given(num_modes=st.integers(1, 8), seed=seeds)
def test_error_of_a_unitary_is_that_over_the_root_of_its_size(num_modes, seed):
    target, realised = haar(num_modes, seed), haar(num_modes, seed + 1)
    expected = torch.linalg.matrix_norm(realised - target) / math.sqrt(num_modes)
    assert_close(relative_error(target, realised), expected, MESH_EPS)
    assert_close(matrix_distance(target, realised), expected.square(), MESH_EPS)


@given(rows=st.integers(1, 8), columns=st.integers(1, 8), seed=seeds, gain=st.floats(0.0, 2.0))
def test_error_of_a_weight_does_not_depend_on_its_size_or_scale(rows, columns, seed, gain):
    """Divided by sqrt(N), the error of a weight that is off by one part in ten had any value."""
    weight = 16 * random_normal(seed, rows, columns)
    assert_close(relative_error(weight, gain * weight), value(abs(1 - gain)), MESH_EPS)
    turned = weight.roll(1, 0) if rows > 1 else -weight
    expected = (turned - weight).square().sum().sqrt() / weight.square().sum().sqrt()
    assert_close(relative_error(weight, turned), expected, MESH_EPS)


@given(seed=seeds)
def test_normalised_fidelity_is_at_most_one(seed):
    target = haar(5, seed)
    realised = random_normal(seed, 5, 5, dtype=torch.complex128)
    slack = MESH_EPS * torch.finfo(torch.float64).eps
    assert normalised_fidelity(target, realised) <= 1 + slack


def test_error_and_distance_of_a_rectangular_matrix():
    weight = torch.tensor([[3.0, 0.0, 4.0]])
    assert_close(relative_error(weight, 1.5 * weight), torch.tensor(0.5), MESH_EPS)
    assert matrix_distance(weight, 0 * weight) == 1.0
    assert matrix_distance(weight, weight + torch.tensor([[0.0, 5.0, 0.0]])) == 1.0


@pytest.mark.parametrize("measure", [*FIDELITIES, relative_error, matrix_distance])
def test_measures_are_batched(measure):
    target, realised = haar(3, 1, 2, 4), haar(3, 2, 2, 4)
    batch = measure(target, realised)
    assert batch.shape == (2, 4)
    assert_close(batch[1, 3], measure(target[1, 3], realised[1, 3]), MESH_EPS)
