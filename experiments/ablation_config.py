"""What decides an ablation: one budget, folds and seeds for all, and the networks compared."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, ValidationError

from experiments.ablation_variants import VARIANTS, changed_fields
from experiments.crossval import crossval_config
from experiments.crossval_config import CrossvalConfig
from experiments.training_config import TrainConfig
from models.network_config import NetworkConfig
from photonic.hardware import first_problem


class AblationConfig(BaseModel):
    """Everything that decides an ablation; stored with its results."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    crossval: CrossvalConfig
    """Budget, data, folds and seeds of every variant; its network is replaced."""
    networks: dict[str, NetworkConfig]
    """Name of a variant to its complete network."""

    @property
    def crossvals(self) -> dict[str, CrossvalConfig]:
        """Name of a variant to its cross-validation."""
        training = self.crossval.training
        return {
            name: self.crossval.model_copy(
                update={"training": training.model_copy(update={"network": network})}
            )
            for name, network in self.networks.items()
        }


def ablation_config(
    training: TrainConfig, variants: Sequence[str], folds: tuple[int, ...], seeds: tuple[int, ...]
) -> AblationConfig:
    """The configuration of an ablation.

    Args:
        training: of all variants; what its network sets holds for each of them.
        variants: names.
        folds: held out.
        seeds: of the trainings on each fold.

    Raises:
        ValueError: if folds or seeds are not valid, or the network sets a field that a variant
            decides or that has no effect in one.
    """
    common = training.network.model_dump(include=training.network.model_fields_set)
    taken = sorted(changed_fields(variants) & common.keys())
    if taken:
        raise ValueError(f"--network {taken[0]}: this field is decided by the variants")
    networks = {}
    for name in variants:
        try:
            networks[name] = NetworkConfig(**common, **VARIANTS[name].changes)
        except ValidationError as error:
            raise ValueError(f"variant {name}: {first_problem(error)}") from None
    return AblationConfig(crossval=crossval_config(training, folds, seeds, None), networks=networks)
