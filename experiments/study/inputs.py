"""What every process of a study loads once: model, programs and crystals, known by their hashes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

import experiments
import models
import photonic
from experiments.evaluation import HeldOut, SplitName, load_held_out
from experiments.mapped import (
    CONFIG_FILE,
    MAX_CONFIG_BYTES,
    MappedError,
    MappedModel,
    MappingSettings,
    load_mapped,
    map_model,
)
from experiments.study.fields import LAYOUT
from experiments.study.recent import Recent
from experiments.threads import on_threads
from photonic.calibration.recipe import Targets
from photonic.files import read_regular
from photonic.hardware import first_problem
from photonic.mesh_state import Commands

KEPT_LAYOUTS = 4
"""Layouts of a model that a process keeps; another one takes less time than a chip."""
KEPT_TARGETS = 8
"""Fits to mean losses that a process keeps; one takes as long as several chips."""
KEPT_CALIBRATIONS = 8
"""Calibrated chips that a process keeps, to look at them at other times."""


@dataclass(frozen=True)
class Source:
    """Where the inputs of a study lie, and what they must be; small enough to go with every task.

    The files themselves are checked against these hashes by ``load_mapped``.

    Attributes:
        mapped: absolute path of the mapped model, the same for all workers.
        mapping_sha256: hash of its programs and how they were laid out.
        checkpoint_sha256: hash of its checkpoint.
        code_sha256: hash of Lightframe's own code.
        crystals: number of crystals; None for the whole split.
        split: which crystals of the checkpoint's data.
    """

    mapped: str
    mapping_sha256: str
    checkpoint_sha256: str
    code_sha256: str
    crystals: int | None
    split: SplitName = "test"

    @classmethod
    def of(cls, directory: Path, crystals: int | None, split: SplitName = "test") -> Source:
        """The source in a directory as it is now.

        Raises:
            MappedError: if the directory is no mapped model.
        """
        path = directory / CONFIG_FILE
        try:
            mapping = json.loads(read_regular(path, MAX_CONFIG_BYTES))
            checkpoint = mapping.pop("checkpoint_sha256")
            del mapping["record"]  # mapped again is the same, at another time
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise MappedError(f"{directory} is not a mapped model ({CONFIG_FILE})") from None
        return cls(
            mapped=str(directory.absolute()),
            mapping_sha256=_json_sha256(mapping),
            checkpoint_sha256=_json_sha256(checkpoint),
            code_sha256=code_sha256(),
            crystals=crystals,
            split=split,
        )


@dataclass(frozen=True, eq=False)
class Inputs:
    """A mapped model and the crystals that it is evaluated on.

    Attributes:
        mapped: as it lies on disk.
        held_out: crystals.
        targets: of calibrations, by what they depend on.
        calibrations: commands of single chips, by what they depend on.
    """

    mapped: MappedModel
    held_out: HeldOut
    targets: Recent[tuple[Any, ...], list[Targets]] = field(
        default_factory=lambda: Recent(KEPT_TARGETS), repr=False
    )
    calibrations: Recent[tuple[Any, ...], dict[str, Commands]] = field(
        default_factory=lambda: Recent(KEPT_CALIBRATIONS), repr=False
    )
    _layouts: Recent[MappingSettings, MappedModel] = field(
        default_factory=lambda: Recent(KEPT_LAYOUTS), repr=False
    )

    def mapped_as(self, values: Mapping[str, Any]) -> MappedModel:
        """The model with its tiles laid out as the axes of a point say.

        A layout other than that on disk is made from the checkpoint, with the same bits in every
        process. Whether a chip can carry it is not looked at.

        Args:
            values: of the axes; those of ``LAYOUT`` are used.

        Raises:
            ValueError: if there is no such layout.
        """
        mapped = self.mapped
        changes = {name: values[name] for name in LAYOUT if name in values}
        try:
            settings = MappingSettings.model_validate({**mapped.settings.model_dump(), **changes})
        except ValidationError as error:
            raise ValueError(first_problem(error)) from None
        if settings == mapped.settings:
            return mapped
        return self._layouts.get(settings, lambda: _map_again(mapped, settings))


def _map_again(mapped: MappedModel, settings: MappingSettings) -> MappedModel:
    # Whether a chip carries and drives these programs is checked for the chip of each point.
    any_size = mapped.hardware.replace(
        mesh=None, max_modes=None, num_tiles=None, is_drive_clipped=True
    )
    with on_threads(1):
        return map_model(mapped.model, any_size, settings, mapped.record)


_loaded: dict[Source, Inputs] = {}
"""The inputs of this process: those of one source at a time."""


def load_inputs(source: Source, on_graph: Callable[[int], None] = lambda total: None) -> Inputs:
    """The inputs of a source, loaded when this process first asks for them.

    Args:
        source: must be on this machine what it was where the study was started.
        on_graph: called with the number of crystals after each graph that is built.

    Raises:
        ValueError: if this machine has another mapped model or another Lightframe.
    """
    if source not in _loaded:
        here = Source.of(Path(source.mapped), source.crystals, source.split)
        if here.code_sha256 != source.code_sha256:
            raise ValueError("a worker runs another version of Lightframe's code")
        if here != source:
            raise ValueError(f"{source.mapped} is not what it was when the study was started")
        mapped = load_mapped(source.mapped)
        held_out = load_held_out(
            mapped.model, split=source.split, limit=source.crystals, on_graph=on_graph
        )
        _loaded.clear()
        _loaded[source] = Inputs(mapped, held_out)
    return _loaded[source]


@cache
def code_sha256() -> str:
    """Hash of the sources that this process runs, so that uncommitted changes count as well."""
    digest = hashlib.sha256()
    for package in (experiments, models, photonic):
        root = Path(package.__path__[0])
        for path in sorted(root.rglob("*.py")):
            digest.update(path.relative_to(root.parent).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _json_sha256(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
