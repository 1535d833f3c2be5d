"""What every process of a study loads once: model, programs and crystals, known by their hashes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import experiments
import models
import photonic
from experiments.evaluation import HeldOut, load_held_out
from experiments.mapped import CONFIG_FILE, MappedError, MappedModel, load_mapped


@dataclass(frozen=True)
class Source:
    """Where the inputs of a study lie, and what they must be; small enough to go with every task.

    The files themselves are checked against these hashes by ``load_mapped``.

    Attributes:
        mapped: absolute path of the mapped model, the same for all workers.
        mapping_sha256: hash of its programs and how they were laid out.
        checkpoint_sha256: hash of its checkpoint.
        code_sha256: hash of Lightframe's own code.
        crystals: number of crystals; None for the whole test fold.
    """

    mapped: str
    mapping_sha256: str
    checkpoint_sha256: str
    code_sha256: str
    crystals: int | None

    @classmethod
    def of(cls, directory: Path, crystals: int | None) -> Source:
        """The source in a directory as it is now.

        Raises:
            MappedError: if the directory is no mapped model.
        """
        path = directory / CONFIG_FILE
        try:
            mapping = json.loads(path.read_bytes())
            checkpoint = mapping.pop("checkpoint_sha256")
            del mapping["record"]  # mapped again is the same, at another time
        except (OSError, ValueError, LookupError):
            raise MappedError(f"{directory} is not a mapped model ({CONFIG_FILE})") from None
        return cls(
            mapped=str(directory.absolute()),
            mapping_sha256=_json_sha256(mapping),
            checkpoint_sha256=_json_sha256(checkpoint),
            code_sha256=code_sha256(),
            crystals=crystals,
        )


@dataclass(frozen=True, eq=False)
class Inputs:
    """A mapped model and the crystals that it is evaluated on."""

    mapped: MappedModel
    held_out: HeldOut


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
        here = Source.of(Path(source.mapped), source.crystals)
        if here.code_sha256 != source.code_sha256:
            raise ValueError("a worker runs another version of Lightframe's code")
        if here != source:
            raise ValueError(f"{source.mapped} is not what it was when the study was started")
        mapped = load_mapped(source.mapped)
        held_out = load_held_out(mapped.model, limit=source.crystals, on_graph=on_graph)
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
