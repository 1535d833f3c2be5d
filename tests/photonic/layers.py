"""Layers that tests of photonic and digital dense layers share, and assertions on them."""

import torch
from hypothesis import strategies as st
from torch import nn

from photonic.linear import PhotonicLinear
from photonic.program import Program
from tests.photonic.matrices import assert_close, random_normal
from tests.tolerances import WEIGHT_EPS

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
