"""Photonic layers: drop-in for ``nn.Linear`` in all parameterisations."""

import math

import pytest
import torch
from hypothesis import given
from torch import nn

from photonic.layout import MeshLayout
from photonic.linear import PhotonicLinear
from photonic.mapping import map_linear
from photonic.program import Program
from photonic.propagation import transfer_matrix
from tests.photonic.layers import (
    COMPUTED,
    KINDS,
    assert_program,
    assert_weight,
    digital,
    disturb,
    generator,
    layer,
    seeds,
    sizes,
    tiles,
)
from tests.photonic.matrices import MESH_KINDS, assert_close, assert_unitary, random_normal
from tests.tolerances import EASED, STANDARD_ERRORS, WEIGHT_EPS


@pytest.mark.parametrize("mesh", MESH_KINDS)
@pytest.mark.parametrize("kind", KINDS)
@given(in_features=sizes, out_features=sizes, tile=tiles, seed=seeds)
def test_layer_equals_digital_one_and_back(in_features, out_features, tile, seed, kind, mesh):
    linear = digital(in_features, out_features, seed=seed)
    photonic = PhotonicLinear.from_linear(linear, parameterisation=kind, layout=mesh, tile=tile)
    assert_weight(photonic.weight, linear.weight)
    x = random_normal(seed, 3, 2, in_features)
    scale = linear.weight.abs().sum(1).max() * x.abs().max() + 1
    assert_close(photonic(x) / scale, linear(x) / scale, WEIGHT_EPS)
    back = photonic.to_linear()
    assert torch.equal(back.weight, photonic.weight)
    assert torch.equal(back.bias, linear.bias)


@pytest.mark.parametrize("kind", KINDS)
def test_conversion_keeps_dtype_training_and_gradients(kind, dtype):
    linear = digital(5, 3, dtype).eval()
    linear.weight.requires_grad_(False)
    photonic = PhotonicLinear.from_linear(linear, parameterisation=kind, tile=4)
    assert_weight(photonic.weight, linear.weight)
    back = photonic.to_linear()
    for module in (photonic, back):
        assert {tensor.dtype for tensor in module.state_dict().values()} == {dtype}
        assert module.bias.requires_grad
        assert not module.weight.requires_grad
        assert not module.training
    assert back.weight.data_ptr() != photonic.weight.data_ptr()


@pytest.mark.parametrize("kind", KINDS)
def test_conversion_draws_no_random_numbers(kind):
    linear = digital(5, 3)
    state = torch.get_rng_state()
    PhotonicLinear.from_linear(linear, parameterisation=kind).to_linear()
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("kind", KINDS)
def test_layer_without_bias(kind):
    photonic = PhotonicLinear.from_linear(nn.Linear(5, 3, bias=False), parameterisation=kind)
    assert photonic.bias is None
    assert photonic.to_linear().bias is None
    assert (photonic(torch.zeros(2, 5)) == 0).all()


@pytest.mark.parametrize("kind", KINDS)
@given(in_features=sizes, out_features=sizes, tile=tiles, seed=seeds)
def test_program_performs_the_weight(in_features, out_features, tile, seed, kind):
    photonic = disturb(layer(kind, in_features, out_features, tile=tile), seed)
    program = photonic.program("dense")
    assert program.name == "dense"
    assert_program(program, photonic.weight)
    for phases in (program.u, program.v):
        assert ((phases.theta >= 0) & (phases.theta <= math.pi)).all()
        assert ((phases.phi >= 0) & (phases.phi < 2 * math.pi)).all()


@pytest.mark.parametrize("kind", KINDS)
@given(in_features=sizes, out_features=sizes, tile=tiles, seed=seeds)
def test_program_becomes_a_layer(in_features, out_features, tile, seed, kind):
    program = map_linear(random_normal(seed, out_features, in_features), "reck", tile)
    bias = random_normal(seed, out_features)
    photonic = PhotonicLinear.from_program(program, bias, parameterisation=kind)
    assert_weight(photonic.weight, program.weight())
    assert torch.equal(photonic.bias, bias)


@pytest.mark.parametrize(
    "layouts",
    [
        (MeshLayout.butterfly(4), MeshLayout.butterfly(4)),
        (MeshLayout.rectangular(4, 2), MeshLayout.clements(4)),
        (MeshLayout.clements(3), MeshLayout.reck(5)),
    ],
)
def test_phases_train_any_meshes(layouts):
    photonic = disturb(layer("phases", layout=layouts))
    program = photonic.program()
    assert (program.u_layout, program.v_layout) == layouts
    assert_program(program, photonic.weight)
    again = PhotonicLinear.from_program(program, photonic.bias)
    assert_program(program, again.weight)
    assert torch.equal(again.program().u.theta, program.u.theta)


# Initial values.


def test_entries_start_as_in_a_digital_layer():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        expected = nn.Linear(5, 7)
        torch.manual_seed(3)
        photonic = PhotonicLinear(5, 7)
    assert list(photonic.state_dict()) == list(expected.state_dict())
    assert torch.equal(photonic.weight, expected.weight)
    assert torch.equal(photonic.bias, expected.bias)


@pytest.mark.parametrize("kind", KINDS)
def test_generator_decides_the_start(kind):
    weights = [layer(kind, generator=generator(seed)).weight for seed in (1, 1, 2)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    bound = 1 / math.sqrt(5)
    assert (layer(kind).bias.abs() <= bound).all()


@pytest.mark.parametrize(
    ("kind", "mesh"),
    [
        ("weight", "clements"),
        ("usv", "clements"),
        ("phases", "clements"),
        ("phases", "reck"),
        ("phases", "butterfly"),
    ],
)
@pytest.mark.parametrize("in_features", [3, 4])
def test_entries_start_with_the_variance_of_a_digital_layer(kind, mesh, in_features):
    num_tiles = 4000
    photonic = layer(kind, in_features, 4 * num_tiles, layout=mesh)
    entries = photonic.weight.detach().reshape(num_tiles, 4, in_features)
    for values, mean in ((entries, 0.0), (entries.square(), 1 / (3 * in_features))):
        error = values.std(0) / math.sqrt(num_tiles)
        assert ((values.mean(0) - mean).abs() <= STANDARD_ERRORS * error).all()


# Training.


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tile", [2, "full"])
def test_gradients_of_the_output(kind, tile):
    photonic = disturb(layer(kind, 3, 2, tile=tile))
    names = [name for name, _ in photonic.named_parameters()]
    x = random_normal(1, 2, 3)

    def output(*values: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(photonic, dict(zip(names, values, strict=True)), x)

    assert torch.autograd.gradcheck(output, tuple(photonic.parameters()))


def factors(of: PhotonicLinear) -> list[torch.Tensor]:
    """Complex matrices of the U and V meshes of the program."""
    program = of.program()
    meshes = ((program.u_layout, program.u), (program.v_layout, program.v))
    return [transfer_matrix(at, p.theta, p.phi, p.output_phase) for at, p in meshes]


def losses(model: nn.Module, num_steps: int = 30) -> list[float]:
    """Mean squared error of a random regression while it is trained."""
    x = random_normal(5, 64, 5)
    y = x @ random_normal(6, 5, 7)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.05)
    history = []
    for _ in range(num_steps):
        optimiser.zero_grad()
        loss = (model(x) - y).square().mean()
        loss.backward()
        optimiser.step()
        history.append(loss.item())
    return history


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tile", [4, "full"])
def test_training_lowers_the_loss(kind, tile):
    photonic = layer(kind, tile=tile)
    history = losses(photonic)
    assert history[-1] <= EASED * history[0], f"{history[-1] / history[0]:.2f} of the first loss"
    for matrix in factors(photonic):
        assert_unitary(matrix)
    assert_program(photonic.program(), photonic.weight)


def test_factors_stay_orthogonal(dtype):
    photonic = layer("usv", 6, 6, tile="full", dtype=dtype)
    disturb(photonic)
    with torch.no_grad():
        photonic.singular.fill_(1.0)
    product = photonic.weight.detach()  # U V
    assert_unitary(product.to(dtype.to_complex()))
    assert not photonic.u_base.requires_grad


@pytest.mark.parametrize("kind", COMPUTED)
def test_dark_layer_can_be_trained(kind):
    photonic = layer(kind, bias=False)
    photonic.set_weight(torch.zeros(7, 5))
    assert (photonic.weight == 0).all()
    history = losses(photonic)
    assert history[-1] < history[0]


# Weights that are computed.


def test_representation_names_the_wiring():
    assert repr(layer("phases")) == (
        "PhotonicLinear(in_features=5, out_features=7, bias=True, parameterisation=phases, "
        "tiles=(2, 2) of 4x4 clements)"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "unitary"}, "`parameterisation` must be one of 'weight', 'usv', 'phases'"),
        ({"in_features": 0}, "`in_features` must be an integer >= 1, got 0"),
        ({"out_features": 2.0}, r"`out_features` must be an integer >= 1, got 2\.0"),
        ({"tile": 0}, '`tile` must be an integer >= 1, "full" or None, got 0'),
        ({"tile": "half"}, "`tile` must be an integer >= 1, \"full\" or None, got 'half'"),
        ({"layout": "ring"}, "`kind` must be one of 'clements'"),
        ({"layout": "butterfly"}, "a butterfly mesh cannot be set to a given weight"),
        ({"kind": "usv", "layout": "butterfly"}, "a butterfly mesh cannot be set"),
    ],
)
def test_wrong_arguments_raise(options, message):
    with pytest.raises(ValueError, match=message):
        layer(**{"kind": "weight"} | options)


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_weights_and_biases_raise(kind):
    with pytest.raises(ValueError, match=r"`weight` must have shape \(7, 5\), got \(5, 7\)"):
        layer(kind).set_weight(torch.zeros(5, 7))
    program: Program = map_linear(torch.eye(4))
    with pytest.raises(ValueError, match=r"`bias` must have shape \(4,\), got \(3,\)"):
        PhotonicLinear.from_program(program, torch.zeros(3), parameterisation=kind)


def test_weights_cannot_be_mapped_onto_mixed_meshes():
    photonic = layer("phases", layout=(MeshLayout.clements(4), MeshLayout.reck(4)))
    with pytest.raises(ValueError, match="a weight cannot be mapped onto MeshLayout"):
        photonic.set_weight(torch.zeros(7, 5))
