"""Output directories: never overwritten, never half-written, resumed after a kill."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

RUN_FILE = "run.json"


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
        if self.partial.exists():
            known = self.partial / RUN_FILE
            if not known.is_file() or known.read_text(encoding="utf-8") != text:
                raise FileExistsError(
                    f"{self.partial} holds an unfinished run with other settings; "
                    "finish it with its own command, delete it, or choose another --out"
                )
        self.partial.mkdir(parents=True, exist_ok=True)
        write_atomic(self.partial / RUN_FILE, text.encode())

    def array(self, name: str, compute: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """The stored part of this name, or the computed one, stored before it is returned."""
        path = self.partial / f"{name}.npy"
        if path.exists():
            return np.load(path, allow_pickle=False)
        value = compute()
        temporary = path.with_suffix(".writing")
        with open(temporary, "wb") as file:
            np.save(file, value, allow_pickle=False)
        os.replace(temporary, path)
        return value

    def has(self, name: str) -> bool:
        """True if the part of this name is stored already."""
        return (self.partial / f"{name}.npy").exists()

    def finish(self) -> Path:
        """Drop the parts and give the directory its final name."""
        for part in self.partial.glob("*.npy"):
            part.unlink()
        (self.partial / RUN_FILE).unlink()
        refuse_existing(self.path)
        self.partial.rename(self.path)
        return self.path

    def discard(self) -> None:
        """Remove the partial directory."""
        shutil.rmtree(self.partial)


def refuse_existing(path: Path) -> None:
    """Refuse to write where something is already.

    Raises:
        FileExistsError: if ``path`` exists.
    """
    if path.exists():
        raise FileExistsError(f"{path} exists; nothing was overwritten, choose another --out")


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file so that readers see the old or the new content, never a part."""
    temporary = path.with_name(path.name + ".writing")
    temporary.write_bytes(data)
    os.replace(temporary, path)
