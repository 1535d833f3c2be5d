"""All rows of the table, in order, for one model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from experiments.symmetry.columns import Evaluator, Floats, Where
from experiments.symmetry.controls import CONTROLS, VISIBLE, raw_supercells, run_control
from experiments.symmetry.frame_free import (
    IDLE,
    SENSITIVE,
    effect_of_frames,
    effect_of_global_frame,
    why_components,
    why_not_idle,
)
from experiments.symmetry.invariance import (
    DETERMINISTIC,
    TRANSFORMATIONS,
    Case,
    Transformation,
    alone_and_together,
    cases,
    chips_against_digital,
    compare,
    described_anew,
    small_step,
)
from experiments.symmetry.row import CANCELLING, EXACT, STORED, STORED_SHARE, Comparison, Row
from experiments.symmetry.site_rows import orbit_frames, permuted_sites, why_no_orbits
from experiments.symmetry.structures import (
    Named,
    by_space_group,
    exact_structures,
    sample,
    usable,
)
from experiments.symmetry.tolerance_edges import Edge, find_edge
from models.datasets import Dataset
from models.prototypes import prototypes

STORED_SETS = ("dielectric", "elastic")
MIRRORING = frozenset({"reflection", "all at once"})
Progress = Callable[[str, int], AbstractContextManager[Callable[[], None]]]
"""Shows a titled number of steps; gives the function that moves on by one."""


class SymmetrySettings(BaseModel):
    """How much is compared."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    draws: int = Field(default=4, ge=1, le=1000)
    """Random descriptions of each exact crystal in each row; stored ones get one."""
    num_random: int = Field(default=6, ge=0, le=10_000)
    """Random triclinic cells beside the prototypes."""
    per_group: int = Field(default=1, ge=0)
    """Stored crystals of every space group; 0 leaves these rows out."""
    stored: int | None = Field(default=100, ge=0)
    """Crystals of each of the sets dielectric and elastic; None takes all, 0 none."""
    seed: int = 0
    """Seed of all draws."""


@dataclass(frozen=True)
class SymmetryReport:
    """The table, and what stored crystals that fail sit on."""

    rows: tuple[Row, ...]
    edges: tuple[Edge, ...]

    @property
    def wrong(self) -> list[Row]:
        """Rows that are not as expected."""
        return [row for row in self.rows if not row.is_expected]


class SymmetryRun:
    """Measures a model, once.

    Args:
        evaluator: the columns of the table.
        settings: how much is compared.
        datasets: shipped sets by name.
        progress: shows what is being done.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        settings: SymmetrySettings,
        datasets: dict[str, Dataset],
        progress: Progress,
    ) -> None:
        self.evaluator, self.settings, self.progress = evaluator, settings, progress
        self.max_number = len(evaluator.model.network.element_features) - 1
        self.exact = exact_structures(settings.num_random, self.max_number, settings.seed)
        self.stored = {name: usable(data, self.max_number) for name, data in datasets.items()}
        self._apart: list[Case] = []
        self._outputs: dict[str, Floats] = {}

    def report(self) -> SymmetryReport:
        """Everything; the same settings give the same numbers."""
        rows = (
            *self._invariance("exact", self.exact, self.settings.draws),
            *self._space_groups(),
            *self._stored(),
            *self._sites_and_frames(),
            *self._controls(),
            *self._chips(),
        )
        return SymmetryReport(rows, tuple(self._edges()))

    def _edges(self) -> Iterator[Edge]:
        """What the stored crystals sit on that came apart."""
        if self._apart:
            with self.progress("Tolerances of failures", len(self._apart)) as advance:
                for case in self._apart:
                    yield find_edge(self.evaluator, case, STORED["float64"])
                    advance()

    def _space_groups(self) -> Iterator[Row]:
        """Every row over a crystal of each space group."""
        if self.settings.per_group == 0:
            return
        everything = [named for crystals in self.stored.values() for named in crystals]
        with self.progress("Space groups", len(everything)) as advance:
            chosen = by_space_group(
                everything, self.settings.per_group, self.settings.seed, advance
            )
        yield from self._invariance("space groups", chosen, 1)

    def _invariance(self, label: str, crystals: Sequence[Named], num_draws: int) -> Iterator[Row]:
        """One row for each transformation, the batch and a small step."""
        tests: dict[str, Transformation] = {**TRANSFORMATIONS, "displacement 1e-4 A": small_step}
        draws = {name: 1 if name in DETERMINISTIC else num_draws for name in tests}
        with self.progress(f"Descriptions, {label}", sum(draws.values()) * len(crystals)) as done:
            for name, transform in tests.items():
                yield self._row(name, label, transform, crystals, draws[name], done)
        found = alone_and_together(self.evaluator, crystals)
        yield Row("batch", label, self._bounds(EXACT), found)

    def _stored(self) -> Iterator[Row]:
        """Random samples of two sets, described anew."""
        for name in STORED_SETS:
            crystals = sample(
                self.stored.get(name, []), self.settings.stored, self.settings.seed, name
            )
            if crystals:
                title = "rotation + permutation + cell"
                with self.progress(f"Descriptions, {name}", len(crystals)) as done:
                    yield self._row(title, name, described_anew, crystals, 1, done)

    def _row(
        self,
        name: str,
        label: str,
        transform: Transformation,
        crystals: Sequence[Named],
        num_draws: int,
        on_case: Callable[[], None],
    ) -> Row:
        """One transformation of a set; failing stored crystals are kept for a closer look."""
        is_exact = label == "exact"
        bound = self._bounds(EXACT if is_exact else STORED)
        has_odd_part = self.evaluator.model.network.config.components == "plain"
        if transform is small_step or (name in MIRRORING and has_odd_part):
            bound = {}
        found: list[Comparison] = []
        todo = cases(name, transform, crystals, num_draws, self.settings.seed)
        for case, comparison in compare(self.evaluator, todo, self._outputs, on_case):
            found.append(comparison)
            is_apart = not comparison.spreads["float64"] <= STORED["float64"]
            if bound and not is_exact and is_apart:
                self._apart.append(case)
        return Row(name, label, bound, found, share=1.0 if is_exact else STORED_SHARE)

    def _sites_and_frames(self) -> Iterator[Row]:
        """Rows about sites, and about what frames must not and must change."""
        evaluator, exact, network = self.evaluator, self.exact, self.evaluator.model.network
        yield Row(
            "permutation, site by site",
            "exact",
            self._bounds(EXACT),
            permuted_sites(evaluator, exact, self.settings.seed),
        )
        known = {named.name for named in exact}
        names = [name for name in prototypes() if name in known]
        yield Row(
            "supercells of the raw cell",
            "exact",
            self._bounds(EXACT),
            raw_supercells(evaluator, names),
        )
        tests = (
            ("frames within orbits", EXACT, names, orbit_frames, why_no_orbits(network)),
            ("no-op: with and without frames", CANCELLING, IDLE, effect_of_frames,
             why_not_idle(network)),
            ("global frame without frames", CANCELLING, tuple(known), effect_of_global_frame,
             why_components(network)),
        )  # fmt: skip
        for title, tolerance, wanted, measure, reason in tests:
            crystals = [named for named in exact if named.name in wanted]
            found = [] if reason else measure(evaluator, crystals)
            reason = reason if reason or found else "the model does not know the elements"
            yield Row(title, "exact", self._bounds(tolerance), found, skipped=reason)

    def _controls(self) -> Iterator[Row]:
        """Broken models, and frames where they must act."""
        with self.progress("Controls", len(CONTROLS)) as advance:
            for control in CONTROLS:
                row = run_control(control, self.evaluator, self.max_number, self.settings.seed)
                advance()
                yield row
        crystals = [named for named in self.exact if named.name in SENSITIVE]
        reason = why_not_idle(self.evaluator.model.network)
        found = [] if reason else effect_of_frames(self.evaluator, crystals)
        bound = self._bounds(VISIBLE)
        yield Row("frames left out", "exact", bound, found, is_control=True, skipped=reason)

    def _chips(self) -> Iterator[Row]:
        """How wrong the chips are on which everything above was measured."""
        if "chip" in self.evaluator.wheres:
            found = chips_against_digital(self.evaluator, self.exact)
            yield Row("chip against digital", "exact", {}, found)

    def _bounds(self, bounds: Mapping[Where, float]) -> dict[Where, float]:
        """Those of the columns that there are."""
        return {where: b for where, b in bounds.items() if where in self.evaluator.wheres}
