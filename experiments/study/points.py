"""Point: one setting of a study, as the chip description and the time that it stands for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from experiments.study.description import StudyDescription
from experiments.study.fields import TIME
from experiments.study.sampling import Values, sample_points
from photonic import Chip, HardwareConfig, Program
from photonic.mesh_state import check_fits


@dataclass(frozen=True)
class Point:
    """One setting.

    Attributes:
        values: of every axis.
        hardware: description that chips are drawn from.
        time_s: [s] since the calibration.
    """

    values: Values
    hardware: HardwareConfig
    time_s: float

    def __str__(self) -> str:
        return ", ".join(f"{name} = {value}" for name, value in self.values.items())


def study_points(
    study: StudyDescription, base: HardwareConfig, programs: Iterable[Program]
) -> list[Point]:
    """All points, each one validated.

    Args:
        study: its axes and sampling.
        base: chip description that the axes change.
        programs: must fit on the chip of every point.

    Raises:
        ValueError: if a point is no possible chip or time; the message names its values.
    """
    programs = list(programs)
    points = []
    for values in sample_points(study):
        try:
            points.append(_point(values, base, programs, study.seed))
        except ValueError as error:
            shown = ", ".join(f"{name} = {value}" for name, value in values.items())
            raise ValueError(f"point {len(points)} ({shown}): {error}") from None
    return points


def _point(values: Values, base: HardwareConfig, programs: list[Program], seed: int) -> Point:
    time_s = values.get(TIME, 0.0)
    if isinstance(time_s, bool) or not isinstance(time_s, int | float):
        raise ValueError(f"`{TIME}` must be a number, got {time_s!r}")
    changes = {name: value for name, value in values.items() if name != TIME}
    hardware = base.replace(**changes)
    for name, value in changes.items():
        if getattr(hardware, name) != value:
            raise ValueError(f"`{name}` is switched off by `ideal` of {base.name}")
    Chip(hardware, seed, 0, float(time_s))  # refuses times beyond the simulated paths
    for program in programs:
        check_fits(program, hardware)
    return Point(values, hardware, float(time_s))
