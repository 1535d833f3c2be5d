"""How far the weights of a chip are from the digital ones, noted while it is evaluated."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from experiments.mapped import MappedModel
from photonic import Chip
from photonic.mesh_state import Commands


@dataclass(frozen=True, eq=False, kw_only=True)
class MeasuredModel(MappedModel):
    """A mapped model that notes the relative weight error of every chip it is asked for.

    Attributes:
        source: realises the weights, and keeps what its chips share.
        errors: of the chips, in the order in which they were asked for.
    """

    source: MappedModel
    errors: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, mapped: MappedModel) -> MeasuredModel:
        """A mapped model that measures from now on."""
        return cls(
            model=mapped.model,
            programs=mapped.programs,
            hardware=mapped.hardware,
            settings=mapped.settings,
            record=mapped.record,
            source=mapped,
        )

    def weights(
        self, chip: Chip, shot: int = 0, commands: Mapping[str, Commands] | None = None
    ) -> dict[str, Tensor]:
        """As of ``MappedModel``."""
        weights = self.source.weights(chip, shot, commands)
        self.errors.append(relative_weight_error(self.source, weights))
        return weights


def relative_weight_error(mapped: MappedModel, weights: Mapping[str, Tensor]) -> float:
    """sqrt(sum over layers of ||W~ - W||^2 / sum over layers of ||W||^2).

    Args:
        mapped: model with the digital weights W of its dense layers.
        weights: realised weights W~ by parameter name, those of all mapped layers.
    """
    square = sum(
        (weights[name].double() - digital.double()).square().sum().item()
        for name, digital in digital_weights(mapped).items()
    )
    return math.sqrt(square / square_norm(mapped))


def square_norm(mapped: MappedModel) -> float:
    """Sum of the squares of all weights that are mapped."""
    return sum(w.double().square().sum().item() for w in digital_weights(mapped).values())


def digital_weights(mapped: MappedModel) -> dict[str, Tensor]:
    """Weight of every mapped layer of the digital model, by parameter name."""
    network = mapped.model.network
    names = (f"{name}.weight" for name in mapped.programs)
    return {name: network.get_parameter(name).detach() for name in names}
