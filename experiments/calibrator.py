"""Calibration of all layers of a mapped model on drawn chips, each on its bench."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from experiments.activations import training_activations
from experiments.mapped import MappedModel
from photonic import Chip, HardwareConfig
from photonic.calibration.recipe import (
    Effort,
    Method,
    Recipe,
    Targets,
    calibrate,
    targets_for,
    train_attenuators,
)
from photonic.calibration.simulated_bench import SimulatedBench
from photonic.calibration.tile_batch import TileBatch
from photonic.mesh_state import Commands


@dataclass(frozen=True)
class CalibratedChip:
    """What is asked of a chip after its calibration, and what finding it took.

    Attributes:
        commands: by layer.
        effort: by remedy that read the chip; all tiles of a layer work in parallel, layers one
            after the other as far as they do not fit on a bench together.
    """

    commands: dict[str, Commands]
    effort: dict[Method, Effort]


class Calibrator:
    """A recipe for all layers of a mapped model; what is the same for all chips is found once.

    Args:
        mapped: model and programs.
        hardware: chip description, before the recipe extends its drive.
        recipe: remedies.
        targets: of another calibrator of the same model and chip, to share them; None finds them.
        on_batch: called after the targets of each batch of tiles.
    """

    def __init__(
        self,
        mapped: MappedModel,
        hardware: HardwareConfig,
        recipe: Recipe,
        targets: Sequence[Targets] | None = None,
        on_batch: Callable[[], None] = lambda: None,
    ) -> None:
        self.hardware = recipe.drive(hardware)
        self._recipe, self._programs = recipe, mapped.programs
        self._activations: Mapping[str, Tensor] = {}
        if "subspace" in recipe.methods:
            found = training_activations(mapped.model)
            self._activations = {name: found[name] for name in mapped.programs}
        self._batches = TileBatch.all_of(list(mapped.programs.values()))
        self.targets = list(targets or ())
        for batch in self._batches[len(self.targets) :]:
            self.targets.append(targets_for(batch.program, self.hardware, recipe))
            on_batch()

    @property
    def num_batches(self) -> int:
        """Number of batches of tiles, each on a bench."""
        return len(self._batches)

    def calibrate(self, chip: Chip, on_batch: Callable[[], None] = lambda: None) -> CalibratedChip:
        """Calibrate a chip at time 0, whatever the time of ``chip``.

        Args:
            chip: one drawn device of the hardware of this calibrator.
            on_batch: called after each batch of tiles.
        """
        commands: dict[str, Commands] = {}
        effort: dict[Method, Effort] = {}
        for batch, targets in zip(self._batches, self.targets, strict=True):
            bench = SimulatedBench(
                batch.program, chip.at(0.0), self._recipe.read_noise, layers=batch.layers
            )
            found = calibrate(bench, self._recipe, targets, chip.seed)
            commands |= batch.split(found.commands)
            _add(effort, found.effort)
            on_batch()
        for name, inputs in self._activations.items():
            program = self._programs[name]
            bench = SimulatedBench(program, chip.at(0.0), self._recipe.read_noise)
            found = train_attenuators(bench, commands[name], inputs, self._recipe, chip.seed)
            commands[name] = found.commands
            _add(effort, found.effort)
        return CalibratedChip(commands, effort)

    def __call__(self, chip: Chip) -> dict[str, Commands]:
        """What is asked of a chip, as the controller of a study."""
        return self.calibrate(chip).commands


def _add(total: dict[Method, Effort], more: Mapping[Method, Effort]) -> None:
    """Count the effort of a batch of tiles or of a layer."""
    for method, effort in more.items():
        known = total.get(method, Effort(0, 0))
        total[method] = Effort(
            known.num_settings + effort.num_settings, known.num_reads + effort.num_reads
        )
