"""A study from its description to its store: prepare, start or resume, evaluate, finish."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import xarray as xr

from experiments.console import console, print_shortfall, progress
from experiments.jobs import command_line
from experiments.lock import LOCK_FILE, locked
from experiments.record import RunRecord
from experiments.study.changes import changes
from experiments.study.closed_forms import closed_form_frame, expect
from experiments.study.cluster import connect
from experiments.study.description import StudyDescription, StudyError
from experiments.study.engine import run_schedule
from experiments.study.estimate import StudyCost, study_cost
from experiments.study.evaluate import evaluate_digital, measured_block
from experiments.study.inputs import Inputs, Source, load_inputs
from experiments.study.labels import crystal_frame, point_coordinates
from experiments.study.memory import MOST_CHIPS, MemoryNeed, measure_need
from experiments.study.points import DriveChecks, Point, study_points
from experiments.study.progress import study_progress
from experiments.study.reader import open_study
from experiments.study.schedule import Schedule
from experiments.study.stopping import StoppingRule
from experiments.study.store import STORE, WEIGHT_ERROR, StudyStore
from photonic import HardwareConfig, load_hardware
from photonic.files import refuse_link, target_name

DEFAULT_BLOCK = 4
"""Chips of a task unless something else is said."""
MOST_NAMES = 20
"""Broken chunks that are named, at most."""
TASKS_PER_PROCESS = 4
"""Fewest tasks of a process, or some would idle at the end of a study."""


def print_clipped_points(points: list[Point], inputs: Inputs) -> None:
    """Say at how many points a clipped drive replaces phases, and by how much at most."""
    drives = DriveChecks()
    found = [drives.find(point, inputs.mapped_as(point.values)) for point in points]
    short = [shortfall for shortfall in found if shortfall is not None]
    if short:
        worst = max(short, key=lambda shortfall: shortfall.largest_rad)
        console.print(f"{len(short)} of {len(points)} points clip the drive. At the worst:")
        print_shortfall(worst)


@dataclass(frozen=True)
class Workers:
    """Who evaluates; results do not depend on it.

    Attributes:
        processes: started on this machine; None stays in this process.
        scheduler: address of a running cluster in their place.
        block: chips of a task and of a chunk; None leaves it to the memory, or takes
            ``DEFAULT_BLOCK``. A resumed study keeps its own.
        memory_bytes: that each process may take; None for any.
    """

    processes: int | None = None
    scheduler: str | None = None
    block: int | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True)
class Study:
    """A description with what it refers to, loaded and checked.

    Attributes:
        description: as read.
        source: of the inputs.
        inputs: model and crystals.
        hardware: description that the axes change.
        points: settings.
    """

    description: StudyDescription
    source: Source
    inputs: Inputs
    hardware: HardwareConfig
    points: list[Point]

    @classmethod
    def load(cls, description: StudyDescription) -> Study:
        """The study of a description, with a progress bar over graphs.

        Raises:
            ValueError: if the mapped model, the chip or a point cannot be used.
        """
        source = Source.of(Path(description.mapped), description.crystals, description.split)
        with progress("Graphs of held-out crystals") as advance:
            inputs = load_inputs(source, advance)
        mapped, name = inputs.mapped, description.hardware
        hardware = mapped.hardware if name is None else load_hardware(name)
        points = study_points(description, hardware, inputs)
        print_clipped_points(points, inputs)
        return cls(description, source, inputs, hardware, points)

    @cached_property
    def record(self) -> RunRecord:
        """Provenance, with the hashes of checkpoint, mapping and code."""
        config = {
            "study": self.description.to_json(),
            "hardware": self.hardware.model_dump(mode="json"),
            "checkpoint_sha256": self.source.checkpoint_sha256,
            "mapping_sha256": self.source.mapping_sha256,
            "code_sha256": self.source.code_sha256,
        }
        seed, data = self.description.seed, self.inputs.held_out.data_sha256
        return RunRecord.capture(command_line(), config, seed, data)

    def cost(self) -> StudyCost:
        """What it will take, from a few timed evaluations."""
        num_crystals = self.inputs.held_out.num_crystals
        return study_cost(self.description, self.source, self.points, num_crystals)

    def run(self, out: Path, workers: Workers, *, is_resumed: bool) -> xr.Dataset:
        """Evaluate all that ``out`` does not hold yet, and return the results.

        Args:
            out: directory to create, or of the same study that was interrupted.
            workers: who evaluates.
            is_resumed: go on with what ``out`` holds; without anything there, start.

        Raises:
            FileExistsError: if ``out`` holds something and is not resumed, or another process
                writes into it.
            StudyError: if ``out`` holds another study; the message says what differs.
            ValueError: if a point cannot be evaluated.
            OSError: if results cannot be stored, or the workers are lost.
        """
        _refuse_other_directory(out, is_resumed)
        with _writing(out):
            _refuse_other_directory(out, is_resumed)  # another process may have just finished one
            if os.path.lexists(out / STORE):
                store = self._resumed(out, workers.memory_bytes)
            else:
                store = self.start(out, workers)
            rule = StoppingRule(self.description.until, self.description.min_chips)
            schedule = Schedule(store.errors, store.block, rule)
            if schedule.num_open or store.lacking_expectation():
                self._evaluate(store, schedule, workers)
            store.finish(schedule.num_chips)
        return open_study(out)

    def _evaluate(self, store: StudyStore, schedule: Schedule, workers: Workers) -> None:
        always = store, self.source, self.points
        with connect(workers.processes, workers.scheduler) as client:
            with study_progress(schedule) as on_block:
                seed = self.description.seed
                run_schedule(client, schedule, *always, seed, on_block, measured_block)
            expect(client, *always)

    def start(self, out: Path, workers: Workers) -> StudyStore:
        """The empty store of this study in an existing directory.

        Raises:
            ValueError: if not even one chip fits into the memory.
            OSError: if the directory cannot be written.
        """
        return StudyStore.create(
            out,
            self._frame(),
            point_coordinates(self.points),
            self.record,
            (*self.description.quantities, WEIGHT_ERROR),
            num_chips=self.description.chips,
            block=self._block(workers),
        )

    def _frame(self) -> xr.Dataset:
        """What a store holds from the start of crystals and of closed forms."""
        digital = evaluate_digital(self.source)
        forms = closed_form_frame(self.points, is_wanted=self.description.closed_forms)
        return crystal_frame(self.inputs.held_out, digital).assign(forms)

    def _block(self, workers: Workers) -> int:
        """Chips of a task: as asked for or as is usual, but no more than fit into memory."""
        if workers.memory_bytes is None:
            return workers.block or DEFAULT_BLOCK
        return self._need().largest_block(
            workers.memory_bytes, workers.block or self._most_chips(workers)
        )

    def _most_chips(self, workers: Workers) -> int:
        """Chips of the largest block that still leaves every process several."""
        evaluations = len(self.points) * self.description.chips
        per_process = evaluations // (TASKS_PER_PROCESS * (workers.processes or 1))
        return max(1, min(MOST_CHIPS, self.description.chips, per_process))

    def _need(self) -> MemoryNeed:
        """At the point with most remedies."""
        most = max(self.points, key=lambda p: 0 if p.recipe is None else len(p.recipe.methods))
        return measure_need(self.source, most, self.description.seed)

    def _resumed(self, out: Path, memory_bytes: int | None) -> StudyStore:
        store = StudyStore(out)
        found = changes(store.record, self.record)
        if found:
            raise StudyError(f"{out} holds another study, nothing was resumed: {'; '.join(found)}")
        if memory_bytes is not None:
            fitting = self._need().largest_block(memory_bytes, store.block)
            if fitting < store.block:
                raise StudyError(
                    f"{out} holds blocks of {store.block} chips, --memory allows {fitting}: "
                    "give more, or start anew in another directory"
                )
        points = point_coordinates(self.points)
        broken = store.repair(lambda: self._frame().assign_coords(points))
        if broken:
            names = [f"{key} ({fault})" for key, fault in broken.items()]
            more = f", and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
            console.print(
                f"broken on disk, made again: {', '.join(names[:MOST_NAMES])}{more}", soft_wrap=True
            )
        return store


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    """Hold the lock of a study; one that fails before it has a store leaves nothing."""
    is_new = not out.exists()
    out.mkdir(parents=True, exist_ok=True)
    try:
        with locked(out):
            refuse_link(out / STORE)
            try:
                yield
            except BaseException:
                if not (out / STORE).exists():
                    (out / LOCK_FILE).unlink()
                raise
    except BaseException:
        if is_new:
            with suppress(OSError):  # it holds a study
                out.rmdir()
        raise


def _refuse_other_directory(out: Path, is_resumed: bool) -> None:
    """Refuse what is there already, unless it is a study that shall go on."""
    if not out.exists():
        return
    names = {path.name for path in out.iterdir()}
    if STORE in names and not is_resumed:
        raise FileExistsError(f"{out} holds a study; go on with --resume, or choose another --out")
    if STORE not in names and any(target_name(n) != STORE for n in names - {LOCK_FILE}):
        raise FileExistsError(f"{out} exists; nothing was overwritten, choose another --out")
