"""How the chips of a point are programmed: layout of the tiles, and commands of every chip."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from experiments.calibrator import Calibrator
from experiments.mapped import MappedModel
from experiments.study.fields import TIME
from experiments.study.inputs import Inputs
from experiments.study.points import Point
from photonic import Chip, HardwareConfig
from photonic.calibration.recipe import Recipe, Targets
from photonic.mesh_state import Commands

Controller = Callable[[Chip], Mapping[str, Commands] | None]
"""What is asked of a chip in each layer; None for what the data sheet suggests."""


def point_setting(inputs: Inputs, point: Point) -> tuple[MappedModel, Controller]:
    """Programs of a point, and the controller of its chips.

    With a remedy every chip is calibrated at time 0, whatever the time of the point. The commands
    of a chip depend on its seed and number and on the point alone.

    Args:
        inputs: of this process; keeps what several chips or points share.
        point: layout and remedy.

    Raises:
        ValueError: if a drive cannot reach what a remedy asks for.
    """
    mapped, recipe = inputs.mapped_as(point.values), point.recipe
    if recipe is None:
        return mapped, lambda chip: None
    targets = _fitted(inputs, mapped, point.hardware) if "loss" in recipe.methods else None
    calibrator = Calibrator(mapped, point.hardware, recipe, targets)
    if TIME not in point.values:  # no chip is asked for twice
        return mapped, calibrator
    key = mapped.settings, recipe, _figures(point.hardware)
    return mapped, lambda chip: inputs.calibrations.get(
        (*key, chip.seed, chip.index), lambda: calibrator(chip)
    )


def _fitted(inputs: Inputs, mapped: MappedModel, hardware: HardwareConfig) -> list[Targets]:
    """Targets of any recipe with ``loss``: they depend on mean losses and common coupler errors."""
    known = hardware.only("loss", "coupler").replace(
        is_crosstalk_compensated=False, is_drive_extended=False
    )
    return inputs.targets.get(
        (mapped.settings, _figures(known)),
        lambda: Calibrator(mapped, known, Recipe(methods=("loss",))).targets,
    )


def _figures(hardware: HardwareConfig) -> str:
    """A description without its words."""
    return hardware.model_dump_json(exclude={"name", "description", "ideal", "sources"})
