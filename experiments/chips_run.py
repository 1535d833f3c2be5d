"""The common part of all studies over chips: evaluate every (setting, chip), store, draw."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from experiments.evaluation import HeldOut, chip_predictions, digital_predictions
from experiments.figures import draw_results
from experiments.mapped import MappedModel
from experiments.output import OutputDirectory
from experiments.record import RunRecord
from experiments.results import Axis, Floats, chip_results, write_results
from photonic import Chip, HardwareConfig
from photonic.mesh_state import Commands

Controller = Callable[[Chip], Mapping[str, Commands]]
"""Gives what is asked of a chip in each layer."""


@dataclass(frozen=True)
class ChipSetting:
    """One point of a study: which chip description, at which time, programmed how.

    Attributes:
        value: position on the study's axis, a number or a name.
        hardware: description that chips are drawn from.
        time_s: [s] time since calibration.
        mapped: model and programs in place of those of the study.
        controller: what is asked of a chip, by layer; None asks what the data sheet suggests.
    """

    value: float | str
    hardware: HardwareConfig
    time_s: float = 0.0
    mapped: MappedModel | None = None
    controller: Controller | None = None

    def predictions(self, study: ChipStudy, index: int) -> Floats:
        """(B,) predictions of chip number ``index`` in the label's unit."""
        chip = Chip(self.hardware, study.seed, index, self.time_s)
        commands = None if self.controller is None else self.controller(chip)
        mapped = study.mapped if self.mapped is None else self.mapped
        return chip_predictions(mapped, study.held_out, chip, commands=commands)


@dataclass(frozen=True)
class ChipStudy:
    """A study over settings and independently drawn chips.

    Attributes:
        mapped: model and programs.
        held_out: crystals to predict.
        axis: what varies.
        settings: points on the axis.
        num_chips: chips drawn at every setting; chip number c has the same draws (scaled by the
            setting) everywhere, so that curves of one chip are comparable.
        seed: of all draws.
        derive: adds what the study is for to its results, before they are stored and drawn.
    """

    mapped: MappedModel
    held_out: HeldOut
    axis: Axis
    settings: Sequence[ChipSetting]
    num_chips: int
    seed: int
    derive: Callable[[xr.Dataset], xr.Dataset] = lambda results: results

    @property
    def num_evaluations(self) -> int:
        """Number of (setting, chip) pairs."""
        return len(self.settings) * self.num_chips

    def run(
        self, out: Path, record: RunRecord, on_chip: Callable[[], None] = lambda: None
    ) -> tuple[Path, xr.Dataset]:
        """Evaluate, write ``results.nc`` and figures, and return the directory and the results.

        Every finished (setting, chip) is kept at once; the same call continues a killed run.

        Raises:
            FileExistsError: if ``out`` exists, or another process writes it.
        """
        with OutputDirectory(out, record.key) as output:
            results = self.fill(output, record, on_chip)
            return output.finish(), results

    def fill(
        self, output: OutputDirectory, record: RunRecord, on_chip: Callable[[], None]
    ) -> xr.Dataset:
        """As ``run``, into a directory that the caller has begun and finishes."""
        digital = digital_predictions(self.mapped.model, self.held_out)
        shape = (len(self.settings), self.num_chips, self.held_out.num_crystals)
        predictions = np.empty(shape)
        for q, setting in enumerate(self.settings):
            for c in range(self.num_chips):
                predictions[q, c] = output.vector(
                    f"setting-{q:03d}-chip-{c:04d}",
                    self.held_out.num_crystals,
                    lambda setting=setting, c=c: setting.predictions(self, c),
                )
                on_chip()
        values = np.array([setting.value for setting in self.settings])
        results = chip_results(self.axis, values, predictions, digital, self.held_out, record)
        results = self.derive(results)
        write_results(results, output.partial)
        draw_results(results, output.partial)
        return results
