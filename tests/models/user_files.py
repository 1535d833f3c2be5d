"""Structures and small files of the user's formats, for the tests of loaders and predictions."""

import functools
import json
from pathlib import Path
from typing import Any

from pymatgen.core import Lattice, Structure

DATA = Path(__file__).parents[1] / "data"


def rutile() -> Structure:
    return _rutile().copy()


def salt() -> Structure:
    return _salt().copy()


@functools.cache
def _rutile() -> Structure:
    return Structure.from_spacegroup(
        "P4_2/mnm",
        Lattice.tetragonal(4.594, 2.959),
        ["Ti", "O"],
        [[0, 0, 0], [0.305, 0.305, 0]],
    )


@functools.cache
def _salt() -> Structure:
    return Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    )


def records(name: str) -> list[dict[str, Any]]:
    """Records of a small JSON file of ``tests/data``."""
    return json.loads((DATA / name).read_text())


def write_json(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path
