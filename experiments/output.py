"""Output directories: never overwritten, never half-written, resumed after a kill."""

from __future__ import annotations

import io
import itertools
import json
import os
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from experiments.lock import LOCK_FILE, Lock, kept_settings, locked
from experiments.record import differences
from photonic.files import (
    refuse_link,
    remove_if_abandoned,
    rename_new,
    target_name,
    write_atomic,
)

Floats = NDArray[np.float64]
PARTS = ("*.npy", "design-*.json", "training_state.safetensors")
"""Files that only a continued run needs; a finished directory has none of them."""
RUNS = Path("runs")
"""Where results go that were not given a place."""
_PATIENCE_S = 1.0
"""[s] that workers of a process that was just killed may need to notice it."""
_SHOWN = 3
"""Differences to another run that a message names."""


class OutputDirectory:
    """A result directory that appears under its name only when complete, for one ``with``.

    Until then everything lies in ``<name>.partial``, which one process at a time writes. A killed
    run is continued by the same command; a partial directory of another configuration is refused.
    A run that ends with an exception before it has kept anything leaves nothing.

    Args:
        path: final name; must not exist.
        config: JSON-able description of the run; decides whether a partial run is the same one.

    Raises:
        FileExistsError: on entering, if ``path`` exists, a partial directory of another run does,
            another process writes into it, or it holds links.
    """

    def __init__(self, path: Path, config: dict[str, Any]) -> None:
        self.path = path
        self.partial = path.with_name(path.name + ".partial")
        self._settings = json.dumps(config, indent=1, sort_keys=True)
        self._held = ExitStack()

    def __enter__(self) -> Self:
        refuse_existing(self.path)
        refuse_link(self.partial)
        self.partial.mkdir(parents=True, exist_ok=True)
        names = os.listdir(self.partial)
        if names and LOCK_FILE not in names:
            raise FileExistsError(self._other_run("it was not begun by this program"))
        with ExitStack() as held:
            held.push(self._remove_empty)
            lock = held.enter_context(locked(self.partial, _PATIENCE_S))
            held.push(self._leave_nothing)
            refuse_existing(self.path)  # another process may have finished it just now
            clean(self.partial)
            self._begin(lock)
            self._held = held.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._held.__exit__(*error)

    def _leave_nothing(self, kind: object, *_: object) -> None:
        """After an exception, remove a directory that holds nothing that could be lost."""
        if kind is not None and self.partial.is_dir() and not self._has_parts():
            (self.partial / LOCK_FILE).unlink()

    def _remove_empty(self, kind: object, *_: object) -> None:
        """After an exception, remove a directory that not even the lock could be written to."""
        if kind is not None:
            with suppress(OSError):  # it holds something, or has its final name
                self.partial.rmdir()

    def _begin(self, lock: Lock) -> None:
        if lock.settings == self._settings:
            return
        if self._has_parts():
            raise FileExistsError(self._other_run(_changes(lock.settings, self._settings)))
        lock.keep(self._settings)

    def _other_run(self, reason: str) -> str:
        return (
            f"{self.partial} holds an unfinished run with other settings or another version "
            f"({reason}); delete it, or choose another --out"
        )

    def _has_parts(self) -> bool:
        """True if there is more than the lock: work that could be lost."""
        return any(name != LOCK_FILE for name in os.listdir(self.partial))

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
        rename_new(self.partial, self.path)
        _drop_parts(self.path)
        return self.path


def _changes(before: str, now: str) -> str:
    """The first settings that differ, in words."""
    try:
        found = list(differences("", json.loads(before), json.loads(now)))
    except ValueError:
        return "unreadable settings"
    return "; ".join(found[:_SHOWN]) + ("; ..." if len(found) > _SHOWN else "")


def _drop_parts(directory: Path) -> None:
    for part in itertools.chain.from_iterable(map(directory.glob, PARTS)):
        part.unlink(missing_ok=True)
    (directory / LOCK_FILE).unlink(missing_ok=True)  # last: it tells that something is left to do


def clean(directory: Path) -> None:
    """Remove temporary files that killed processes left in an output directory.

    Raises:
        FileExistsError: if there is a link in it, at any depth.
    """
    for folder, folders, files in os.walk(directory):
        for name in (*folders, *files):
            path = Path(folder, name)
            refuse_link(path)
            if target_name(name):
                remove_if_abandoned(path)


def is_finished(path: Path) -> bool:
    """True if an output has its name; what a process left that was killed in ``finish`` goes."""
    if not os.path.lexists(path):
        return False
    if not path.is_symlink() and kept_settings(path):
        with suppress(FileExistsError), locked(path):  # or its own process is at it
            _drop_parts(path)
    return True


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
    return next(RUNS / name for name in names if not is_finished(RUNS / name))


def refuse_existing(path: Path) -> None:
    """Refuse to write where something is already, be it a link that leads nowhere.

    Raises:
        FileExistsError: if ``path`` exists.
    """
    if is_finished(path):
        raise FileExistsError(f"{path} exists; nothing was overwritten, choose another --out")


def prepare_file(path: Path) -> None:
    """Refuse an existing file, and make sure that it can be written, before work starts.

    Raises:
        FileExistsError: if ``path`` exists.
    """
    refuse_existing(path)
    path.parent.mkdir(parents=True, exist_ok=True)
