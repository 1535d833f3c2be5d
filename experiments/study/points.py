"""Point: one setting of a study, as the chip description and the time that it stands for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from experiments.mapped import MappedModel
from experiments.study.description import StudyDescription
from experiments.study.fields import LAYOUT, REMEDY, TIME
from experiments.study.inputs import Inputs
from experiments.study.remedies import NO_REMEDY, check_remedy
from experiments.study.sampling import Values, sample_points
from photonic import Chip, HardwareConfig
from photonic.calibration.recipe import Recipe
from photonic.drive import drive_reach, has_short_drive
from photonic.drive_laws.branch import Shortfall
from photonic.impairments.crosstalk import crosstalk_matrix
from photonic.mesh_state import check_fits


@dataclass(frozen=True)
class Point:
    """One setting.

    Attributes:
        values: of every axis.
        hardware: description that chips are drawn from, with the drive that the remedy needs.
        time_s: [s] since the calibration.
        recipe: calibration of every chip; None for a controller that knows the data sheet alone.
    """

    values: Values
    hardware: HardwareConfig
    time_s: float
    recipe: Recipe | None = None

    def __str__(self) -> str:
        return ", ".join(f"{name} = {value}" for name, value in self.values.items())


_CROSSTALK = (
    *("crosstalk_law", "crosstalk", "heater_coupling", "column_pitch_um", "mode_pitch_um"),
    "crosstalk_rows",
)
_MOST_SOLVED = 200
"""Descriptions of crosstalk that commands are solved for in advance, 0.1 s each for the shipped
network; the drives of further ones are checked when chips are evaluated."""


class DriveChecks:
    """Which phases the drives of points do not reach; equal drives and layouts share the work."""

    def __init__(self) -> None:
        self._found: dict[tuple[Any, ...], Shortfall | None] = {}

    def find(self, point: Point, mapped: MappedModel) -> Shortfall | None:
        """Phases of a point beyond its drive; None if it reaches all of them."""
        hardware = point.hardware
        if not has_short_drive(hardware):
            return None
        key: tuple[Any, ...] = (mapped.settings, drive_reach(hardware))
        if hardware.is_precompensated:
            key += tuple(getattr(hardware, name) for name in _CROSSTALK)
            if key not in self._found and len(self._found) >= _MOST_SOLVED:
                return None
        if key not in self._found:
            self._found[key] = mapped.drive_shortfall(hardware)
        return self._found[key]

    def check(self, point: Point, mapped: MappedModel) -> None:
        """Refuse a point whose drive does not reach its phases and is not to be clipped.

        Raises:
            ValueError: naming the first shifter.
        """
        short = self.find(point, mapped)
        if short is not None and not point.hardware.is_drive_clipped:
            short.refuse()


def study_points(
    study: StudyDescription, base: HardwareConfig, inputs: Inputs | None
) -> list[Point]:
    """All points, each one validated.

    Args:
        study: its axes and sampling.
        base: chip description that the axes change.
        inputs: whose programs must fit on the chip of every point; None checks none.

    Raises:
        ValueError: if a point is no possible chip or time; the message names its values.
    """
    points: list[Point] = []
    drives = DriveChecks()
    for values in sample_points(study):
        try:
            point = _point(values, base, study)
            if inputs is not None:
                mapped = inputs.mapped_as(values)
                _check_programs(point, mapped, study)
                drives.check(point, mapped)
            points.append(point)
        except ValueError as error:
            shown = ", ".join(f"{name} = {value}" for name, value in values.items())
            raise ValueError(f"point {len(points)} ({shown}): {error}") from None
    return points


def _point(values: Values, base: HardwareConfig, study: StudyDescription) -> Point:
    time_s = values.get(TIME, 0.0)
    if isinstance(time_s, bool) or not isinstance(time_s, int | float):
        raise ValueError(f"`{TIME}` must be a number, got {time_s!r}")
    recipe = study.recipe(values.get(REMEDY, NO_REMEDY))
    changes = {n: value for n, value in values.items() if n not in (TIME, REMEDY, *LAYOUT)}
    hardware = base.replace(**changes)
    for name, value in changes.items():
        if getattr(hardware, name) != value:
            raise ValueError(f"`{name}` is switched off by `ideal` of {base.name}")
    if recipe is not None:
        hardware = recipe.drive(hardware)
        for name, value in changes.items():
            if getattr(hardware, name) != value:
                raise ValueError(f"`{name}` is {getattr(hardware, name)} with this remedy")
    Chip(hardware, study.seed, 0, float(time_s))  # refuses times beyond the simulated paths
    return Point(values, hardware, float(time_s), recipe)


def _check_programs(point: Point, mapped: MappedModel, study: StudyDescription) -> None:
    """Refuse programs that the chip cannot carry, or whose remedy cannot work on it."""
    hardware, programs = point.hardware, mapped.programs.values()
    for program in programs:
        check_fits(program, hardware)
        if hardware.crosstalk_law == "matrix":  # measured for meshes of one size
            for layout in (program.u_layout, program.v_layout):
                crosstalk_matrix(layout, hardware)
    num_tiles, held = sum(program.num_tiles for program in programs), hardware.num_tiles
    is_laid_out = not set(LAYOUT).isdisjoint(point.values)
    if is_laid_out and held and num_tiles > held and not mapped.settings.is_time_multiplexed:
        raise ValueError(
            f"{hardware.name} holds {held} tiles at a time, this layout needs {num_tiles}; map "
            "with --time-multiplexed to load them one after another"
        )
    if point.recipe is not None:
        check_remedy(point.recipe, hardware, programs, study.axes)
