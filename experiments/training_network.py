"""The network as it is trained, and the digital one that it becomes.

Training may need other modules than prediction: optical dense layers, products in bfloat16, batch
norm and dropout over several processes. All share names of parameters with the plain ones.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from experiments.distributed import Ranks, SynchronisedBatchNorm
from experiments.training_config import OpticalConfig, TrainConfig
from models.elements import element_table
from models.linear import LinearFactory, digital_linear
from models.network import SPFrameNetwork
from photonic.linear import PhotonicLinear, photonic_linear

FRAME_LAYERS = frozenset({"quaternion", "scalars"})
"""Dense layers that frames are made from; their products stay in float32."""


class BrainFloatLinear(nn.Linear):
    """Affine layer whose product is computed in bfloat16; float32 in and out."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., out_features) of (..., in_features)."""
        with torch.autocast(x.device.type, torch.bfloat16):
            return super().forward(x).to(x.dtype)

    @classmethod
    def of(cls, linear: nn.Linear) -> BrainFloatLinear:
        """The layer with the parameters, not copies, of another."""
        new = nn.utils.skip_init(cls, linear.in_features, linear.out_features)
        new._parameters = linear._parameters
        return new


class BatchDropout(nn.Dropout):
    """Dropout drawn for the rows of a whole batch, of which a rank keeps its own.

    What is dropped then does not depend on the number of ranks, nor on the device.

    Args:
        p: share that is dropped.
        ranks: this process among those of the run.
        batch_size: rows of all ranks together.
    """

    def __init__(self, p: float, ranks: Ranks, batch_size: int) -> None:
        super().__init__(p)
        self._ranks, self._batch_size = ranks, batch_size

    def forward(self, x: Tensor) -> Tensor:
        """(B, d) rows of this rank, some entries zero, the others larger by 1 / (1 - p).

        Raises:
            ValueError: if several ranks share a batch of another size than was announced.
        """
        if not self.training or self.p == 0:
            return x
        total, rows = len(x), slice(None)
        if self._ranks.size > 1:
            total, rows = self._batch_size, self._ranks.share(self._batch_size)
        kept = (torch.rand(total, x.shape[1]) >= self.p)[rows]
        if kept.shape != x.shape:
            raise ValueError(f"`x` must have shape {tuple(kept.shape)}, got {tuple(x.shape)}")
        return x * kept.to(x.device) / (1 - self.p)


def initial_network(config: TrainConfig, num_labels: int) -> SPFrameNetwork:
    """A plain or optical network with the initial weights of the seed, on the CPU."""
    features = torch.tensor(element_table().values, dtype=torch.float32)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return SPFrameNetwork(config.network, features, num_labels, _factory(config.optical))


def prepare_for_training(
    network: SPFrameNetwork, config: TrainConfig, ranks: Ranks, batch_size: int
) -> None:
    """Move a network to its device, and exchange what must differ in training, in place.

    Args:
        network: plain or optical; keeps the names of its parameters.
        config: of the run.
        ranks: this process among those of the run.
        batch_size: crystals of a step, all ranks together.
    """
    network.to(config.machine.device)
    replace_modules(network, nn.Dropout, lambda m: BatchDropout(m.p, ranks, batch_size))
    if ranks.size > 1:
        replace_modules(network, nn.BatchNorm1d, SynchronisedBatchNorm.of)
    if config.machine.precision == "bfloat16":
        replace_modules(network, nn.Linear, BrainFloatLinear.of, but=FRAME_LAYERS)


def digital_network(
    config: TrainConfig, weights: Mapping[str, Tensor], num_labels: int
) -> SPFrameNetwork:
    """The plain network, on the CPU and in evaluation mode, that does what a trained one does.

    Args:
        config: of the run.
        weights: state dict of the trained network; settings of optical layers become weights.
        num_labels: outputs.
    """
    features = weights["element_features"].cpu()
    with torch.random.fork_rng(devices=[]):
        network = SPFrameNetwork(config.network, features, num_labels, _factory(config.optical))
    network.load_state_dict(dict(weights))
    replace_modules(network, PhotonicLinear, PhotonicLinear.to_linear)
    return network.eval().requires_grad_(False)


def replace_modules(
    network: nn.Module, kind: type[nn.Module], make: Callable, but: Container[str] = ()
) -> None:
    """Put ``make(module)`` in the place of every module of a kind.

    Args:
        network: changed in place.
        kind: of the modules.
        make: gives the new module.
        but: names, without those of their parents, of modules that stay.
    """
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, kind) and name not in but:
                setattr(parent, name, make(child))


def parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Groups for AdamW: matrices of digital layers decay; vectors and optical settings do not.

    A decaying phase, rotation or scale would have no meaning: zero is not a smaller weight. Learned
    vectors of elements would fade while their element is not seen.
    """
    named = list(network.named_parameters())
    vectors = {
        f"{name}.weight" for name, m in network.named_modules() if isinstance(m, nn.Embedding)
    }
    is_matrix = {
        name: p.ndim > 1 and name.rpartition(".")[2] == "weight" and name not in vectors
        for name, p in named
    }
    return [
        {"params": [p for name, p in named if is_matrix[name]], "weight_decay": weight_decay},
        {"params": [p for name, p in named if not is_matrix[name]], "weight_decay": 0.0},
    ]


def _factory(optical: OpticalConfig | None) -> LinearFactory:
    if optical is None:
        return digital_linear
    return photonic_linear(
        parameterisation=optical.parameterisation, layout=optical.mesh, tile=optical.tile
    )
