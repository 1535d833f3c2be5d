"""Output directories: never overwritten, never half-written, resumed after a kill."""

from __future__ import annotations

import io
import itertools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
RUN_FILE = "run.json"
RUNS = Path("runs")
"""Where results go that were not given a place."""


class OutputDirectory:
    """A result directory that appears under its name only when complete.

    Until then everything lies in ``<name>.partial``. A killed run is continued by the same
    command; a partial directory of another configuration is refused.

    Args:
        path: final name; must not exist.
        config: JSON-able description of the run; decides whether a partial run is the same one.

    Raises:
        FileExistsError: if ``path`` exists, or a partial directory of another run does.
    """

    def __init__(self, path: Path, config: dict[str, Any]) -> None:
        self.path = path
        self.partial = path.with_name(path.name + ".partial")
        refuse_existing(path)
        text = json.dumps(config, indent=1, sort_keys=True)
        if self._has_parts():
            known = self.partial / RUN_FILE
            if not known.is_file() or known.read_text(encoding="utf-8") != text:
                raise FileExistsError(
                    f"{self.partial} holds an unfinished run with other settings or another "
                    "version; delete it, or choose another --out"
                )
        self.partial.mkdir(parents=True, exist_ok=True)
        write_atomic(self.partial / RUN_FILE, text.encode())

    def _has_parts(self) -> bool:
        """True if there is more than a description of the run: work that could be lost."""
        return self.partial.exists() and any(p.name != RUN_FILE for p in self.partial.iterdir())

    def vector(self, name: str, size: int, compute: Callable[[], Floats]) -> Floats:
        """The stored part of this name, or the computed one, stored before it is returned.

        Args:
            name: of the part.
            size: its number of entries; a stored part of another form is computed anew.
            compute: gives the (size,) float64 part.
        """
        path = self.partial / f"{name}.npy"
        stored = _read_vector(path)
        if stored is not None and stored.shape == (size,):
            return stored
        value = compute()
        data = io.BytesIO()
        np.save(data, value, allow_pickle=False)
        write_atomic(path, data.getvalue())
        return value

    def finish(self) -> Path:
        """Give the directory its final name and drop the parts."""
        refuse_existing(self.path)
        self.partial.rename(self.path)
        for part in (*self.path.glob("*.npy"), self.path / RUN_FILE):
            part.unlink()
        return self.path


def _read_vector(path: Path) -> Floats | None:
    """A stored part; None if it is missing or damaged."""
    try:
        value = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return value if value.dtype == np.float64 else None


def free_directory(name: str) -> Path:
    """The first of runs/NAME, runs/NAME-2, ... that does not exist."""
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(RUNS / name for name in names if not (RUNS / name).exists())


def refuse_existing(path: Path) -> None:
    """Refuse to write where something is already.

    Raises:
        FileExistsError: if ``path`` exists.
    """
    if path.exists():
        raise FileExistsError(f"{path} exists; nothing was overwritten, choose another --out")


def prepare_file(path: Path) -> None:
    """Refuse an existing file, and make sure that it can be written, before work starts.

    Raises:
        FileExistsError: if ``path`` exists.
    """
    refuse_existing(path)
    path.parent.mkdir(parents=True, exist_ok=True)


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file so that readers see the old or the new content, never a part."""
    temporary = path.with_name(path.name + ".writing")
    with open(temporary, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
