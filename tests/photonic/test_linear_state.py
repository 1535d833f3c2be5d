"""Photonic layers: changes of the weight in place, state dicts, copies and transforms."""

import copy
import math

import pytest
import safetensors.torch
import torch
from torch import nn

from photonic.linear import photonic_linear
from tests.photonic.layers import (
    COMPUTED,
    KINDS,
    assert_weight,
    generator,
    layer,
)
from tests.photonic.matrices import random_normal


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
    with pytest.raises(AttributeError, match="cannot be assigned"):
        photonic.weight = weight
    with pytest.raises(TypeError, match="cannot be assigned"):
        photonic.weight = nn.Parameter(weight)
    with pytest.raises(AttributeError, match="cannot be assigned"):
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
