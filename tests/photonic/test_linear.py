"""Photonic layers: drop-in for ``nn.Linear`` in all parameterisations."""

import copy
import math

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from photonic.layout import MeshLayout
from photonic.linear import PhotonicLinear, photonic_linear
from photonic.mapping import map_linear
from photonic.program import Program
from photonic.propagation import transfer_matrix
from tests.photonic.matrices import MESH_KINDS, assert_close, assert_unitary, random_normal
from tests.tolerances import EASED, STANDARD_ERRORS, WEIGHT_EPS

KINDS = ["weight", "usv", "phases"]
COMPUTED = ["usv", "phases"]
sizes = st.integers(1, 9)
tiles = st.sampled_from([1, 2, 4, 16, "full"])
seeds = st.integers(0, 2**32)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def layer(kind: str, in_features: int = 5, out_features: int = 7, **options) -> PhotonicLinear:
    options = {"tile": 4, "dtype": torch.float64, "generator": generator(0)} | options
    return PhotonicLinear(in_features, out_features, parameterisation=kind, **options)


def digital(in_features: int, out_features: int, dtype=torch.float64, seed: int = 0) -> nn.Linear:
    linear = nn.Linear(in_features, out_features, dtype=dtype)
    with torch.no_grad():
        linear.weight.copy_(random_normal(seed, out_features, in_features, dtype=dtype))
        linear.bias.copy_(random_normal(seed + 1, out_features, dtype=dtype))
    return linear


def assert_weight(weight: torch.Tensor, expected: torch.Tensor) -> None:
    """Within rounding, relative to the largest singular value."""
    scale = max(torch.linalg.matrix_norm(expected.detach(), 2).item(), 1e-300)
    assert_close(weight.detach() / scale, expected.detach() / scale, WEIGHT_EPS)


def assert_program(program: Program, weight: torch.Tensor) -> None:
    """The program performs the weight within rounding, relative to its largest scale.

    The real part of a complex mesh may be much smaller than its scale.
    """
    scale = program.scale.max()
    assert_close(program.weight() / scale, weight.detach() / scale, WEIGHT_EPS)


def disturb(of: PhotonicLinear, seed: int = 0) -> PhotonicLinear:
    """Move all parameters by several radians; attenuations and scales of either sign."""
    with torch.no_grad():
        for index, parameter in enumerate(of.parameters()):
            noise = random_normal(seed + index, *parameter.shape)
            parameter.add_(3 * noise.to(parameter))
    return of


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


@pytest.mark.parametrize("kind", KINDS)
def test_weight_is_set_in_place(kind):
    photonic, weight = layer(kind), random_normal(1, 7, 5)
    before = list(photonic.parameters())
    photonic.set_weight(weight)
    assert_weight(photonic.weight, weight)
    assert all(a is b for a, b in zip(before, photonic.parameters(), strict=True))


CHANGES = {
    "method": lambda weight: weight.mul_(0.1),
    "operator": lambda weight: weight.__imul__(0.1),
    "entry": lambda weight: weight.__setitem__((0, 1), 3.0),
    "view": lambda weight: weight[0].zero_(),
    "views": lambda weight: weight.T.unbind(1)[2].fill_(2.0),
    "detached": lambda weight: weight.detach().add_(1.0),
    "data": lambda weight: weight.data.add_(1.0),
    "out": lambda weight: torch.add(weight, 1.0, out=weight),
    "eye": nn.init.eye_,
    "orthogonal": lambda weight: nn.init.orthogonal_(weight, generator=generator(1)),
    "uniform": lambda weight: nn.init.uniform_(weight, generator=generator(1)),
    "xavier": lambda weight: nn.init.xavier_normal_(weight, generator=generator(1)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("kind", COMPUTED)
def test_changes_in_place_reach_the_layer(kind, change):
    photonic = layer(kind)
    linear = photonic.to_linear()
    with torch.no_grad():
        change(photonic.weight)
        change(linear.weight)
    assert_weight(photonic.weight, linear.weight)


@pytest.mark.parametrize("kind", COMPUTED)
def test_initialisers_work_outside_no_grad(kind):
    photonic = layer(kind)
    nn.init.constant_(photonic.weight, 0.5)
    nn.init.zeros_(photonic.bias)
    assert_weight(photonic.weight, torch.full((7, 5), 0.5, dtype=torch.float64))


@pytest.mark.parametrize("kind", COMPUTED)
def test_changes_that_cannot_reach_the_layer_raise(kind):
    photonic, weight = layer(kind), torch.zeros(7, 5, dtype=torch.float64)
    with pytest.raises(RuntimeError, match=r"in place only under torch\.no_grad"):
        photonic.weight.add_(1.0)
    with pytest.raises(AttributeError, match="no setter"):
        photonic.weight = weight
    with pytest.raises(KeyError, match="attribute 'weight' already exists"):
        photonic.weight = nn.Parameter(weight)
    with pytest.raises(AttributeError, match="no setter"):
        torch.func.functional_call(photonic, {"weight": weight}, weight[:, :5])


@pytest.mark.parametrize("kind", COMPUTED)
def test_results_from_the_weight_are_ordinary(kind):
    photonic = layer(kind)
    for result in (photonic.weight * 2, photonic.weight.clone(), photonic.weight.square().sum()):
        assert type(result) is torch.Tensor
    copied = torch.zeros(7, 5, dtype=torch.float64)
    with torch.no_grad():
        copied.copy_(photonic.weight).zero_()
    assert (photonic.weight != 0).all()
    photonic.weight.square().sum().backward()
    assert all(p.grad is not None for n, p in photonic.named_parameters() if n != "bias")


# State dicts.


class Block(nn.Module):
    """A module with layers of two kinds below it."""

    def __init__(self, linear) -> None:
        super().__init__()
        self.inner = nn.Sequential(linear(5, 7), nn.SiLU())
        self.outer = linear(7, 3, bias=False)
        with torch.no_grad():
            self.outer.weight.mul_(0.1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.outer(self.inner(x))


@pytest.mark.parametrize("kind", KINDS)
def test_checkpoint_of_a_digital_network_is_loaded(kind):
    plain = Block(nn.Linear).double()
    network = Block(photonic_linear(parameterisation=kind, tile=4)).double()
    state = plain.state_dict()
    network.load_state_dict(state, strict=True)
    assert list(state) == list(plain.state_dict())
    x = random_normal(0, 3, 5)
    assert_weight(network.inner[0].weight, plain.inner[0].weight)
    assert_weight(network.outer.weight, plain.outer.weight)
    assert_weight(network(x), plain(x))


@pytest.mark.parametrize("kind", KINDS)
def test_special_start_of_a_network_is_kept(kind):
    factory = photonic_linear(parameterisation=kind, generator=generator(4))
    again = photonic_linear(parameterisation=kind, generator=generator(4))
    _, start = again(5, 7), again(7, 3, bias=False)
    assert_weight(Block(factory).outer.weight, 0.1 * start.weight)


@pytest.mark.parametrize("kind", KINDS)
def test_own_state_survives_a_file_bit_for_bit(kind, dtype):
    network, other = (
        Block(photonic_linear(parameterisation=kind, tile=4, dtype=dtype, generator=generator(s)))
        for s in (1, 2)
    )
    data = safetensors.torch.save(network.state_dict())
    other.load_state_dict(safetensors.torch.load(data), strict=True)
    for name, tensor in other.state_dict().items():
        assert torch.equal(tensor, network.state_dict()[name]), name
    x = random_normal(0, 3, 5, dtype=dtype)
    assert torch.equal(other(x), network(x))


@pytest.mark.parametrize("kind", COMPUTED)
def test_loaded_phases_have_the_accuracy_of_the_layer(kind):
    weight = random_normal(1, 7, 5, dtype=torch.float32)
    photonic = layer(kind)
    photonic.load_state_dict({"weight": weight, "bias": torch.zeros(7)}, assign=True)
    assert photonic.weight.dtype == torch.float64
    assert_weight(photonic.weight, weight.double())


@pytest.mark.parametrize("kind", COMPUTED)
@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (torch.zeros(5, 7), r"weight: `weight` must have shape \(7, 5\), got \(5, 7\)"),
        (torch.full((7, 5), math.inf), "weight: `weight` has 35 entries that are not finite"),
    ],
)
def test_unusable_weight_is_reported_on_loading(kind, weight, message):
    photonic = layer(kind)
    before = photonic.weight.clone()
    with pytest.raises(RuntimeError, match=message):
        photonic.load_state_dict({"weight": weight, "bias": torch.zeros(7)})
    assert torch.equal(photonic.weight, before)


@pytest.mark.parametrize("kind", COMPUTED)
def test_missing_and_unknown_keys_are_reported(kind):
    photonic = layer(kind)
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "bias"'):
        photonic.load_state_dict({"weight": torch.zeros(7, 5)})
    state = photonic.state_dict() | {"weight": torch.zeros(7, 5)}
    with pytest.raises(RuntimeError, match=r'Unexpected key\(s\) in state_dict: "weight"'):
        photonic.load_state_dict(state)


def test_settings_of_another_wiring_are_refused():
    with pytest.raises(RuntimeError, match="u_reck_theta"):
        layer("phases").load_state_dict(layer("phases", layout="reck").state_dict())


# As a module.


@pytest.mark.parametrize("kind", KINDS)
def test_layer_is_copied_and_cast(kind):
    photonic = layer(kind, dtype=torch.float32)
    twin = copy.deepcopy(photonic)
    assert torch.equal(twin.weight, photonic.weight)
    twin.set_weight(torch.zeros(7, 5))
    assert (photonic.weight != 0).all()
    cast = copy.deepcopy(photonic).double()
    assert cast.weight.dtype == torch.float64
    assert_weight(photonic.weight, cast.weight.float())


@pytest.mark.parametrize("kind", KINDS)
def test_many_settings_run_at_once(kind):
    photonic, x = layer(kind), random_normal(0, 3, 5)
    own = {name: torch.stack((value, value + 0.1)) for name, value in photonic.named_parameters()}

    def output(parameters: dict[str, torch.Tensor]) -> torch.Tensor:
        return torch.func.functional_call(photonic, parameters, x)

    both = torch.func.vmap(output)(own)
    for index in range(2):
        alone = output({name: value[index] for name, value in own.items()})
        assert_weight(both[index], alone)


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
        ({"tile": 0}, '`tile` must be an integer >= 1 or "full", got 0'),
        ({"tile": "half"}, "`tile` must be an integer >= 1 or \"full\", got 'half'"),
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
