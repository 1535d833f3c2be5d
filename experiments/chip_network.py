"""A network on a chip: realised weights, and the noise of the light between inputs and outputs."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from experiments.mapped import MappedModel
from models.batch import GraphBatch
from models.batch_geometry import BatchGeometry
from models.model import CrystalModel
from photonic import Chip
from photonic.driven import electronic_gain
from photonic.mesh_state import Commands
from photonic.tensor_core import LinkNoise, TensorCoreLink


class OpticalLinear(nn.Module):
    """Affine layer y = x W^T + b whose product takes a tensor core; the bias is added digitally.

    Args:
        weight: (out_features, in_features) realised by the chip.
        bias: (out_features,) or None.
        link: modulators, receivers and converters of the core.
        noise: sources of its noise, moved on by each call.
    """

    def __init__(
        self, weight: Tensor, bias: Tensor | None, link: TensorCoreLink, noise: LinkNoise
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_parameter("bias", bias)
        self.link, self.noise = link, noise

    def forward(self, x: Tensor) -> Tensor:
        """(..., out_features) of (..., in_features)."""
        y = self.link.apply(x, self.weight, self.noise)
        return y if self.bias is None else y + self.bias


def chip_model(
    mapped: MappedModel,
    chip: Chip,
    shot: int = 0,
    commands: Mapping[str, Commands] | None = None,
) -> CrystalModel:
    """A copy of a model whose dense layers are tensor cores of a chip.

    Its noise goes on from call to call: predictions repeat only on a new copy.

    Args:
        mapped: model and programs.
        chip: one drawn device, at its time.
        shot: number of the read; selects the per-shot noise.
        commands: by layer, from a calibration; None for a controller that knows the data sheet.
    """
    commands = mapped.commands(chip.hardware) if commands is None else commands
    weights = mapped.weights(chip, shot, commands)
    network = copy.deepcopy(mapped.model.network)
    for name, program in mapped.programs.items():
        gain = electronic_gain(program, chip.hardware)
        link = TensorCoreLink(chip.hardware, commands[name].scale, program.tile_shape, gain)
        noise = LinkNoise.of(chip, name, shot)
        parent, _, child = name.rpartition(".")
        bias = network.get_submodule(name).bias
        layer = OpticalLinear(weights[f"{name}.weight"], bias, link, noise)
        setattr(network.get_submodule(parent), child, layer)
    return dataclasses.replace(mapped.model, network=network)


def chip_outputs(
    mapped: MappedModel,
    batches: Sequence[GraphBatch],
    chip: Chip,
    shot: int = 0,
    commands: Mapping[str, Commands] | None = None,
) -> Tensor:
    """(B, num_labels) standardised outputs of a mapped model on a chip.

    Without noise in the light the chip is its realised weights, else every dense layer is a tensor
    core. The noise of a crystal depends on the crystals before it.

    Args:
        mapped: model and programs.
        batches: graphs of B crystals, from the model's ``batches``.
        chip: one drawn device, at its time.
        shot: number of the read; selects the per-shot noise.
        commands: by layer, from a calibration; None for a controller that knows the data sheet.

    Returns:
        On the CPU, in the model's dtype; same arguments, same bits.

    Raises:
        ValueError: if the drive cannot reach a phase, or a converter has fewer than 2 bits.
    """
    return block_outputs(mapped, batches, [chip], shot, [commands])[0]


def block_outputs(
    mapped: MappedModel,
    batches: Sequence[GraphBatch],
    chips: Sequence[Chip],
    shot: int = 0,
    commands: Sequence[Mapping[str, Commands] | None] | None = None,
) -> Tensor:
    """(C, B, num_labels) standardised outputs of a mapped model on several chips.

    Graphs pass batch by batch through all chips, which share what is found about their edges; the
    weights of all chips are held together. The bits of a chip are those of ``chip_outputs``.

    Args:
        mapped: model and programs.
        batches: graphs of B crystals, from the model's ``batches``.
        chips: C drawn devices; those of one description in succession share what drives them.
        shot: number of the read; selects the per-shot noise.
        commands: of each chip, by layer; None for controllers that know the data sheet.

    Returns:
        On the CPU, in the model's dtype.

    Raises:
        ValueError: as ``chip_outputs``.
    """
    commands = [None] * len(chips) if commands is None else commands
    with torch.inference_mode():
        networks = [
            _network_on(mapped, chip, shot, asked)
            for chip, asked in zip(chips, commands, strict=True)
        ]
        parts = [torch.zeros(len(chips), 0, len(mapped.model.labels), dtype=mapped.model.dtype)]
        for batch in batches:
            geometry = BatchGeometry.of(batch)
            parts.append(torch.stack([network(batch, geometry) for network in networks]))
    return torch.cat(parts, dim=1)


def _network_on(
    mapped: MappedModel, chip: Chip, shot: int, commands: Mapping[str, Commands] | None
) -> Callable[[GraphBatch, BatchGeometry], Tensor]:
    """The network of a mapped model on one chip."""
    if chip.hardware.has_link_noise:
        return chip_model(mapped, chip, shot, commands).network
    weights, network = mapped.weights(chip, shot, commands), mapped.model.network
    return lambda batch, geometry: functional_call(network, weights, (batch, geometry))
