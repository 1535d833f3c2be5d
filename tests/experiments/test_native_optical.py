"""Every variant of the crystal network built of photonic layers, and a step of its training."""

from typing import get_args

import numpy as np
import pytest
import torch
from torch import nn

from models.batch import collate
from models.descriptions import random_rotation, rotated
from models.network import SPFrameNetwork
from models.network_config import Frame, NetworkConfig
from models.network_graph import network_graph
from models.parameter_counts import num_parameters
from photonic.linear import PhotonicLinear, photonic_linear
from tests.models.networks import SETTINGS, outputs_of, relative_spread, variant_graph
from tests.models.prototypes import PROTOTYPES
from tests.tolerances import INVARIANCE_F64

KINDS = ["weight", "usv", "phases"]
FRAMES = get_args(Frame)
SIZES = {"width": 6, "num_layers": 1, "num_scalars": 4, "num_vectors": 2}
CONFIGS = {frame: NetworkConfig(frame=frame, **SIZES) for frame in FRAMES} | {
    "full": NetworkConfig(tensor_product="full", **SIZES),
    "components": NetworkConfig(components="even", **SIZES),
    "switches": NetworkConfig(first_frame=True, frame_combine=True, elements="both", **SIZES),
}
NAMES = ("quartz", "triclinic")
TABLE = torch.randn(119, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def optical(config: NetworkConfig, kind: str) -> SPFrameNetwork:
    torch.manual_seed(0)
    factory = photonic_linear(parameterisation=kind, tile=4, dtype=torch.float64)
    return SPFrameNetwork(config, TABLE, 2, factory).to(torch.float64)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CONFIGS)
def test_a_step_of_training_lowers_the_loss(name: str, kind: str) -> None:
    config = CONFIGS[name]
    network = optical(config, kind).train()
    dense = [module for module in network.modules() if isinstance(module, PhotonicLinear)]
    assert dense
    assert not any(isinstance(module, nn.Linear) for module in network.modules())
    batch = collate([variant_graph(crystal, config) for crystal in NAMES])
    targets = torch.tensor([[0.5, -1.0], [1.5, 0.3]], dtype=torch.float64)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.0)
    losses = []
    for _ in range(2):
        loss = (network(batch) - targets).square().mean()
        optimiser.zero_grad()
        loss.backward()
        for key, value in network.named_parameters():
            assert value.grad is not None, key
            assert torch.isfinite(value.grad).all(), key
        optimiser.step()
        losses.append(loss.item())
    assert losses[1] < losses[0], f"loss went from {losses[0]:.4f} to {losses[1]:.4f}"


@pytest.mark.parametrize("kind", KINDS)
def test_frames_of_light_start_near_the_identity(kind: str) -> None:
    """The small weights of the quaternion are set in place, whatever carries them."""
    head = optical(NetworkConfig(**SIZES), kind).layers[0].frame.quaternion
    assert head.bias.tolist() == [1.0, 0.0, 0.0, 0.0]
    other = optical(NetworkConfig(**SIZES), kind).layers[0].update.skip
    assert float(head.weight.detach().norm()) < float(other.weight.detach().norm()) / 2


@pytest.mark.parametrize("kind", ["usv", "phases"])
def test_network_of_light_is_invariant(kind: str) -> None:
    config = NetworkConfig(**SIZES)
    network = optical(config, kind).eval()
    crystal = PROTOTYPES["triclinic"]
    turned = rotated(crystal, random_rotation(np.random.default_rng(2)))
    graphs = [network_graph(c, SETTINGS, config) for c in (crystal, turned)]
    spread = relative_spread(*(outputs_of([graph], network) for graph in graphs))
    assert spread <= INVARIANCE_F64, f"relative spread {spread:.1e}"


def test_weights_of_a_digital_network_load_into_one_of_light() -> None:
    config = NetworkConfig(**SIZES)
    digital = SPFrameNetwork(config, TABLE, 2).to(torch.float64).eval()
    graphs = [variant_graph(name, config) for name in NAMES]
    for kind in KINDS:
        network = optical(config, kind).eval()
        network.load_state_dict(digital.state_dict())
        spread = relative_spread(outputs_of(graphs, digital), outputs_of(graphs, network))
        assert spread <= INVARIANCE_F64, f"{kind}: relative spread {spread:.1e}"
    assert num_parameters(optical(config, "weight")) == num_parameters(digital)
