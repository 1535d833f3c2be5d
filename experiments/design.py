"""Search over layouts: which mesh, tile and order of singular values serve a model on a chip best.

Every design is mapped, put on a few drawn chips and costed. The best ones are the Pareto set: no
other design is at least as good in everything and better in something.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from experiments.console import console, print_table
from experiments.cost_table import short, vectors_per_layer
from experiments.design_figures import draw_designs
from experiments.design_space import (
    Design,
    DesignResult,
    DesignSpace,
    objectives,
    pareto_designs,
)
from experiments.evaluation import HeldOut, chip_predictions, digital_predictions
from experiments.mapped import map_model
from experiments.number_text import csv_text, json_text
from experiments.output import OutputDirectory
from experiments.record import RunRecord
from models.labels import Label
from models.model import CrystalModel
from photonic import Chip, HardwareConfig
from photonic.cost import missing_fields, network_cost
from photonic.files import write_atomic

MAX_EXHAUSTIVE = 48
"""Designs up to which all are evaluated unless a number of trials is given."""
JSON_FILE = "designs.json"
CSV_FILE = "designs.csv"
_ASKS_PER_TRIAL = 20  # a search that has converged proposes known designs
_GENERATIONS = 4


@dataclass(frozen=True)
class DesignStudy:
    """An evaluation of many designs on one chip description.

    Attributes:
        model: digital model.
        hardware: chip description.
        held_out: crystals to predict; their mean size decides on time and energy.
        space: designs to choose from, all of which fit the chip.
        num_chips: chips drawn for every design.
        seed: of chips and search.
        num_trials: designs to evaluate, chosen by NSGA-II; None evaluates all.
    """

    model: CrystalModel
    hardware: HardwareConfig
    held_out: HeldOut
    space: DesignSpace
    num_chips: int
    seed: int
    num_trials: int | None = None

    @property
    def is_exhaustive(self) -> bool:
        """True if every design is evaluated."""
        return self.num_trials is None or self.num_trials >= len(self.space.designs())

    @property
    def num_evaluations(self) -> int:
        """Number of designs to evaluate, at most."""
        return len(self.space.designs()) if self.is_exhaustive else self.num_trials

    @property
    def objectives(self) -> tuple[str, ...]:
        """Names of the figures to be made small."""
        return objectives(self.hardware)

    def run(
        self, out: Path, record: RunRecord, on_design: Callable[[], None] = lambda: None
    ) -> tuple[Path, list[DesignResult]]:
        """Evaluate, write the table and the figure, and return the directory and all results.

        Every finished design is kept at once; the same call continues a killed run.

        Args:
            out: directory to create.
            record: of the run.
            on_design: called after each design.

        Raises:
            FileExistsError: if ``out`` exists.
            ValueError: if no design works on the chip, or a search is asked for and Optuna is not
                installed.
        """
        with OutputDirectory(out, record.key) as output:
            results = self._fill(output, record, on_design)
            return output.finish(), results

    def _fill(
        self, output: OutputDirectory, record: RunRecord, on_design: Callable[[], None]
    ) -> list[DesignResult]:
        digital = digital_predictions(self.model, self.held_out)
        vectors = vectors_per_layer(self.model, self.held_out.batches)

        def evaluate(design: Design) -> DesignResult:
            path = output.partial / f"design-{design.name}.json"
            result = _read_result(path)
            if result is None:
                result = self._evaluate(design, record, digital, vectors)
                write_atomic(path, result.model_dump_json().encode())
            on_design()
            return result

        designs = self.space.designs()
        results = map(evaluate, designs) if self.is_exhaustive else self._search(evaluate)
        results = sorted(results, key=lambda result: designs.index(result.design))
        if all(result.problem for result in results):
            raise ValueError(f"no design works on {self.hardware.name}: {results[0].problem}")
        best = pareto_designs(results, self.objectives)
        write_designs(results, best, self.objectives, record, output.partial)
        draw_designs(results, best, self.objectives, self.held_out.label, output.partial)
        return results

    def _evaluate(
        self,
        design: Design,
        record: RunRecord,
        digital: NDArray[np.float64],
        vectors: dict[str, float],
    ) -> DesignResult:
        try:
            mapped = map_model(self.model, self.hardware, design.settings, record)
            cost = network_cost(list(mapped.programs.values()), self.hardware, vectors)
            predictions = np.array(
                [
                    chip_predictions(mapped, self.held_out, Chip(self.hardware, self.seed, index))
                    for index in range(self.num_chips)
                ]
            )
        except ValueError as error:
            return DesignResult(design=design, problem=str(error))
        with np.errstate(over="ignore", invalid="ignore"):
            deviations = np.sqrt(((predictions - digital) ** 2).mean(axis=1))
        if not np.isfinite(deviations).all():
            return DesignResult(design=design, problem="predictions on a chip are not finite")
        spread = deviations.std(ddof=1) / np.sqrt(len(deviations)) if self.num_chips > 1 else None
        return DesignResult(
            design=design,
            num_tiles=cost.resident.num_tiles,
            deviation_rms=deviations.mean(),
            deviation_sem=spread,
            mae=np.abs(predictions - self.held_out.truth).mean(),
            power_mw=cost.operation.power_mw,
            heater_mw=cost.operation.heater_mw,
            area_mm2=cost.operation.area_mm2,
            latency_us=cost.operation.latency_us,
            energy_uj=cost.operation.energy_uj,
        )

    def _search(self, evaluate: Callable[[Design], DesignResult]) -> list[DesignResult]:
        """Results of ``num_trials`` different designs, fewer if the search finds no others."""
        optuna = _optuna()
        sampler = optuna.samplers.NSGAIISampler(
            population_size=max(2, self.num_trials // _GENERATIONS), seed=self.seed
        )
        directions = ["minimize"] * len(self.objectives)
        study = optuna.create_study(directions=directions, sampler=sampler)
        results: dict[Design, DesignResult] = {}
        for _ in range(_ASKS_PER_TRIAL * self.num_trials):
            trial = study.ask()
            design = Design(
                mesh=trial.suggest_categorical("mesh", self.space.meshes),
                tile=trial.suggest_categorical("tile", self.space.tiles),
                order=trial.suggest_categorical("order", self.space.orders),
            )
            if design not in results:
                results[design] = evaluate(design)
            if results[design].problem is None:
                study.tell(trial, results[design].values(self.objectives))
            else:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
            if len(results) == self.num_trials:
                break
        return list(results.values())


def _optuna():
    """The optimiser, quiet; an extra that all-combinations runs do without."""
    try:
        import optuna
    except ModuleNotFoundError:
        raise ValueError(
            "a search needs Optuna: pip install 'lightframe[design]', or evaluate all designs "
            "with --exhaustive"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _read_result(path: Path) -> DesignResult | None:
    """A stored result; None if it is missing or damaged."""
    try:
        return DesignResult.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def write_designs(
    results: Sequence[DesignResult],
    best: Sequence[DesignResult],
    names: Sequence[str],
    record: RunRecord,
    directory: Path,
) -> None:
    """Write all results as CSV, and as JSON with the names of the Pareto set and the record.

    Args:
        results: of all designs.
        best: the Pareto set.
        names: figures that were made small.
        record: of the run.
        directory: existing target.
    """
    figures = [name for name in DesignResult.model_fields if name != "design"]
    rows: list[list[object]] = [[*Design.model_fields, *figures, "is_pareto"]]
    rows += [
        [*result.design.model_dump().values(), *result.values(figures), result in best]
        for result in results
    ]
    data = {
        "record": record.model_dump(mode="json"),
        "objectives": list(names),
        "pareto": [result.design.name for result in best],
        "designs": [result.model_dump(mode="json") for result in results],
    }
    write_atomic(directory / CSV_FILE, csv_text(rows).encode())
    write_atomic(directory / JSON_FILE, (json_text(data) + "\n").encode())


def print_designs(
    results: Sequence[DesignResult], names: Sequence[str], label: Label, hardware: HardwareConfig
) -> None:
    """The Pareto set as a table, and what it leaves out.

    Args:
        results: of all designs.
        names: figures that were made small.
        label: that is predicted.
        hardware: chip description.
    """
    power = "heater_mw" if "heater_mw" in names else "power_mw"
    rows = [
        (
            f"{result.design.mesh} {result.design.tile} {result.design.order}",
            _with_error(result.deviation_rms, result.deviation_sem),
            f"{result.mae:.3f}",
            short(_watt(getattr(result, power))),
            *map(short, (result.area_mm2, result.latency_us, result.energy_uj)),
        )
        for result in pareto_designs(results, names)
    ]
    header = ("design", "deviation", "MAE", "W", "mm2", "us", "uJ")
    unit = "" if label.unit == "1" else f" [{label.unit}]"
    counted = "heaters" if "heater_mw" in names else "heaters, lasers, converters"
    print_table(
        f"Pareto set of {len(results)} designs on {hardware.name}: rms deviation of "
        f"{label.name}{unit} from the digital predictions, error against the labels (MAE), power "
        f"of {counted}, area, latency and energy of a crystal",
        header,
        rows,
    )
    console.print(f"made small: {', '.join(names)}")
    failed = [result for result in results if result.problem]
    if failed:
        console.print(f"{len(failed)} designs do not work: {failed[0].problem}")
    missing = missing_fields(hardware)
    if missing:
        console.print(f"figures marked - need fields that are not stated: {', '.join(missing)}")


def _with_error(value: float, error: float | None) -> str:
    return f"{value:.3g}" if error is None else f"{value:.3g} +- {error:.1g}"


def _watt(value_mw: float | None) -> float | None:
    return None if value_mw is None else value_mw * 1e-3
