"""Hostile inputs for every reader: ``python -m tests.fuzz``, or ``make fuzz``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.mutations import Content

DATA = Path(__file__).parents[1] / "data"
Files = dict[str, Content]


@dataclass(frozen=True)
class Subject:
    """A folder of real files.

    Attributes:
        name: of the kind.
        files: relative path to content.
        read: reads the folder; raises what the reader raises.
        seal: makes hashes true again after a change, so that it reaches what lies behind them.
        weight: how often it is chosen.
    """

    name: str
    files: dict[str, bytes]
    read: Callable[[Path], object]
    seal: Callable[[Files], None] = field(default=lambda files: None)
    weight: float = 1.0


def files_of(folder: Path) -> dict[str, bytes]:
    """Content of all files of a folder by relative path, sorted."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}
