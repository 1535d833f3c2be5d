"""From weights to programs and back."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from photonic.decomposition import decompose
from photonic.mapping import map_linear
from photonic.program import Program
from photonic.propagation import transfer_matrix
from tests.photonic.matrices import MESH_KINDS, assert_close, identity, random_normal
from tests.tolerances import MESH_EPS, WEIGHT_EPS

sizes = st.integers(1, 9)
tiles = st.sampled_from([1, 2, 4, 16, "full", None])


def assert_program(program: Program, weight: torch.Tensor) -> Program:
    """Weight rebuilt, singular values in order and in range; returns the program."""
    scale = max(program.scale.max().item(), torch.finfo(torch.float64).tiny)
    assert_close(program.weight() / scale, weight.double() / scale, WEIGHT_EPS)
    assert ((program.attenuation >= 0) & (program.attenuation <= 1)).all()
    assert (program.attenuation.diff(dim=-1) <= 0).all()
    assert (program.attenuation[..., 0] == (program.scale > 0)).all()
    assert (program.out_features, program.in_features) == weight.shape
    return program


@pytest.mark.parametrize("mesh", MESH_KINDS)
@given(out_features=sizes, in_features=sizes, tile=tiles, seed=st.integers(0, 2**32))
def test_weight_is_rebuilt(out_features, in_features, tile, seed, mesh):
    weight = random_normal(seed, out_features, in_features)
    assert_program(map_linear(weight, mesh, tile), weight)


@pytest.mark.parametrize("mesh", MESH_KINDS)
@pytest.mark.parametrize("tile", [16, "full"])
def test_layer_of_a_network_is_rebuilt(tile, mesh):
    weight = random_normal(1, 40, 56)
    assert_program(map_linear(weight, mesh, tile), weight)


@pytest.mark.parametrize(
    "weight",
    [
        torch.eye(6),
        -torch.eye(6).flip(0),
        torch.ones(6, 6),
        torch.diag(torch.tensor([3.0, 3.0, 3.0, 0.0, 0.0, -3.0])),
        torch.full((6, 6), 1e-300, dtype=torch.float64),
        torch.arange(36).reshape(6, 6),
    ],
    ids=["identity", "exchange", "rank one", "degenerate", "tiny", "integer"],
)
@pytest.mark.parametrize("tile", [4, "full"])
def test_special_weights_are_rebuilt(weight, tile):
    assert_program(map_linear(weight, tile=tile), weight)


def test_scale_is_the_largest_singular_value():
    weight = random_normal(2, 6, 4)
    program = map_linear(weight, tile="full")
    expected = torch.linalg.svdvals(weight)
    assert_close(program.scale[0, 0] * program.attenuation[0, 0], expected, MESH_EPS)


@given(out_features=sizes, in_features=sizes, seed=st.integers(0, 2**32))
def test_largest_entry_of_each_column_of_u_is_positive(out_features, in_features, seed):
    program = map_linear(random_normal(seed, out_features, in_features), tile="full")
    u = transfer_matrix(program.u_layout, program.u.theta, program.u.phi, program.u.output_phase)
    largest = u.real.abs().argmax(dim=-2, keepdim=True)
    assert (u.real.gather(-2, largest) > 0).all()


def test_tile_of_zeros_is_dark_and_straight():
    weight = torch.zeros(8, 8)
    weight[:4, 4:] = random_normal(3, 4, 4)
    program = assert_program(map_linear(weight, tile=4), weight)
    straight = decompose(identity(4, 0), program.u_layout)
    for tile in ((0, 0), (1, 0), (1, 1)):
        assert program.scale[tile] == 0.0
        assert (program.attenuation[tile] == 0.0).all()
        for phases in (program.u[tile], program.v[tile]):
            assert torch.equal(phases.theta, straight.theta)
            assert torch.equal(phases.phi, straight.phi)
            assert torch.equal(phases.output_phase, straight.output_phase)


def test_full_tile_has_meshes_of_different_size():
    program = map_linear(random_normal(4, 3, 5), tile="full")
    assert program.tile_shape == (3, 5)
    assert program.attenuation.shape == (1, 1, 3)
    assert map_linear(random_normal(4, 3, 5), tile=None).tile_shape == (3, 5)


def test_numpy_single_precision_and_parameters_are_accepted():
    weight = random_normal(5, 3, 3).float()
    expected = map_linear(weight.double(), name="dense").weight()
    assert torch.equal(map_linear(weight.numpy()).weight(), expected)
    assert torch.equal(map_linear(torch.nn.Parameter(weight)).weight(), expected)
    assert map_linear(weight, name="dense").name == "dense"


def test_entries_that_are_not_finite_are_counted():
    weight = torch.ones(3, 3)
    weight[0, 0], weight[1, 2] = math.nan, math.inf
    with pytest.raises(ValueError, match="2 entries that are not finite"):
        map_linear(weight)


def test_complex_weight_is_refused():
    with pytest.raises(TypeError, match="`weight` must be real, got"):
        map_linear(np.eye(3, dtype=complex))


@pytest.mark.parametrize("shape", [(3,), (2, 3, 4), (0, 3)])
def test_weight_must_be_a_matrix(shape):
    with pytest.raises(ValueError, match=r"must have shape \(out_features, in_features\)"):
        map_linear(torch.zeros(shape))


@pytest.mark.parametrize("tile", [0, -4, 2.5, True, "half"])
def test_tile_is_checked(tile):
    with pytest.raises(ValueError, match='`tile` must be an integer >= 1, "full" or None'):
        map_linear(torch.ones(3, 3), tile=tile)
