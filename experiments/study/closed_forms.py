"""The expected weight error of a point, where a closed form holds, to check its chips against.

It is exact for independent normal errors of the phases, of any size, around phases that are rounded
or heated in a known way. An effect that does anything else has no closed form here, and the point
then has a note that names it; nothing is approximated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from distributed import Client

from experiments.console import progress
from experiments.study.evaluate import Floats, Task, alone
from experiments.study.expected_error import expected_square, set_program
from experiments.study.fields import LAYOUT
from experiments.study.flight import TasksInFlight
from experiments.study.inputs import Source, load_inputs
from experiments.study.points import Point
from experiments.study.store import EXPECTED, NOTE, StudyStore
from experiments.study.weight_error import digital_weights, square_norm
from photonic import HardwareConfig
from photonic.drift.processes import process_laws
from photonic.hardware.effects import DRIFT_EFFECTS, EFFECTS, LINK_EFFECTS, Effect

NOT_ASKED_FOR = "not asked for (closed_forms: false)"
"""Note of all points of a study that does not want any."""
_KNOWN: tuple[Effect, ...] = ("quantisation", "crosstalk")
"""The same on every chip."""
_NORMAL: tuple[Effect, ...] = ("phase_noise", "shot_noise", "attenuator")
_PROCESSES: tuple[Effect, ...] = ("random_walk", "ornstein_uhlenbeck", "flicker")


@dataclass(frozen=True)
class PhaseNoise:
    """Standard deviation of every phase of a mesh [rad], by mesh; all errors are independent.

    Attributes:
        mesh: of the meshes V and U.
        attenuators: of the mesh sigma.
    """

    mesh: float
    attenuators: float


def phase_noise(point: Point) -> PhaseNoise:
    """What the effects of a point that have a closed form make of the phases together.

    Args:
        point: without a note from ``missing_forms``.
    """
    hardware, time_s = point.hardware, point.time_s
    variance = hardware.phase_noise_rad**2 + hardware.shot_phase_noise_rad**2
    variance += sum(law.std_at(time_s) ** 2 for law in process_laws(hardware).values())
    bias = hardware.bias_residual_rad**2 if hardware.is_bias_calibrated else 0.0
    sigma = variance + hardware.attenuator_noise_rad**2
    if hardware.is_attenuator_biased:
        sigma += bias
    return PhaseNoise(math.sqrt(variance + bias), math.sqrt(sigma))


def missing_forms(point: Point) -> str:
    """What a point has that no closed form covers, by commas; empty if the form is exact.

    Effects of the light between inputs and outputs change no weight, and drift is 0 at time 0.
    """
    hardware, names = point.hardware, []
    for effect in EFFECTS:
        if effect in LINK_EFFECTS or (effect in DRIFT_EFFECTS and point.time_s == 0):
            continue
        if hardware.has(effect) and not _is_covered(effect, hardware, point.time_s):
            names.append(effect.replace("_", " "))
    return ", ".join([*names, *(["remedy"] if point.recipe is not None else [])])


def _is_covered(effect: Effect, hardware: HardwareConfig, time_s: float) -> bool:
    if effect == "bias":
        return hardware.is_bias_calibrated or not hardware.bias_range_rad
    if effect in _PROCESSES:  # paths are straight within a second, which their law is not
        return hardware.common_drift_fraction == 0 and float(time_s).is_integer()
    return effect in _KNOWN or effect in _NORMAL


def closed_form_frame(points: Sequence[Point], *, is_wanted: bool) -> xr.Dataset:
    """``weight_error_expected (point)``, still NaN, and ``weight_error_note (point)``.

    Args:
        points: of a study.
        is_wanted: whether it asks for closed forms.
    """
    notes = [missing_forms(point) if is_wanted else NOT_ASKED_FOR for point in points]
    unknown = np.full(len(points), np.nan)
    meaning = "closed form of the root-mean-square weight_error over chips; NaN where none holds"
    why = {"units": "1", "long_name": "what no closed form covers at a point; empty if one holds"}
    return xr.Dataset(
        {
            EXPECTED: ("point", unknown, {"units": "1", "long_name": meaning}),
            NOTE: ("point", np.array(notes), why),
        }
    )


def expect(client: Client, store: StudyStore, source: Source, points: Sequence[Point]) -> None:
    """Find and store the expected weight errors that a store still lacks.

    Points that differ only in what changes no weight share one.

    Args:
        client: of the workers.
        store: from ``closed_form_frame`` on; nothing happens if it is older.
        source: of the inputs of every worker.
        points: settings.

    Raises:
        OSError: if the workers are lost, or nothing can be stored.
    """
    lacking = store.lacking_expectation()
    kinds: dict[tuple[object, ...], list[int]] = {}
    for number in lacking:
        kinds.setdefault(_kind(points[number]), []).append(number)
    if not kinds:
        return
    expected = store.expected
    flight = TasksInFlight(client, expected_error, source, points, 0)
    with progress("Closed forms", len(kinds)) as advance:
        try:
            flight.submit([Task(members[0], 0, 1) for members in kinds.values()])
            while flight:
                for task, found in flight.results():
                    expected[kinds[_kind(points[task.point])]] = found[0]
                    advance()
        finally:
            flight.cancel()
    store.keep_expected(expected)


def dearest_of_kinds(points: Sequence[Point]) -> tuple[Point | None, int]:
    """A point whose closed form takes longest, and the number of different ones; None if no form.

    Args:
        points: of a study.
    """
    covered = [point for point in points if not missing_forms(point)]
    dearest = max(covered, key=lambda point: phase_noise(point).attenuators, default=None)
    return dearest, len({_kind(point) for point in covered})


def _kind(point: Point) -> tuple[object, ...]:
    """What the expected weight error of a point depends on."""
    drive = point.hardware.only(*_KNOWN).model_dump_json(exclude={"name", "ideal", "sources"})
    return (*(point.values.get(name) for name in LAYOUT), phase_noise(point), drive)


def expected_error(source: Source, point: Point, seed: int, task: Task) -> Floats:
    """(1,) root of the expected mean square of the relative weight error of a point.

    E^2 = sum over layers of E||W~ - W||^2 / sum over layers of ||W||^2, exact.

    Args:
        source: of the inputs.
        point: where a closed form holds.
        seed: not used; nothing is drawn.
        task: not used.

    Raises:
        ValueError: if the inputs differ from those of the study.
    """
    with alone():
        mapped, noise = load_inputs(source).mapped_as(point.values), phase_noise(point)
        stds = {"V": noise.mesh, "sigma": noise.attenuators, "U": noise.mesh}
        layers = zip(mapped.programs.values(), digital_weights(mapped).values(), strict=True)
        square = sum(
            expected_square(set_program(program, point.hardware), weight, stds)
            for program, weight in layers
        )
        return np.array([math.sqrt(max(0.0, square) / square_norm(mapped))])
