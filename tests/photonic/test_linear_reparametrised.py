"""Photonic layers under ``torch.nn.utils``: pruned, normalised, parametrised, or refused whole."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

from photonic.linear import PhotonicLinear
from tests.photonic.layers import COMPUTED, KINDS, assert_program, layer
from tests.photonic.matrices import assert_close, random_normal
from tests.tolerances import WEIGHT_EPS


class Doubled(nn.Module):
    def forward(self, weight):
        return 2 * weight

    def right_inverse(self, weight):
        return weight / 2


UTILITIES = {
    "prune.l1_unstructured": lambda module, name: prune.l1_unstructured(module, name, 0.5),
    "prune.ln_structured": lambda module, name: prune.ln_structured(module, name, 0.5, 2, 0),
    "prune.global_unstructured": lambda module, name: prune.global_unstructured(
        [(module, name)], prune.L1Unstructured, amount=0.5
    ),
    "prune.custom_from_mask": lambda module, name: prune.custom_from_mask(
        module, name, torch.arange(module.weight.numel()).reshape(module.weight.shape) % 3 > 0
    ),
    "weight_norm": nn.utils.weight_norm,
    "spectral_norm": nn.utils.spectral_norm,
    "parametrizations.weight_norm": parametrizations.weight_norm,
    "parametrizations.spectral_norm": parametrizations.spectral_norm,
    "parametrizations.orthogonal": parametrizations.orthogonal,
    "parametrize": lambda module, name: parametrize.register_parametrization(
        module, name, Doubled()
    ),
}
every_utility = pytest.mark.parametrize("utility", UTILITIES.values(), ids=UTILITIES)
# The older weight_norm says that parametrizations.weight_norm replaces it.
pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated:FutureWarning")


def trained(module: nn.Module, utility) -> tuple[torch.Tensor, nn.Module]:
    """Outputs after two steps of gradient descent with a reparametrised weight."""
    torch.manual_seed(0)
    x = random_normal(5, 3, 5)
    utility(module, "weight")
    optimiser = torch.optim.SGD(module.parameters(), 0.1)
    for _ in range(2):
        optimiser.zero_grad()
        module(x).square().sum().backward()
        optimiser.step()
    return module(x), module


@every_utility
def test_a_weight_is_reparametrised_as_that_of_a_digital_layer(utility):
    photonic = layer("weight")
    expected, _ = trained(photonic.to_linear(), utility)
    found, photonic = trained(photonic, utility)
    assert_close(found.detach(), expected.detach(), WEIGHT_EPS)
    photonic.eval()  # while it trains, a spectral norm moves with every look at the weight
    assert_program(photonic.program(), photonic.weight)
    assert torch.equal(photonic.to_linear().weight, photonic.weight)
    with pytest.raises(ValueError, match="`weight` is pruned, normalised or parametrised"):
        photonic.set_weight(torch.zeros(7, 5, dtype=torch.float64))


REMOVALS = {
    "prune.l1_unstructured": lambda module: prune.remove(module, "weight"),
    "weight_norm": nn.utils.remove_weight_norm,
    "spectral_norm": nn.utils.remove_spectral_norm,
    "parametrize": lambda module: parametrize.remove_parametrizations(module, "weight"),
}


@pytest.mark.parametrize("key", REMOVALS)
def test_what_was_reparametrised_becomes_a_parameter_again(key):
    _, photonic = trained(layer("weight"), UTILITIES[key])
    before = photonic.weight.detach().clone()
    REMOVALS[key](photonic)
    assert isinstance(photonic.weight, nn.Parameter)
    assert_close(photonic.weight.detach(), before, WEIGHT_EPS)
    photonic.set_weight(torch.zeros(7, 5, dtype=torch.float64))
    assert not photonic.weight.any()
    assert set(photonic.state_dict()) == {"weight", "bias"}


@every_utility
@pytest.mark.parametrize("kind", COMPUTED)
def test_a_computed_weight_is_refused_untouched(kind, utility):
    photonic = layer(kind)
    before, attributes = copy.deepcopy(photonic.state_dict()), set(vars(photonic))
    # torch itself knows a tensor that is no parameter when it parametrises one.
    refusal = f"trained as '{kind}' is computed|does not have a parameter, a buffer"
    with pytest.raises((TypeError, ValueError), match=refusal):
        utility(photonic, "weight")
    after = photonic.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[key], before[key]) for key in before)
    assert type(photonic) is PhotonicLinear
    assert set(vars(photonic)) == attributes
    assert not photonic._forward_pre_hooks
    photonic(random_normal(0, 2, 5)).sum().backward()


@pytest.mark.parametrize(("kind", "name"), [("usv", "singular"), ("phases", "scale")])
def test_parameters_of_a_computed_weight_are_reparametrised(kind, name):
    photonic = layer(kind)
    whole = photonic.weight.detach().clone()
    parametrize.register_parametrization(photonic, name, Doubled())
    assert_close(photonic.weight.detach(), whole, WEIGHT_EPS)
    pruned = layer(kind)
    prune.custom_from_mask(pruned, name, torch.zeros_like(getattr(pruned, name)))
    assert not pruned.weight.any()
    assert not pruned.program().weight().any()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["bias", "parametrised"])
def test_copies_of_reparametrised_layers_are_their_own(kind, name):
    photonic = layer(kind)
    where = "bias" if name == "bias" else next(iter(dict(photonic.named_parameters())))
    parametrize.register_parametrization(photonic, where, Doubled())
    twin = copy.deepcopy(photonic)
    x = random_normal(1, 2, 5)
    assert torch.equal(twin(x), photonic(x))
    twin.load_state_dict(photonic.state_dict())
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    assert not torch.equal(twin(x), photonic(x))


@pytest.mark.parametrize("kind", ["weight", "usv"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_that_of_a_digital_layer(kind, dtype):
    photonic, x = layer(kind).to(dtype), random_normal(1, 3, 5).to(dtype)
    assert photonic.weight.dtype == dtype
    assert torch.equal(photonic(x), photonic.to_linear()(x))
    photonic(x).float().square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in photonic.parameters())
    made = layer(kind, dtype=dtype)
    assert {parameter.dtype for parameter in made.parameters()} == {dtype}


def test_phases_in_half_precision_are_refused_by_name():
    with pytest.raises(TypeError, match="`dtype` must be one of float32, float64, got"):
        layer("phases", dtype=torch.bfloat16)
    with pytest.raises(TypeError, match=r"`theta` must be float32 or float64, got torch\.bf"):
        layer("phases").bfloat16()(torch.ones(1, 5, dtype=torch.bfloat16))
