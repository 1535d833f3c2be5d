"""torchonn's own forward, in each of its modes, is that of our layers with the same settings.

torchonn 0.0.8 prints and warns at its import and looks for a CUDA extension: docs/torchonn.md. Its
import of torchvision finds the stand-in of `tests/peers/torchvision_stand_in`.
"""

import importlib.util
import sys
import warnings
from types import ModuleType

import numpy as np
import pytest
import torch

from photonic.adapters.torchonn import layer_from_torchonn, torchonn_from_layer
from photonic.adapters.torchonn_mesh import ALGORITHMS
from photonic.linear import PhotonicLinear
from tests.photonic.matrices import random_normal
from tests.tolerances import TORCHONN_F32, WRONG_CONVENTION

pytestmark = [
    pytest.mark.peers,
    pytest.mark.skipif(
        importlib.util.find_spec("torchonn") is None, reason="torchonn is not installed"
    ),
]
CUDA_NAMES = [
    f"{verb}_{mesh}"
    for verb in ("decompose", "reconstruct")
    for mesh in ("clements", "reck", "francis")
]
"""Of its CUDA extension: looked up by name even for tensors on the CPU, and not called there."""
both_algorithms = pytest.mark.parametrize("algorithm", ALGORITHMS)
all_modes = pytest.mark.parametrize("mode", ["weight", "usv", "phase"])
sizes = pytest.mark.parametrize("size", [2, 3, 4, 5, 8, 16])


@pytest.fixture(scope="module")
def make_layer():
    """Function that makes a layer of torchonn, on the CPU."""
    extension = ModuleType("matrix_parametrization_cuda")
    for name in CUDA_NAMES:
        setattr(extension, name, None)
    sys.modules.setdefault(extension.__name__, extension)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torchonn.layers import MZIBlockLinear

    def make(in_features, out_features, size, algorithm, mode):
        torch.manual_seed(in_features)
        layer = MZIBlockLinear(
            in_features,
            out_features,
            bias=True,
            miniblock=size,
            mode=mode,
            decompose_alg=algorithm,
            device=torch.device("cpu"),
        )
        layer.bias.data.normal_()
        return layer

    return make


def outputs(layer, x):
    with torch.no_grad():
        return layer(x)


def relative_error(found, expected):
    return ((found - expected).norm() / expected.norm()).item()


@sizes
@both_algorithms
@all_modes
def test_our_layer_computes_what_its_layer_does(make_layer, mode, algorithm, size):
    theirs = make_layer(3 * size - 1, 2 * size - 1, size, algorithm, mode)
    if mode == "phase":  # settings of all kinds, beyond those of its own decomposition
        for mesh in "UV":
            getattr(theirs, f"phase_{mesh}").data.uniform_(-np.pi, np.pi)
        theirs.phase_S.data.uniform_(0, np.pi)
    ours = layer_from_torchonn(
        theirs.state_dict(), 2 * size - 1, 3 * size - 1, mode=mode, algorithm=algorithm
    )
    x = random_normal(size, 6, 3 * size - 1, dtype=torch.float32)
    error = relative_error(outputs(ours, x), outputs(theirs, x))
    assert error < TORCHONN_F32, f"{error:.1e}"


@sizes
@both_algorithms
@all_modes
def test_its_layer_computes_what_our_layer_does(make_layer, mode, algorithm, size):
    ours = PhotonicLinear.from_linear(torch.nn.Linear(3 * size - 1, 2 * size - 1), tile=size)
    theirs = make_layer(3 * size - 1, 2 * size - 1, size, algorithm, mode)
    state = torchonn_from_layer(ours, algorithm=algorithm)
    left_out = theirs.load_state_dict(state, strict=False)
    assert not left_out.unexpected_keys
    assert all("quantizer" in key for key in left_out.missing_keys)
    x = random_normal(size, 6, 3 * size - 1, dtype=torch.float32)
    error = relative_error(outputs(theirs, x), outputs(ours, x))
    assert error < TORCHONN_F32, f"{error:.1e}"


@both_algorithms
def test_a_transposed_state_does_not_match(make_layer, algorithm):
    """The phases of V for those of U: another weight, and we see it."""
    ours = PhotonicLinear.from_linear(torch.nn.Linear(4, 4), tile=4)
    theirs = make_layer(4, 4, 4, algorithm, "phase")
    state = torchonn_from_layer(ours, algorithm=algorithm)
    for name in ("phase", "delta_list"):
        state[f"{name}_U"], state[f"{name}_V"] = state[f"{name}_V"], state[f"{name}_U"]
    theirs.load_state_dict(state, strict=False)
    x = random_normal(1, 6, 4, dtype=torch.float32)
    assert relative_error(outputs(theirs, x), outputs(ours, x)) > WRONG_CONVENTION
